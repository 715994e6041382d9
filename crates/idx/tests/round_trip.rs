//! Property tests: what is written is read back, and damaged headers are errors or other valid readings.

use idx::{Element, Header, Idx};
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
    assert_eq!(idx.values().len(), count);
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
    fn a_changed_header_byte_is_an_error_or_another_reading(dims in dims(), wide in any::<bool>()) {
        let count: usize = dims.iter().product();
        let whole =
            if wide { file(&dims, &vec![1i16; count]) } else { file(&dims, &vec![1u8; count]) };
        let before = Header::parse(&whole).expect("our own file");
        for at in 0..before.start() {
            for byte in (0..=255).filter(|b| *b != whole[at]) {
                let mut changed = whole.clone();
                changed[at] = byte;
                let Ok(after) = Header::parse(&changed) else { continue };
                let elements: usize = after.dims().iter().product();
                prop_assert_eq!(after.start() + elements * after.dtype().size(), changed.len());
                prop_assert_ne!(&after, &before);
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
fn values_are_the_elements_of_every_type() {
    fn values<T: Element + Into<f64>>(elements: &[T]) {
        let file = file(&[elements.len()], elements);
        let got: Vec<f64> = Idx::parse(&file).expect("our own file").values().collect();
        let wanted: Vec<f64> = elements.iter().map(|e| (*e).into()).collect();
        assert_eq!(got, wanted);
    }
    values(&[0u8, 1, 255]);
    values(&[-128i8, 0, 127]);
    values(&[i16::MIN, -1, i16::MAX]);
    values(&[i32::MIN, -1, i32::MAX]);
    values(&[f32::MIN_POSITIVE, -0.1, f32::INFINITY]);
    values(&[f64::MIN_POSITIVE, -0.1, f64::NEG_INFINITY]);
}

#[test]
fn as_many_dimensions_as_there_can_be() {
    let mut dims = [1; 255];
    (dims[0], dims[100], dims[254]) = (2, 3, 2);
    let elements: Vec<i32> = (-6..6).collect();
    let file = file(&dims, &elements);
    let idx = Idx::parse(&file).expect("our own file");
    assert_eq!((idx.dims(), idx.len(), idx.item_len()), (&dims[..], 2, 6));
    assert_eq!(idx.iter::<i32>().expect("its own type").collect::<Vec<_>>(), elements);
    assert!(Idx::parse(&file[..file.len() - 1]).is_err());
}

/// More elements than the writer converts at a time.
#[test]
fn a_large_file_comes_back() {
    round_trip(&[3, 4097], |i| i as i16);
}

/// The bytes as they are, so that writer and reader cannot be wrong together.
#[test]
fn the_bytes_of_a_file() {
    let bytes = file(&[2, 1], &[1i16, -2]);
    assert_eq!(bytes, [0, 0, 0x0b, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0xff, 0xfe]);
}
