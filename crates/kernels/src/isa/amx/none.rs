//! Where there is no AMX, or no system to ask for it: a token that cannot exist, so that programs need not ask for what they compile.

use super::{Kernel16, Line16, Square, Sums, Tile};
use crate::isa::{LANES, Portable};

/// Proof that this CPU has AMX for bf16, which only some of x86-64 have.
///
/// ```
/// assert!(kernels::Amx::new().is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amx {}

impl Amx {
    /// None.
    pub fn new() -> Option<Self> {
        None
    }

    #[inline(always)]
    pub(crate) fn run<K: Kernel16>(self, kernel: K) -> K::Out {
        kernel.run(self)
    }
    #[inline(always)]
    pub(crate) fn simd(self) -> Portable {
        match self {}
    }
    #[inline(always)]
    pub(crate) fn tiles(self) -> Tiles {
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
    pub(crate) fn transpose(self, _: &[&Tile; 2], _: &mut [[Line16; LANES]; 2]) {
        match self {}
    }
}

/// Never there.
pub(crate) struct Tiles(Amx);

impl Tiles {
    #[inline(always)]
    pub(crate) fn square(&self, _: &mut Square, _: [&[Tile]; 2], _: [&[Tile]; 2], _: usize) {
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
