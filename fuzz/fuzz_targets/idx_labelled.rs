//! Any two files are a labelled set or an error. The first byte says where the second file starts.
#![no_main]

use idx::{IdxFile, Labelled};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&cut, rest)) = bytes.split_first() else { return };
    let (images, labels) = rest.split_at(usize::from(cut).min(rest.len()));
    let file = |bytes: &[u8], name| IdxFile::from_bytes(bytes.to_vec(), name);
    let (Ok(images), Ok(labels)) = (file(images, "images"), file(labels, "labels")) else { return };
    let Ok(data) = Labelled::new(images, labels, 10) else { return };
    assert_eq!(data.images().len(), data.len() * data.features());
    assert!(data.labels().iter().all(|l| *l < 10));
    assert_eq!(data.image(data.len()).map(<[u8]>::len).unwrap_or(0), 0);
});
