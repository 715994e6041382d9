//! Any bytes are an IDX file or an error; a file is what its header says.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(idx) = idx::Idx::parse(bytes) else { return };
    let elements: usize = idx.dims().iter().product();
    assert_eq!(elements * idx.dtype().size(), idx.bytes().len());
    assert_eq!(idx.iter::<i32>().map(|i| i.len()).unwrap_or(elements), elements);
    assert_eq!(idx.row(idx.len()), None);
});
