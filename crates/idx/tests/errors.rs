//! Every way a file can be wrong, and what the error says: file, offset, expected, found, what to do.

use idx::{Error, IdxFile, Labelled};
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
    says(&error(b""), &["at byte 0", "an empty file"]);
}

#[test]
fn a_short_magic() {
    says(&error(&[0, 0, 8]), &["at byte 3", "the end of the file after 3 bytes"]);
}

#[test]
fn a_wrong_magic() {
    says(&error(b"\x89PNG...."), &["at byte 0", "89 50 4e 47", "not an IDX file"]);
}

#[test]
fn an_unknown_type() {
    says(&error(&[0, 0, 0x0a, 1, 0, 0, 0, 0]), &["at byte 2", "08, 09, 0b", "found 0a"]);
}

#[test]
fn no_dimensions() {
    says(&error(&[0, 0, 8, 0, 1]), &["at byte 3", "at least one dimension"]);
}

#[test]
fn a_cut_header() {
    says(
        &error(&[0, 0, 8, 3, 0, 0, 0, 1, 0]),
        &["at byte 9", "16 bytes of header for 3 dimensions"],
    );
}

#[test]
fn sizes_whose_product_overflows() {
    let bytes = header(&[u32::MAX, u32::MAX, u32::MAX]);
    says(&error(&bytes), &["at byte 16", "4294967295x4294967295", "0 bytes"]);
}

#[test]
fn a_claim_of_far_more_than_there_is() {
    let bytes = header(&[u32::MAX]);
    says(&error(&bytes), &["at byte 8", "4294967295 bytes", "cut off"]);
}

#[test]
fn missing_elements() {
    let mut bytes = header(&[2, 3]);
    bytes.extend([1, 2, 3, 4, 5]);
    says(&error(&bytes), &["at byte 12", "6 bytes of elements for 2x3 u8", "5 bytes", "cut off"]);
}

#[test]
fn trailing_bytes() {
    let mut bytes = header(&[1]);
    bytes.extend([1, 2]);
    says(&error(&bytes), &["at byte 8", "1 bytes of elements", "2 bytes"]);
}

#[test]
fn a_gzip_file_in_disguise() {
    says(&error(&[0x1f, 0x8b, 8, 0, 0, 0]), &["a gzip file", "gunzip"]);
}

#[test]
fn a_page_in_disguise() {
    says(&error(b"\n <!DOCTYPE html><html>"), &["HTML", "another place"]);
    says(&error(b"<html><body>403"), &["HTML"]);
}

#[test]
fn a_dimension_of_zero_is_an_empty_set() {
    let file = IdxFile::from_bytes(header(&[0, 28, 28]), "empty").expect("an empty set");
    assert!(file.view().is_empty());
    assert_eq!(file.view().row(0), None);
}

#[test]
fn a_missing_file() {
    let error = IdxFile::read("no/such/file").expect_err("there is no such file");
    assert!(matches!(&error, Error::Io { .. }));
    assert!(error.to_string().contains("no/such/file"), "{error}");
}

fn idx(dims: &[usize], elements: &[u8], name: &str) -> IdxFile {
    let mut file = Vec::new();
    idx::write(&mut file, dims, elements).expect("a file in memory");
    IdxFile::from_bytes(file, name).expect("a good file")
}

#[test]
fn pairs_that_do_not_belong_together() {
    let images = || idx(&[2, 1, 2], &[1, 2, 3, 4], "images");
    let error = |labels| Labelled::new(images(), labels, 10).expect_err("a bad pair").to_string();
    let counts = error(idx(&[3], &[0, 1, 2], "labels"));
    assert!(
        counts.contains("images and labels") && counts.contains("2 images and 3 labels"),
        "{counts}"
    );
    let range = error(idx(&[2], &[0, 10], "labels"));
    assert!(range.contains("label 10 of image 1") && range.contains("10 classes"), "{range}");
    let dims = error(idx(&[2, 1], &[0, 1], "labels"));
    assert!(dims.contains("1 dimension") && dims.contains("u8 of shape 2x1"), "{dims}");
    let swapped = Labelled::new(idx(&[2], &[0, 1], "labels"), images(), 10);
    assert!(swapped.expect_err("swapped").to_string().contains("3 dimensions"));
    let mut floats = Vec::new();
    idx::write(&mut floats, &[1, 1, 1], &[0.5f32]).expect("a file in memory");
    let floats = IdxFile::from_bytes(floats, "floats").expect("a good file");
    let typed = Labelled::new(floats, idx(&[1], &[0], "labels"), 10).expect_err("floats");
    assert!(typed.to_string().contains("f32 of shape 1x1x1"), "{typed}");
}

#[test]
fn writing_what_does_not_fit_is_refused() {
    let mut out = Vec::new();
    assert!(idx::write(&mut out, &[], &[1u8]).is_err());
    assert!(idx::write(&mut out, &[2, 2], &[1u8]).is_err());
    assert!(idx::write(&mut out, &[1; 256], &[1u8]).is_err());
    assert!(idx::write(&mut out, &[usize::MAX, 2], &[1u8]).is_err());
    assert!(out.is_empty(), "nothing is written before it is checked");
}
