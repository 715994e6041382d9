//! Property tests: what is written is read back, and damaged headers are errors or other valid readings.

use idx::{DType, Element, Header, Idx};
use proptest::prelude::*;

/// Up to four dimensions of up to six, zero among them.
fn dims() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0usize..=6, 1..=4)
}

fn file<T: Element>(dims: &[usize], elements: &[T]) -> Vec<u8> {
    let mut file = Vec::new();
    idx::write(&mut file, dims, elements).expect("a file in memory");
    file
}

/// Elements of each type, bit for bit (NaN payloads and all).
fn round_trip<T: Element>(dims: &[usize], make: impl Fn(u64) -> T) {
    let count: usize = dims.iter().product();
    let elements: Vec<T> =
        (0..count as u64).map(|i| make(i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let file = file(dims, &elements);
    let idx = Idx::parse(&file).expect("our own file");
    assert_eq!((idx.dtype(), idx.dims()), (T::DTYPE, dims));
    let mut back = Vec::new();
    idx.iter::<T>().expect("its own type").for_each(|e| e.to_be(&mut back));
    assert_eq!(back, idx.bytes());
    let mut sent = Vec::new();
    elements.iter().for_each(|e| e.to_be(&mut sent));
    assert_eq!(back, sent);
}

proptest! {
    #[test]
    fn every_type_and_shape_comes_back(dims in dims()) {
        round_trip(&dims, |i| i as u8);
        round_trip(&dims, |i| i as i8);
        round_trip(&dims, |i| i as i16);
        round_trip(&dims, |i| i as i32);
        round_trip(&dims, |i| f32::from_bits(i as u32));
        round_trip(&dims, f64::from_bits);
    }

    #[test]
    fn rows_are_the_items(dims in dims()) {
        let count: usize = dims.iter().product();
        let elements: Vec<u8> = (0..count).map(|i| i as u8).collect();
        let file = file(&dims, &elements);
        let idx = Idx::parse(&file).expect("our own file");
        let rows: Vec<u8> = (0..idx.len()).flat_map(|i| idx.row(i).expect("a row").to_vec()).collect();
        prop_assert_eq!(rows, elements);
        prop_assert_eq!(idx.row(idx.len()), None);
    }

    #[test]
    fn a_shorter_or_longer_file_is_an_error(dims in dims(), extra in 1usize..9) {
        let count: usize = dims.iter().product();
        let whole = file(&dims, &vec![7i32; count]);
        for end in 0..whole.len() {
            prop_assert!(Idx::parse(&whole[..end]).is_err(), "{} of {} bytes", end, whole.len());
        }
        let mut longer = whole;
        longer.extend(std::iter::repeat_n(0, extra));
        prop_assert!(Idx::parse(&longer).is_err());
    }

    #[test]
    fn a_changed_header_byte_is_an_error_or_another_reading(dims in dims(), byte in any::<u8>()) {
        let count: usize = dims.iter().product();
        let whole = file(&dims, &vec![1i16; count]);
        let before = Header::parse(&whole).expect("our own file");
        for at in 0..4 + 4 * dims.len() {
            let mut changed = whole.clone();
            changed[at] ^= byte;
            if let Ok(after) = Header::parse(&changed) {
                let elements: usize = after.dims().iter().product();
                prop_assert_eq!(after.start() + elements * after.dtype().size(), changed.len());
                prop_assert_eq!(byte == 0, after == before);
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Idx::parse(&bytes);
        let mut with_magic = vec![0, 0];
        with_magic.extend(bytes);
        let _ = Idx::parse(&with_magic);
    }
}

#[test]
fn all_codes_are_known_and_no_others() {
    let known: Vec<u8> = (0..=255).filter(|c| DType::from_code(*c).is_some()).collect();
    assert_eq!(known, [0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e]);
}
