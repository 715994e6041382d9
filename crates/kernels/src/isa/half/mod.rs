//! Products of bf16 numbers, added up in f32, by AMX, a tile of 16 × 16 sums at a time, or by AVX-512, a vector at a time.
//!
//! It is no [`Isa`](crate::Isa): its products have other bits than those of f32, so it has kernels of its own,
//! whose first argument is the token [`Bf16`]. On machines without either, and without the feature
//! `std`, the token cannot be made.

#[cfg(not(all(target_arch = "x86_64", feature = "std")))]
mod none;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod pairs;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod tiles;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod token;

#[cfg(not(all(target_arch = "x86_64", feature = "std")))]
pub use none::Bf16;
#[cfg(not(all(target_arch = "x86_64", feature = "std")))]
pub(crate) use none::{Pairs, Tiles};
#[cfg(all(target_arch = "x86_64", feature = "std"))]
pub(crate) use pairs::Pairs;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
pub(crate) use tiles::Tiles;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
pub use token::Bf16;

#[cfg(all(target_arch = "x86_64", feature = "std"))]
use super::Avx512 as Vectors;
#[cfg(not(all(target_arch = "x86_64", feature = "std")))]
use super::Portable as Vectors;
use super::{LANES, Line, Simd};

/// Sixteen floats of the token that [`Bf16`] holds.
pub(crate) type Vector = <Vectors as Simd>::V;

/// What adds up products of bf16 numbers: the bits of a sum depend on it.
///
/// ```
/// use kernels::{Unit16, twin::bf16::dot};
/// let half = f32::EPSILON / 2.0;
/// let ab = || [1.0, half, 0.0, half].into_iter().map(|x| (x, 1.0));
/// // Two halves of a unit of the last place: one after the other they are lost, together they count.
/// let sums = [Unit16::Pairs, Unit16::Tiles].map(|unit| dot(unit, ab()));
/// assert_eq!(sums, [1.0, 1.0 + f32::EPSILON]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit16 {
    /// TDPBF16PS of AMX, 32 products at a time: Intel from Sapphire Rapids on.
    Tiles,
    /// VDPBF16PS of AVX-512, two products at a time: AMD from Zen 4 on, Intel's Cooper Lake.
    Pairs,
}

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

/// Adds up products of tiles in one of two ways.
#[cfg_attr(
    not(all(target_arch = "x86_64", feature = "std")),
    expect(dead_code, reason = "where no token can be made, nor can this")
)]
pub(crate) enum Adder {
    Tiles(Tiles),
    Pairs(Pairs),
}

impl Adder {
    /// `sums[i][j] += Σ a[i][k] b[j][k · step]`, k through all of `a[0]`, for i and j of 0 and 1. The product of two tiles is
    /// that of the matrices in them, rounded as [`twin::bf16::add_products`](crate::twin::bf16::add_products) says.
    ///
    /// # Panics
    /// If `a` has different numbers of tiles, or none where AMX adds them, or `b` too few.
    #[inline(always)]
    pub(crate) fn square(&self, sums: &mut Square, a: [&[Tile]; 2], b: [&[Tile]; 2], step: usize) {
        match self {
            Adder::Tiles(tiles) => tiles.square(sums, a, b, step),
            Adder::Pairs(pairs) => pairs.square(sums, a, b, step),
        }
    }
}

/// A whole operation. `run` is `#[inline(always)]`, so that it is compiled into the token's
/// `#[target_feature]` function.
pub(crate) trait Kernel16 {
    /// What the operation returns.
    type Out;
    /// The body.
    fn run(self, token: Bf16) -> Self::Out;
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
        $vis fn $name $(<$($life),+>)? (token: $crate::Bf16, $($arg: $ty),*) {
            struct Args $(<$($life),+>)? { $($arg: $ty),* }
            impl $(<$($life),+>)? $crate::isa::Kernel16 for Args $(<$($life),+>)? {
                type Out = ();
                #[inline(always)]
                fn run(self, $s: $crate::Bf16) {
                    let Args { $($arg),* } = self;
                    $body
                }
            }
            token.run(Args { $($arg),* })
        }
    };
}
pub(crate) use kernel16;
