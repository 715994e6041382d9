//! What matrices of any strides refuse.

use kernels::{MatMut, MatRef};

#[test]
#[should_panic(expected = "elements of a 3x4 matrix coincide with strides (1, 1)")]
fn overlapping_rows_of_c_are_refused() {
    MatMut::new(&mut [0.0; 64], (3, 4), (1, 1));
}

#[test]
#[should_panic(expected = "elements of a 3x4 matrix coincide with strides (0, 1)")]
fn one_row_for_all_of_c_is_refused() {
    MatMut::new(&mut [0.0; 64], (3, 4), (0, 1));
}

#[test]
#[should_panic(expected = "a 3x4 matrix with strides (4, 1) does not fit into 11 floats")]
fn a_slice_that_is_too_short_is_refused() {
    MatMut::new(&mut [0.0; 11], (3, 4), (4, 1));
}

#[test]
#[should_panic(expected = "a 3x4 matrix with strides (18446744073709551615, 4) does not fit into")]
fn strides_that_overflow_are_refused() {
    MatRef::new(&[0.0; 64], (3, 4), (usize::MAX, 4));
}

#[test]
#[should_panic(expected = "a 3x4 matrix")]
fn a_row_major_slice_that_is_too_long_is_refused() {
    MatRef::row_major(&[0.0; 13], 3, 4);
}

#[test]
#[should_panic(expected = "x2 matrix")]
fn a_row_major_size_that_overflows_is_refused() {
    MatRef::row_major(&[], 1 << (usize::BITS - 1), 2);
}

#[test]
#[should_panic(expected = "x2 matrix")]
fn a_row_major_size_that_overflows_is_refused_to_write() {
    MatMut::row_major(&mut [], 1 << (usize::BITS - 1), 2);
}

#[test]
#[should_panic(expected = "row 4 of 3")]
fn a_split_past_the_last_row_is_refused() {
    let _ = MatMut::row_major(&mut [0.0; 6], 3, 2).split_rows(4);
}

#[test]
#[should_panic(expected = "(2, 0) of 2x3")]
fn an_element_outside_is_refused() {
    MatRef::row_major(&[0.0; 6], 2, 3).get(2, 0);
}

#[test]
#[should_panic(expected = "block outside the matrix")]
fn a_block_outside_is_refused() {
    let _ = MatRef::row_major(&[0.0; 6], 2, 3).block((1, 1), (2, 2));
}
