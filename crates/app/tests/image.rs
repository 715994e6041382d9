//! `app::image`: from PNG files of any kind to the pixels a model takes.

use app::image::{Error, Prepared, load, prepare};
use png::{BitDepth, ColorType};
use std::path::Path;

const SIDE: u32 = 28;

fn png(width: u32, height: u32, color: ColorType, depth: BitDepth, data: &[u8]) -> Vec<u8> {
    png_with(width, height, color, depth, data, |_| {})
}

fn png_with(
    width: u32,
    height: u32,
    color: ColorType,
    depth: BitDepth,
    data: &[u8],
    set: impl FnOnce(&mut png::Encoder<'_, &mut Vec<u8>>),
) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    set(&mut encoder);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    file
}

fn grey(width: u32, height: u32, data: &[u8]) -> Vec<u8> {
    png(width, height, ColorType::Grayscale, BitDepth::Eight, data)
}

fn to_28(file: &[u8]) -> Result<Prepared, Error> {
    prepare(file, Path::new("photo.png"), SIDE, SIDE)
}

/// A shoe-like object that fills the width of 28 x 28 pixels, as the data set's images do.
fn shoe() -> Vec<u8> {
    let object = |x: u32, y: u32| {
        let top = 20 - x.min(18) / 2;
        (top..24).contains(&y).then_some((90 + (x * 37 + y * 23) % 160) as u8)
    };
    (0..SIDE * SIDE).map(|i| object(i % SIDE, i / SIDE).unwrap_or(0)).collect()
}

fn enlarged(pixels: &[u8], factor: u32) -> Vec<u8> {
    let side = SIDE * factor;
    let source = |i: u32| (i / side / factor * SIDE + i % side / factor) as usize;
    (0..side * side).map(|i| pixels[source(i)]).collect()
}

fn inverted(pixels: &[u8]) -> Vec<u8> {
    pixels.iter().map(|v| 255 - v).collect()
}

#[test]
fn an_image_of_the_data_set_comes_back_bit_for_bit() {
    let shoe = shoe();
    let back = to_28(&grey(SIDE, SIDE, &shoe)).unwrap();
    assert_eq!(back.pixels, shoe);
    assert_eq!(back.steps, ["read 28 x 28 pixels, 8 bits, grey", "kept as it is: 28 x 28 pixels"]);
    let colour: Vec<u8> = shoe.iter().flat_map(|v| [*v; 3]).collect();
    let back = to_28(&png(SIDE, SIDE, ColorType::Rgb, BitDepth::Eight, &colour)).unwrap();
    assert_eq!(back.pixels, shoe);
}

#[test]
fn an_inverted_image_is_inverted_back() {
    let shoe = shoe();
    let back = to_28(&grey(SIDE, SIDE, &inverted(&shoe))).unwrap();
    assert_eq!(back.pixels, shoe);
    assert_eq!(back.steps.last().unwrap(), "inverted: light background");
}

#[test]
fn an_enlarged_and_inverted_image_comes_back_bit_for_bit() {
    let shoe = shoe();
    let large = inverted(&enlarged(&shoe, 8));
    let back = to_28(&grey(8 * SIDE, 8 * SIDE, &large)).unwrap();
    assert_eq!(back.pixels, shoe);
    assert_eq!(back.steps[1], "reduced to 28 x 28: each pixel was 8 x 8");
}

/// The shoe enlarged by 8 on a larger white sheet, off the middle.
fn photo(level: u8) -> (u32, u32, Vec<u8>) {
    let (width, height, side) = (300, 260, 8 * SIDE);
    let large = inverted(&enlarged(&shoe(), 8));
    let at = |x: u32, y: u32| {
        let (x, y) = (x.wrapping_sub(50), y.wrapping_sub(10));
        let inside = x < side && y < side;
        if inside { large[(y * side + x) as usize].min(level) } else { level }
    };
    (width, height, (0..width * height).map(|i| at(i % width, i / width)).collect())
}

#[test]
fn a_photo_is_trimmed_centred_and_inverted() {
    let (width, height, pixels) = photo(255);
    let back = to_28(&grey(width, height, &pixels)).unwrap();
    // Sharpening moves intensities; the outline is that of the shoe, which reaches over all 28 columns and rows 11
    // to 23, and is centred on rows 7 to 19.
    let expected: Vec<bool> = (0..SIDE * SIDE)
        .map(|i| shoe().get((i + 4 * SIDE) as usize).is_some_and(|v| *v > 0))
        .collect();
    let outline: Vec<bool> = back.pixels.iter().map(|v| *v > 0).collect();
    let differ = outline.iter().zip(&expected).filter(|(a, b)| a != b).count();
    assert!(differ <= 12, "{differ} pixels of the outline differ");
    let shifted = shoe()[4 * SIDE as usize..].to_vec();
    let error: u32 = back.pixels.iter().zip(&shifted).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
    let mean = f64::from(error) / shifted.len() as f64;
    assert!(mean < 16.0, "mean difference {mean}");
    assert_eq!(
        back.steps,
        [
            "read 300 x 260 pixels, 8 bits, grey",
            "trimmed edges close to the corner colour: 50 px left, 26 px right, 98 px top, 58 px bottom",
            "resized from 224 x 104 to 28 x 13 by subsampling",
            "sharpened: Gaussian of radius 1 and deviation 1",
            "centred on 28 x 28 pixels",
            "inverted: light background",
        ]
    );
}

#[test]
fn a_grey_background_becomes_zero() {
    let (width, height, pixels) = photo(220);
    let back = to_28(&grey(width, height, &pixels)).unwrap();
    assert_eq!(back.steps.last().unwrap(), "set the background from 35 to 0");
    assert_eq!(back.pixels[0], 0);
    assert!(back.pixels.iter().any(|v| *v > 150));
}

#[test]
fn a_dark_background_is_not_inverted() {
    let (width, height, pixels) = photo(255);
    let light = to_28(&grey(width, height, &pixels)).unwrap();
    let dark = to_28(&grey(width, height, &inverted(&pixels))).unwrap();
    assert!(!dark.steps.iter().any(|s| s.starts_with("inverted")));
    // Rounding of the sharpened values is not symmetrical.
    assert!(light.pixels.iter().zip(&dark.pixels).all(|(a, b)| a.abs_diff(*b) <= 1));
}

#[test]
fn every_kind_of_png_gives_the_same_pixels() {
    let shoe = shoe();
    let twice: Vec<u8> = shoe.iter().flat_map(|v| [*v, *v]).collect();
    let alpha: Vec<u8> = shoe.iter().flat_map(|v| [*v, 255]).collect();
    let rgb: Vec<u8> = shoe.iter().flat_map(|v| [*v; 3]).collect();
    let rgba: Vec<u8> = shoe.iter().flat_map(|v| [*v, *v, *v, 255]).collect();
    let rgba16: Vec<u8> = shoe.iter().flat_map(|v| [*v, 7, *v, 7, *v, 7, 255, 255]).collect();
    let palette: Vec<u8> = (0..=255).flat_map(|v| [v; 3]).collect();
    let (eight, sixteen) = (BitDepth::Eight, BitDepth::Sixteen);
    let files = [
        png(SIDE, SIDE, ColorType::Grayscale, sixteen, &twice),
        png(SIDE, SIDE, ColorType::GrayscaleAlpha, eight, &alpha),
        png(SIDE, SIDE, ColorType::Rgb, eight, &rgb),
        png(SIDE, SIDE, ColorType::Rgba, eight, &rgba),
        png(SIDE, SIDE, ColorType::Rgba, sixteen, &rgba16),
        png_with(SIDE, SIDE, ColorType::Indexed, eight, &shoe, |e| e.set_palette(palette)),
    ];
    for file in files {
        let back = to_28(&file).unwrap();
        assert_eq!(back.pixels, shoe, "{}", back.steps[0]);
    }
}

#[test]
fn a_bitmap_of_one_bit_is_black_and_white() {
    // 32 x 4 bits, of which the middle 8 columns are white.
    let rows = [0, 0b1111, 0b1111_0000, 0].repeat(4);
    let back = to_28(&png(32, 4, ColorType::Grayscale, BitDepth::One, &rows)).unwrap();
    assert!(back.steps[0].ends_with("1 bits, grey"), "{:?}", back.steps);
    assert_eq!(back.pixels[14 * 28 + 14], 255);
    assert_eq!(back.pixels[0], 0);
}

#[test]
fn transparent_parts_are_background() {
    let shoe = shoe();
    // A dark object, and a white one, both cut out.
    let dark: Vec<u8> = shoe.iter().flat_map(|v| [255 - v, u8::from(*v > 0) * 255]).collect();
    let white: Vec<u8> = shoe.iter().flat_map(|v| [255, u8::from(*v > 0) * 255]).collect();
    let cut = |data| png(SIDE, SIDE, ColorType::GrayscaleAlpha, BitDepth::Eight, data);
    let back = to_28(&cut(&dark)).unwrap();
    assert_eq!(back.steps[1], "laid transparent parts on white");
    assert_eq!(back.pixels, shoe);
    let back = to_28(&cut(&white)).unwrap();
    assert_eq!(back.steps[1], "laid transparent parts on black: the object is white");
    assert!(back.pixels.iter().zip(&shoe).all(|(a, b)| (*a == 255) == (*b > 0)));
}

#[test]
fn any_size_goes_in_and_out() {
    for (width, height) in [(1, 2), (3, 1), (29, 28), (5, 400), (400, 5), (27, 27)] {
        let mut pixels = vec![255; width as usize * height as usize];
        let middle = pixels.len() / 2;
        pixels[middle] = 0;
        for target in [(28, 28), (32, 16), (1, 1), (7, 50)] {
            let file = grey(width, height, &pixels);
            let back = prepare(&file, Path::new("x.png"), target.0, target.1).unwrap();
            assert_eq!(back.pixels.len(), (target.0 * target.1) as usize);
            assert!(!back.steps.is_empty());
        }
    }
}

#[test]
fn an_empty_scene_is_refused() {
    for value in [0, 128, 255] {
        let error = to_28(&grey(56, 56, &[value; 56 * 56])).unwrap_err();
        assert!(matches!(error, Error::Blank { width: 56, height: 56, .. }), "{error}");
        assert!(error.to_string().starts_with("photo.png: "), "{error}");
        // Of the size that a model takes, too.
        let error = to_28(&grey(28, 28, &[value; 28 * 28])).unwrap_err();
        assert!(matches!(error, Error::Blank { width: 28, height: 28, .. }), "{error}");
    }
}

#[test]
fn other_formats_are_named() {
    let files: [(&[u8], &str); 6] = [
        (b"GIF89a\x01\0", "a GIF image"),
        (b"\0\0\0\x20ftypavif", "an AVIF or HEIC image"),
        (b"<!DOCTYPE html>", "an XML or HTML document"),
        (b"\x1F\x8B\x08\0", "a gzip file"),
        (b"", "an empty file"),
        (b"hello", "an unknown format"),
    ];
    for (bytes, name) in files {
        let error = to_28(bytes).unwrap_err();
        assert!(matches!(error, Error::Other { .. }));
        let text = error.to_string();
        assert!(text.contains(name) && text.contains("convert it to PNG"), "{text}");
    }
}

#[test]
fn every_truncation_is_an_error() {
    let file = grey(SIDE, SIDE, &shoe());
    for length in 1..file.len() - 12 {
        let error = to_28(&file[..length]).unwrap_err();
        assert!(matches!(error, Error::Truncated { .. }), "{length}: {error}");
    }
}

#[test]
fn damage_is_an_error_or_harmless() {
    let jpeg = jpeg(SIDE, SIDE, &shoe(), None);
    for file in [grey(SIDE, SIDE, &shoe()), jpeg] {
        for position in 0..file.len() {
            let mut damaged = file.clone();
            damaged[position] ^= 0x5A;
            if let Ok(back) = to_28(&damaged) {
                assert_eq!(back.pixels.len(), (SIDE * SIDE) as usize, "byte {position}");
            }
            let _ = to_28(&file[..position]);
        }
    }
}

/// A JPEG file, with an Exif orientation if there is one.
fn jpeg(width: u32, height: u32, pixels: &[u8], orientation: Option<u8>) -> Vec<u8> {
    use image::codecs::jpeg::JpegEncoder;
    use image::{ExtendedColorType, ImageEncoder as _};
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 100);
    if let Some(orientation) = orientation {
        // A little-endian TIFF header and one entry: tag 0x112, a short.
        let exif = [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(), &[orientation]];
        encoder.set_exif_metadata([&*exif.concat(), &[0; 7]].concat()).unwrap();
    }
    encoder.write_image(pixels, width, height, ExtendedColorType::L8).unwrap();
    file
}

/// The most that two images differ by, in one pixel.
fn difference(a: &[u8], b: &[u8]) -> u8 {
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn a_jpeg_of_the_best_quality_is_almost_a_png() {
    let shoe = shoe();
    let back = to_28(&jpeg(SIDE, SIDE, &inverted(&shoe), None)).unwrap();
    assert!(difference(&back.pixels, &shoe) <= 3, "{}", difference(&back.pixels, &shoe));
    let steps = ["read 28 x 28 pixels, JPEG, grey", "kept as it is: 28 x 28 pixels"];
    assert_eq!(back.steps[..2], steps);
    assert_eq!(back.steps[2], "inverted: light background");
    // Whatever its name says, as a photo that was dragged from somewhere.
    let (width, height, pixels) = photo(255);
    let [jpeg, png] = [jpeg(width, height, &pixels, None), grey(width, height, &pixels)];
    let [jpeg, png] = [jpeg, png].map(|file| to_28(&file).unwrap());
    assert!(difference(&jpeg.pixels, &png.pixels) <= 12);
}

#[test]
fn a_jpeg_is_turned_as_the_camera_was_held() {
    let shoe = shoe();
    // 6: the first row is the right-hand side.
    let side = SIDE as usize;
    let turned: Vec<u8> =
        (0..side * side).map(|i| shoe[i % side * side + side - 1 - i / side]).collect();
    let back = to_28(&jpeg(SIDE, SIDE, &turned, Some(6))).unwrap();
    assert!(difference(&back.pixels, &shoe) <= 3, "{}", difference(&back.pixels, &shoe));
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    // The header of a file of 100,000 x 100,000 pixels; nothing else is needed to refuse it.
    let mut file = grey(1, 1, &[0]);
    file[16..20].copy_from_slice(&100_000u32.to_be_bytes());
    file[20..24].copy_from_slice(&100_000u32.to_be_bytes());
    let crc = crc32(&file[12..29]).to_be_bytes();
    file[29..33].copy_from_slice(&crc);
    let error = to_28(&file).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    assert!(error.to_string().contains("100000 x 100000 pixels"), "{error}");
}

/// The checksum of a PNG chunk.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[test]
fn files_are_read_and_missing_ones_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shoe.png");
    std::fs::write(&path, grey(SIDE, SIDE, &shoe())).unwrap();
    assert_eq!(load(&path, SIDE, SIDE).unwrap().pixels, shoe());
    let error = load(&folder.path().join("none.png"), SIDE, SIDE).unwrap_err();
    assert!(matches!(error, Error::Io { .. }));
    assert!(error.to_string().contains("none.png"), "{error}");
    assert!(matches!(load(folder.path(), SIDE, SIDE), Err(Error::Io { .. })));
}
