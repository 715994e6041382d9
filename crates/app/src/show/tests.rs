//! Decoders of our own read what is drawn. Others do, too (by hand, 26 November 2026, `weft show 0..3 --dataset sample`):
//! libsixel's `sixel2png` and Pillow see every pixel of the data set, kitty's PNG exactly, sixels within the 32 greys.

use super::*;
use base64::Engine as _;

/// Grows from the upper left to the lower right.
fn ramp(width: usize, height: usize) -> Vec<u8> {
    let most = width + height - 2;
    (0..width * height).map(|i| ((i % width + i / width) * 255 / most) as u8).collect()
}

fn image(pixels: &[u8], width: u32) -> Image<'_> {
    Image::new(pixels, width, pixels.len() as u32 / width).expect("whole rows")
}

fn drawn(look: Look, pixels: &[u8], width: u32, count: usize) -> Vec<u8> {
    let image = image(pixels, width);
    let lines = vec![("name".to_owned() + &" ".repeat(24), Tone::Bad)];
    let items = vec![Item { image, lines }; count];
    let coloured = look != Look::Ascii;
    sheet(&items, &Layout::new(look, coloured, 80, image, count))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn the_environment_decides() {
    let look = |variables: &[(&str, &str)]| {
        Look::of(|name| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        })
    };
    assert_eq!(look(&[]), Look::Blocks256);
    assert_eq!(look(&[("TERM", "xterm-256color")]), Look::Blocks256);
    assert_eq!(look(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), Look::Blocks);
    assert_eq!(look(&[("TERM", "xterm-kitty")]), Look::Kitty);
    assert_eq!(look(&[("TERM_PROGRAM", "WezTerm"), ("COLORTERM", "truecolor")]), Look::Kitty);
    assert_eq!(look(&[("KONSOLE_VERSION", "230804")]), Look::Kitty);
    assert_eq!(look(&[("KONSOLE_VERSION", "210400")]), Look::Blocks256);
    assert_eq!(look(&[("TERM", "foot")]), Look::Sixel);
    let inside = [("TERM", "tmux-256color"), ("KITTY_WINDOW_ID", "1"), ("COLORTERM", "24bit")];
    assert_eq!(look(&inside), Look::Blocks);
    assert_eq!(look(&[("TERM", "xterm-kitty"), ("TMUX", "/tmp/x")]), Look::Blocks256);
}

#[test]
fn images_are_as_large_as_fits() {
    let pixels = vec![0; 28 * 28];
    let layout = |width, count| {
        let layout = Layout::new(Look::Ascii, false, width, image(&pixels, 28), count);
        (layout.columns, layout.across)
    };
    assert_eq!([layout(80, 1), layout(80, 2)], [(28, 1), (28, 2)]);
    assert_eq!(layout(80, 25), (14, 5));
    assert_eq!(layout(200, 25), (28, 6));
    assert_eq!(layout(120, 25), (22, 5));
    assert_eq!(layout(20, 25), (14, 1));
    assert_eq!(layout(10, 25), (10, 1));
    let small = Layout::new(Look::Ascii, false, 80, image(&pixels[..64], 8), 1);
    assert_eq!(small.columns, 24);
}

#[test]
fn a_new_pixel_is_the_mean_of_what_it_covers() {
    assert_eq!(scaled(image(&[0, 100, 200, 100], 2), 1, 1), [100]);
    assert_eq!(scaled(image(&[0, 90, 180], 3), 2, 1), [30, 150]);
    assert_eq!(scaled(image(&[7, 9], 2), 4, 2), [7, 7, 9, 9, 7, 7, 9, 9]);
    let pixels = ramp(28, 28);
    assert_eq!(scaled(image(&pixels, 28), 28, 28), pixels);
}

#[test]
fn characters_grow_denser_and_lines_end_with_ink() {
    let told = text(&drawn(Look::Ascii, &ramp(28, 28), 28, 1));
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!((lines.len(), lines[14]), (15, "name"));
    assert!(lines[0].starts_with(' ') && lines[13].ends_with('@'), "{told}");
    assert!(lines.iter().all(|l| !l.ends_with(' ')) && told.is_ascii(), "{told}");
    let two = text(&drawn(Look::Ascii, &vec![255; 28 * 28], 28, 2));
    assert_eq!(two.lines().next(), Some(format!("{0}  {0}", "@".repeat(28)).as_str()));
}

#[test]
fn half_blocks_have_the_colours_of_both_pixels() {
    let pixels: Vec<u8> = (0..28 * 28).map(|i| if i / 28 % 2 == 0 { 10 } else { 200 }).collect();
    let told = text(&drawn(Look::Blocks, &pixels, 28, 1));
    let first = told.lines().next().expect("a line");
    let colours = "\x1b[38;2;10;10;10;48;2;200;200;200m";
    assert_eq!(first, format!("{colours}{}\x1b[0m", "▀".repeat(28)));
    assert!(told.ends_with("\x1b[31mname                        \x1b[39m\n"), "{told:?}");
    let told = text(&drawn(Look::Blocks256, &pixels, 28, 1));
    assert!(told.starts_with("\x1b[38;5;232;48;5;251m▀"), "{told:?}");
}

#[test]
fn kitty_gets_a_png_in_pieces() {
    let pixels = ramp(28, 28);
    let told = text(&drawn(Look::Kitty, &pixels, 28, 2));
    let pieces: Vec<&str> = told.split("\x1b\\").filter_map(|p| p.strip_prefix("\x1b_G")).collect();
    assert!(pieces[0].starts_with("a=T,f=100,c=58,r=14,q=2,m="), "{}", pieces[0]);
    let parts: Vec<(&str, &str)> = pieces.iter().map(|p| p.split_once(';').expect(";")).collect();
    let last = parts.len() - 1;
    for (i, (control, data)) in parts.iter().enumerate() {
        assert!(control.ends_with(if i == last { "m=0" } else { "m=1" }), "{control}");
        assert!(data.len() <= 4096 && (i == last || data.len() % 4 == 0));
    }
    let data: String = parts.iter().map(|(_, data)| *data).collect();
    let png = base64::engine::general_purpose::STANDARD.decode(data).expect("base64");
    let mut reader = png::Decoder::new(io::Cursor::new(png)).read_info().expect("a PNG");
    let mut found = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut found).expect("a picture");
    assert_eq!((info.width, info.height), (58 * 8, 14 * 16));
    let at = |x: usize, y: usize| [0, 1].map(|c| found[2 * (y * 58 * 8 + x) + c]);
    for (i, value) in pixels.iter().enumerate() {
        let (x, y) = (i % 28 * 8, i / 28 * 8);
        assert_eq!([at(x, y), at(x + 30 * 8 + 7, y + 7)], [[*value, 255]; 2]);
    }
    assert_eq!(at(28 * 8, 0), [0, 0], "nothing in the gap");
}

/// Takes a number from the front, and a semicolon behind it.
fn number(text: &mut &str) -> usize {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let found = text[..end].parse().expect("a number");
    *text = text[end..].strip_prefix(';').unwrap_or(&text[end..]);
    found
}

/// Draws sixels: grey in percent by pixel, or nothing.
fn decoded(sixels: &str) -> (usize, Vec<Option<usize>>) {
    let body = sixels.strip_prefix("\x1bP0;1q\"1;1;").expect("a start");
    let mut rest = body.strip_suffix("\x1b\\\n").expect("an end");
    let (width, height) = (number(&mut rest), number(&mut rest));
    let mut pixels = vec![None; width * height];
    let mut greys = [0; 256];
    let (mut x, mut y, mut colour) = (0, 0, 0);
    while let Some(c) = rest.chars().next() {
        let (mut count, mut sixel) = (1, c);
        rest = &rest[1..];
        match c {
            '#' => {
                colour = number(&mut rest);
                if rest.starts_with("2;") {
                    let [_, grey, ..] = [(); 4].map(|()| number(&mut rest));
                    greys[colour] = grey;
                }
                continue;
            }
            '$' => {
                x = 0;
                continue;
            }
            '-' => {
                (x, y) = (0, y + 6);
                continue;
            }
            '!' => {
                count = number(&mut rest);
                sixel = rest.chars().next().expect("a sixel");
                rest = &rest[1..];
            }
            _ => {}
        }
        let bits = sixel as u8 - b'?';
        for x in x..x + count {
            for row in (0..6).filter(|row| bits >> row & 1 == 1) {
                pixels[(y + row) * width + x] = Some(greys[colour]);
            }
        }
        x += count;
    }
    (width, pixels)
}

#[test]
fn sixels_draw_the_image() {
    let pixels = ramp(28, 28);
    let told = text(&drawn(Look::Sixel, &pixels, 28, 1));
    let (sixels, _) = told.split_at(told.find("\x1b\\\n").expect("an end") + 3);
    let (width, found) = decoded(sixels);
    assert_eq!((width, found.len()), (280, 280 * 280));
    for (i, value) in pixels.iter().enumerate() {
        let percent = found[i / 28 * 10 * width + i % 28 * 10].expect("a pixel");
        let want = f64::from(*value) / 2.55;
        assert!((percent as f64 - want).abs() < 3.0, "{percent} for {want}");
    }
    assert!(found.iter().all(Option::is_some), "no hole");
}
