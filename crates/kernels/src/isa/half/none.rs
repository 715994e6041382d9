//! Where there is neither AMX nor AVX-512 with bf16, or no system to ask for it: a token that cannot exist, so that programs need not ask for what they compile.

use super::{Adder, Kernel16, Line16, Square, Sums, Tile, Unit16, Vector};
use crate::isa::{Beside, LANES, Portable};

/// Proof that this CPU multiplies bf16 numbers, which only some of x86-64 do.
///
/// ```
/// assert!(kernels::Bf16::new().is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bf16 {}

impl Bf16 {
    /// None.
    pub fn new() -> Option<Self> {
        None
    }

    /// None.
    pub fn available() -> impl Iterator<Item = Self> {
        core::iter::empty()
    }

    #[inline(always)]
    pub(crate) fn run<K: Kernel16>(self, kernel: K) -> K::Out {
        kernel.run(self)
    }
    #[inline(always)]
    pub(crate) fn simd(self) -> Portable {
        match self {}
    }
    /// How it adds up products.
    pub fn unit(self) -> Unit16 {
        match self {}
    }
    #[inline(always)]
    pub(crate) fn adder(self) -> Adder {
        match self {}
    }
    #[inline(always)]
    pub(crate) fn round<V>(self, _: [V; 2], _: &mut Line16) {
        match self {}
    }
    #[inline(always)]
    pub(crate) fn pairs<V>(self, _: [V; 2], _: &mut Line16) {
        match self {}
    }
    #[inline(always)]
    pub(crate) fn bytes(self, _: &[u8; 2 * LANES], _: &mut Line16) {
        match self {}
    }
    #[inline(always)]
    pub(crate) fn pair_rows(self, _: [&Tile; 2], _: [&mut Tile; 2]) {
        match self {}
    }
    #[inline(always)]
    pub(crate) fn transpose(self, _: [&Tile; 2], _: [&mut Tile; 2]) {
        match self {}
    }
}

/// Never there.
pub(crate) struct Tiles(Bf16);

impl Tiles {
    #[inline(always)]
    pub(super) fn square(&self, _: &mut Square, _: [&[Tile]; 2], _: [&[Tile]; 2], _: usize) {
        match self.0 {}
    }
    #[inline(always)]
    pub(crate) fn row(&self, _: &mut [Sums; 4], _: &[Tile], _: &[Tile]) {
        match self.0 {}
    }
    #[inline(always)]
    pub(crate) fn single(&self, _: &mut Sums, _: &[Tile], _: &[Tile], _: usize) {
        match self.0 {}
    }
}

/// Never there.
#[derive(Clone, Copy)]
pub(crate) struct Pairs(Bf16);

impl Pairs {
    #[inline(always)]
    pub(super) fn square(self, _: &mut Square, _: [&[Tile]; 2], _: [&[Tile]; 2], _: usize) {
        match self.0 {}
    }
    #[inline(always)]
    pub(crate) fn rows<const R: usize, const V: usize>(
        self,
        _: &[Tile],
        _: usize,
        _: &[Tile],
        _: &mut impl Beside,
    ) -> [[Vector; V]; R] {
        match self.0 {}
    }
}
