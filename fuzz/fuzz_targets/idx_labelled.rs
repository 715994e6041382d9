//! Any two files are a labelled set or an error. The first byte says where the second file starts.
#![no_main]

use idx::{IdxFile, Labelled};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&cut, rest)) = bytes.split_first() else { return };
    let (images, labels) = rest.split_at(usize::from(cut).min(rest.len()));
    let file = |bytes: &[u8], name| IdxFile::from_bytes(bytes.to_vec(), name);
    let (Ok(images), Ok(labels)) = (file(images, "images"), file(labels, "labels")) else { return };
    let data = match Labelled::new(images, labels, 10) {
        Ok(data) => data,
        Err(error) => {
            assert!(error.to_string().contains("expected"), "{error}");
            return;
        }
    };
    assert_eq!(data.images().len(), data.len() * data.features());
    assert_eq!(data.iter().len(), data.len());
    for (i, (image, label)) in data.iter().enumerate() {
        assert!(label < 10);
        assert_eq!((data.image(i), data.label(i)), (Some(image), Some(label)));
    }
    assert_eq!((data.image(data.len()), data.label(data.len())), (None, None));
});
