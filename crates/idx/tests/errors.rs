//! Every way a file can be wrong, and what the error says: file, offset, expected, found, what to do.

use idx::{Difference, Error, IdxFile, Labelled};
use std::io::ErrorKind;
use std::path::Path;

fn error(bytes: &[u8]) -> String {
    let read = IdxFile::from_bytes(bytes.to_vec(), Path::new("some/file"));
    read.expect_err("a damaged file").to_string()
}

/// A header of `u8` elements with these sizes.
fn header(sizes: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    sizes.iter().for_each(|s| bytes.extend(s.to_be_bytes()));
    bytes
}

#[track_caller]
fn says(error: &str, parts: &[&str]) {
    for part in parts.iter().chain(&["some/file"]) {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

#[test]
fn an_empty_file() {
    says(&error(b""), &["at byte 0", "two zero bytes", "an empty file", "download it again"]);
}

#[test]
fn a_short_magic() {
    says(&error(&[0, 0, 8]), &["at byte 3", "the end of the file after 3 bytes", "cut off"]);
    says(&error(&[0]), &["at byte 1", "the end of the file after 1 byte;"]);
}

#[test]
fn a_wrong_magic() {
    says(&error(b"\x89PNG...."), &["at byte 0", "89 50 4e 47", "not an IDX file"]);
    says(&error(&[0, 1, 8, 1, 0, 0, 0, 0]), &["at byte 0", "00 01 08 01"]);
}

#[test]
fn an_unknown_type() {
    for code in [0x00, 0x07, 0x0a, 0x0f, 0xff] {
        let error = error(&[0, 0, code, 1, 0, 0, 0, 0]);
        says(&error, &["at byte 2", "08, 09, 0b", &format!("found {code:02x};"), "damaged"]);
    }
}

#[test]
fn no_dimensions() {
    let error = error(&[0, 0, 8, 0, 1]);
    says(&error, &["at byte 3", "at least one dimension", "found 0 dimensions", "damaged"]);
}

#[test]
fn a_cut_header() {
    says(
        &error(&[0, 0, 8, 3, 0, 0, 0, 1, 0]),
        &["at byte 9", "16 bytes of header for 3 dimensions", "after 9 bytes", "cut off"],
    );
    says(&error(&[0, 0, 8, 255]), &["at byte 4", "1024 bytes of header for 255 dimensions"]);
}

#[test]
fn sizes_whose_product_overflows() {
    let bytes = header(&[u32::MAX, u32::MAX, u32::MAX]);
    says(&error(&bytes), &["at byte 4", "sizes whose product", "4294967295x4294967295", "damaged"]);
    says(&error(&header(&[u32::MAX; 255])), &["at byte 4", "(247 more sizes)"]);
}

#[test]
fn a_zero_does_not_excuse_an_overflow_wherever_it_stands() {
    for zero in 0..4 {
        let mut sizes = [u32::MAX; 4];
        sizes[zero] = 0;
        says(&error(&header(&sizes)), &["at byte 4", "sizes whose product"]);
    }
}

#[test]
fn a_claim_of_far_more_than_there_is() {
    let bytes = header(&[u32::MAX]);
    says(&error(&bytes), &["at byte 8", "4294967295 bytes", "after 0 of them", "cut off"]);
}

#[test]
fn missing_elements() {
    let mut bytes = header(&[2, 3]);
    bytes.extend([1, 2, 3, 4, 5]);
    says(
        &error(&bytes),
        &["at byte 17", "6 bytes of elements (2x3 u8)", "after 5 of them", "cut off"],
    );
}

#[test]
fn trailing_bytes() {
    let mut bytes = header(&[1]);
    bytes.extend([1, 2]);
    says(
        &error(&bytes),
        &["at byte 9", "end of the file after 1 byte of elements (1 u8)", "found 1 byte more"],
    );
}

#[test]
fn a_compressed_file_in_disguise() {
    says(&error(&[0x1f, 0x8b, 8, 0, 0, 0]), &["at byte 0", "a gzip file", "gunzip FILE"]);
    says(&error(&[0x1f, 0x8b]), &["a gzip file"]);
    says(&error(b"PK\x03\x04...."), &["a zip archive", "unzip FILE"]);
}

#[test]
fn a_page_in_disguise() {
    says(&error(b"\n <!DOCTYPE html><html>"), &["at byte 0", "HTML", "another place"]);
    says(&error(b"<html><body>403"), &["HTML"]);
    says(&error(b"<!doctype html>"), &["HTML"]);
    says(&error(b"<?xml version='1.0'?><Error>"), &["XML"]);
}

#[test]
fn a_dimension_of_zero_is_an_empty_set() {
    for sizes in [[0, 28, 28], [3, 0, 28], [3, 28, 0]] {
        let file = IdxFile::from_bytes(header(&sizes), "empty").expect("an empty set");
        let view = file.view();
        assert_eq!((view.as_u8(), view.is_empty()), (Some(&[][..]), sizes[0] == 0));
        assert_eq!(view.row(view.len()), None);
    }
}

#[test]
fn a_missing_file() {
    let error = IdxFile::read("no/such/file").expect_err("there is no such file");
    let Error::Io { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("no/such/file"), "{error}");
}

fn idx(dims: &[usize], elements: &[u8], name: &str) -> IdxFile {
    let mut file = Vec::new();
    idx::write(&mut file, dims, elements).expect("a file in memory");
    IdxFile::from_bytes(file, name).expect("a good file")
}

fn images() -> IdxFile {
    idx(&[2, 1, 2], &[1, 2, 3, 4], "images")
}

fn unpaired(images: IdxFile, labels: IdxFile) -> (Error, String) {
    let error = Labelled::new(images, labels, 10).expect_err("a bad pair");
    let text = error.to_string();
    (error, text)
}

#[test]
fn a_good_pair() {
    let data = Labelled::new(images(), idx(&[2], &[9, 0], "labels"), 10).expect("a good pair");
    assert_eq!((data.len(), data.shape(), data.features()), (2, (1, 2), 2));
    assert_eq!((data.images(), data.labels()), (&[1, 2, 3, 4][..], &[9, 0][..]));
    let pairs: Vec<_> = data.iter().collect();
    assert_eq!(pairs, [(&[1, 2][..], 9), (&[3, 4][..], 0)]);
    assert_eq!((data.image(1), data.label(1)), (Some(&[3, 4][..]), Some(0)));
    assert_eq!((data.image(2), data.label(2)), (None, None));
}

#[test]
fn examples_of_any_dimensions_can_be_looked_at() {
    let cases: [(&[usize], (usize, usize)); 6] = [
        (&[6], (1, 6)),
        (&[2, 3], (2, 3)),
        (&[3, 2], (3, 2)),
        (&[2, 5, 3], (2, 15)),
        (&[3, 4, 5], (12, 5)),
        (&[2, 3, 4, 5], (24, 5)),
    ];
    for (dims, shape) in cases {
        let features = dims.iter().product();
        let all: Vec<usize> = [1].iter().chain(dims).copied().collect();
        let images = idx(&all, &vec![7; features], "images");
        let data = Labelled::new(images, idx(&[1], &[0], "labels"), 1).expect("a good pair");
        assert_eq!((data.dims(), data.shape(), data.features()), (dims, shape, features));
        assert_eq!(data.image(0).map(<[u8]>::len), Some(features));
    }
}

#[test]
fn images_without_pixels_are_still_counted() {
    let images = idx(&[2, 0, 28], &[], "images");
    let data = Labelled::new(images, idx(&[2], &[0, 1], "labels"), 10).expect("a good pair");
    assert_eq!((data.image(1), data.image(2)), (Some(&[][..]), None));
    assert_eq!(data.iter().len(), 2);
}

#[test]
fn counts_that_differ() {
    let (error, text) = unpaired(images(), idx(&[3], &[0, 1, 2], "labels"));
    assert!(text.starts_with("images and labels do not belong together"), "{text}");
    assert!(text.contains("found 2 images and 3 labels; pair"), "{text}");
    let Error::Mismatch { what, .. } = error else { panic!("{error:?}") };
    assert_eq!(what, Difference::Count { images: 2, labels: 3 });
}

#[test]
fn a_label_out_of_range() {
    let (error, text) = unpaired(images(), idx(&[2], &[0, 10], "labels"));
    assert!(text.contains("of 10 classes (below 10), found label 10 of image 1 (byte 9"), "{text}");
    assert!(
        text.ends_with(
            "; say how many classes there are, or pair the images with their own labels"
        )
    );
    let Error::Mismatch { what, .. } = error else { panic!("{error:?}") };
    assert_eq!(what, Difference::Label { index: 1, offset: 9, label: 10, classes: 10 });
    assert!(Labelled::new(images(), idx(&[2], &[0, 0], "labels"), 0).is_err(), "no classes at all");
    assert!(Labelled::new(images(), idx(&[2], &[255, 0], "labels"), 256).is_ok());
}

#[test]
fn labels_of_wider_types() {
    fn labels<T: idx::Element>(labels: &[T]) -> IdxFile {
        let mut file = Vec::new();
        idx::write(&mut file, &[labels.len()], labels).expect("a file in memory");
        IdxFile::from_bytes(file, "labels").expect("a good file")
    }
    let files = [labels(&[7i8, 0]), labels(&[7i16, 0]), labels(&[7i32, 0])];
    for file in files {
        let data = Labelled::new(images(), file, 8).expect("a good pair");
        assert_eq!(data.labels(), [7, 0]);
    }
    let many = Labelled::new(images(), labels(&[999i16, 0]), 1000).expect("a good pair");
    assert_eq!(many.label(0), Some(999));
    for (file, label, offset) in [
        (labels(&[0, -1i8]), -1, 9),
        (labels(&[0, -1i16]), -1, 10),
        (labels(&[0, 70_000i32]), 70_000, 12),
    ] {
        let (error, text) = unpaired(images(), file);
        let Error::Mismatch { what, .. } = error else { panic!("{text}") };
        assert_eq!(what, Difference::Label { index: 1, offset, label, classes: 10 });
    }
    let far = Labelled::new(images(), labels(&[70_000i32, 0]), 100_000).expect_err("16 bits");
    assert!(far.to_string().contains("65536 classes (below 65536), found label 70000"), "{far}");
    let (error, _) = unpaired(images(), labels(&[0f32, 1.0]));
    assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
}

#[test]
fn files_of_another_kind() {
    let (error, text) = unpaired(images(), idx(&[2, 1], &[0, 1], "labels"));
    assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
    assert!(text.contains("1 dimension") && text.contains("found u8 of shape 2x1"), "{text}");
    let (_, text) = unpaired(idx(&[2], &[0, 1], "labels"), images());
    assert!(text.contains("2 dimensions or more") && text.contains("swapped?"), "{text}");
    let mut floats = Vec::new();
    idx::write(&mut floats, &[1, 1, 1], &[0.5f32]).expect("a file in memory");
    let floats = IdxFile::from_bytes(floats, "floats").expect("a good file");
    let (_, text) = unpaired(floats, idx(&[1], &[0], "labels"));
    assert!(text.starts_with("floats") && text.contains("f32 of shape 1x1x1"), "{text}");
}

#[test]
fn writing_what_does_not_fit_is_refused() {
    let refused = |dims: &[usize], elements: &[u8]| {
        let mut out = Vec::new();
        let error = idx::write(&mut out, dims, elements).expect_err("it does not fit");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(out.is_empty(), "nothing is written before it is checked");
    };
    refused(&[], &[1]);
    refused(&[2, 2], &[1]);
    refused(&[1; 256], &[1]);
    refused(&[usize::MAX, 2], &[1]);
    refused(&[0, usize::MAX, 2], &[]);
    refused(&[0, 1 << 32], &[]);
}

#[test]
fn a_writer_that_fails_is_heard() {
    let mut room = [0u8; 10];
    let error = idx::write(&mut room[..], &[3], &[1u8, 2, 3]).expect_err("there is no room");
    assert_eq!(error.kind(), ErrorKind::WriteZero);
}

#[test]
fn everything_can_be_sent_to_another_thread() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<IdxFile>();
    shared::<Labelled>();
    shared::<idx::Idx<'static>>();
    shared::<idx::Elements<'static, f32>>();
    shared::<Error>();
}
