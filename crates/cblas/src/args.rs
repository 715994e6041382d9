//! The arguments of a product and what the reference BLAS finds wrong with them.

use core::ffi::c_int;

/// Whether an operand is transposed, from Fortran's letter. Conjugation changes no real number.
pub(crate) fn letter(letter: u8) -> Option<bool> {
    match letter.to_ascii_uppercase() {
        b'N' => Some(false),
        b'T' | b'C' => Some(true),
        _ => None,
    }
}

/// Whether an operand is transposed, from CBLAS's number.
pub(crate) fn number(number: c_int) -> Option<bool> {
    match number {
        111 => Some(false),
        112 | 113 => Some(true),
        _ => None,
    }
}

/// What `sgemm` is called with, but for factors and matrices: column-major, op(A) m × k, op(B) k × n, C m × n.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Args {
    /// Whether A and B are transposed, if that can be told.
    pub(crate) transposed: (Option<bool>, Option<bool>),
    /// m, n and k.
    pub(crate) sizes: (c_int, c_int, c_int),
    /// From a column to the next, of A, B and C.
    pub(crate) leading: (c_int, c_int, c_int),
}

/// [`Args`] that are as they should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Product {
    pub(crate) transposed: (bool, bool),
    pub(crate) sizes: (usize, usize, usize),
    pub(crate) leading: (usize, usize, usize),
}

impl Args {
    /// The product, or the place of the first bad argument among those of `sgemm`, counted from 1.
    pub(crate) fn check(self) -> Result<Product, c_int> {
        let Args { transposed, sizes: (m, n, k), leading: (lda, ldb, ldc) } = self;
        let ta = transposed.0.ok_or(1)?;
        let tb = transposed.1.ok_or(2)?;
        let size = |size: c_int, place| usize::try_from(size).map_err(|_| place);
        let sizes @ (m, n, k) = (size(m, 3)?, size(n, 4)?, size(k, 5)?);
        let leading = |leading: c_int, rows: usize, place| match usize::try_from(leading) {
            Ok(leading) if leading >= rows.max(1) => Ok(leading),
            _ => Err(place),
        };
        let leading = (
            leading(lda, if ta { k } else { m }, 8)?,
            leading(ldb, if tb { n } else { k }, 10)?,
            leading(ldc, m, 13)?,
        );
        Ok(Product { transposed: (ta, tb), sizes, leading })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Args =
        Args { transposed: (Some(false), Some(true)), sizes: (2, 3, 4), leading: (2, 3, 2) };

    #[test]
    fn letters_of_either_case_and_nothing_else() {
        for (c, transposed) in [(b'N', false), (b'T', true), (b'C', true)] {
            assert_eq!(letter(c), Some(transposed));
            assert_eq!(letter(c.to_ascii_lowercase()), Some(transposed));
        }
        assert!((0..=255).filter(|c| letter(*c).is_some()).count() == 6);
        assert!((0..=255).filter(|c| number(*c).is_some()).eq([111, 112, 113]));
    }

    #[test]
    fn the_first_bad_argument_is_named() {
        assert!(GOOD.check().is_ok());
        let all_bad = Args { transposed: (None, None), sizes: (-1, -1, -1), leading: (0, 0, 0) };
        assert_eq!(all_bad.check(), Err(1));
        assert_eq!(Args { transposed: (Some(true), None), ..all_bad }.check(), Err(2));
        for (sizes, place) in [((-1, -1, -1), 3), ((2, -1, -1), 4), ((2, 3, -1), 5)] {
            assert_eq!(Args { sizes, leading: (0, 0, 0), ..GOOD }.check(), Err(place));
        }
        for (leading, place) in [((1, 2, 1), 8), ((2, 2, 1), 10), ((2, 3, 1), 13), ((2, 3, -2), 13)]
        {
            assert_eq!(Args { leading, ..GOOD }.check(), Err(place));
        }
    }

    /// Of transposed operands it is the other side that must fit; of empty ones a column has one element.
    #[test]
    fn leading_dimensions_follow_the_operands() {
        let turned = Args { transposed: (Some(true), Some(false)), ..GOOD };
        assert_eq!(Args { leading: (3, 4, 2), ..turned }.check(), Err(8));
        assert_eq!(Args { leading: (4, 3, 2), ..turned }.check(), Err(10));
        assert!(Args { leading: (4, 4, 2), ..turned }.check().is_ok());
        let empty = Args { sizes: (0, 0, 0), ..GOOD };
        assert_eq!(Args { leading: (1, 1, 0), ..empty }.check(), Err(13));
        assert!(Args { leading: (1, 1, 1), ..empty }.check().is_ok());
    }
}
