//! Any bytes are an IDX file or an error; a file is what its header says, and comes out of the writer as it was.
#![no_main]

use idx::{DType, Element, Idx};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let idx = match Idx::parse(bytes) {
        Ok(idx) => idx,
        Err(error) => {
            assert!(error.offset <= bytes.len() && error.next.is_some(), "{error}");
            return;
        }
    };
    // Neither product can overflow, whatever the sizes are.
    let elements: usize = idx.dims().iter().rev().product();
    assert_eq!(elements, idx.len() * idx.item_len());
    assert_eq!(elements * idx.dtype().size(), idx.bytes().len());
    assert_eq!(idx.values().count(), elements);
    assert_eq!(idx.row(idx.len()), None);
    let rows = (0..idx.len().min(100)).map_while(|i| idx.row(i));
    assert!(idx.as_u8().is_none_or(|all| all.starts_with(&rows.collect::<Vec<_>>().concat())));
    match idx.dtype() {
        DType::U8 => same::<u8>(&idx, bytes),
        DType::I8 => same::<i8>(&idx, bytes),
        DType::I16 => same::<i16>(&idx, bytes),
        DType::I32 => same::<i32>(&idx, bytes),
        DType::F32 => same::<f32>(&idx, bytes),
        DType::F64 => same::<f64>(&idx, bytes),
    }
});

/// Writes what was read; every IDX file has only one form.
fn same<T: Element>(idx: &Idx<'_>, bytes: &[u8]) {
    let elements: Vec<T> = idx.iter().expect("its own type").collect();
    let mut written = Vec::new();
    idx::write(&mut written, idx.dims(), &elements).expect("what was read can be written");
    assert_eq!(written, bytes);
}
