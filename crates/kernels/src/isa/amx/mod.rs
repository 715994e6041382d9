//! AMX: products of bf16 numbers, added up in f32, a tile of 16 × 16 sums at a time.
//!
//! It is no [`Isa`](crate::Isa): its products have other bits than those of f32, so it has kernels of its own,
//! whose first argument is the token [`Amx`]. On machines without it, and without the feature
//! `std`, the token cannot be made.

#[cfg(not(all(target_arch = "x86_64", feature = "std")))]
mod none;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod x86;

#[cfg(not(all(target_arch = "x86_64", feature = "std")))]
pub use none::Amx;
#[cfg(not(all(target_arch = "x86_64", feature = "std")))]
pub(crate) use none::Tiles;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
pub use x86::Amx;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
pub(crate) use x86::Tiles;

#[cfg(all(target_arch = "x86_64", feature = "std"))]
use super::Avx512 as Vectors;
#[cfg(not(all(target_arch = "x86_64", feature = "std")))]
use super::Portable as Vectors;
use super::{LANES, Line, Simd};

/// Sixteen floats of the token that [`Amx`] holds.
pub(crate) type Vector = <Vectors as Simd>::V;

/// bf16 numbers in a line.
pub(crate) const WORDS: usize = 2 * LANES;

/// Thirty-two bf16 numbers on a cache line of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Line16(pub(crate) [u16; WORDS]);

impl Line16 {
    /// Thirty-two zeros.
    pub(crate) const ZERO: Line16 = Line16([0; WORDS]);
}

/// What one tile register holds: of a left operand 16 rows of 32 in k; of a right one 16 pairs of k, in
/// each the two numbers of one column beside each other, for 16 columns.
pub(crate) type Tile = [Line16; LANES];

/// Sixteen rows of sixteen sums.
pub(crate) type Sums = [Line; LANES];

/// Two by two tiles of sums.
pub(crate) type Square = [[Sums; 2]; 2];

/// No sums yet.
pub(crate) const NO_SUMS: Sums = [Line::ZERO; LANES];

/// A whole operation. `run` is `#[inline(always)]`, so that it is compiled into the token's
/// `#[target_feature]` function.
pub(crate) trait Kernel16 {
    /// What the operation returns.
    type Out;
    /// The body.
    fn run(self, amx: Amx) -> Self::Out;
}

/// Declares a public kernel that takes the token first, `$s` in its body, which is compiled with the
/// token's instructions.
macro_rules! kernel16 {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident $(<$($life:lifetime),+>)? ($s:ident, $($arg:ident : $ty:ty),* $(,)?)
        $body:block
    ) => {
        $(#[$meta])*
        // Not inlined elsewhere: every program gets the code that was compiled, and measured, here.
        #[inline(never)]
        $vis fn $name $(<$($life),+>)? (amx: $crate::Amx, $($arg: $ty),*) {
            struct Args $(<$($life),+>)? { $($arg: $ty),* }
            impl $(<$($life),+>)? $crate::isa::Kernel16 for Args $(<$($life),+>)? {
                type Out = ();
                #[inline(always)]
                fn run(self, $s: $crate::Amx) {
                    let Args { $($arg),* } = self;
                    $body
                }
            }
            amx.run(Args { $($arg),* })
        }
    };
}
pub(crate) use kernel16;
