//! SIMD kernels for small dense networks, each equal to its scalar twin bit for bit.

mod gemm;
mod isa;
mod ops;
mod panel;
pub mod reference;
mod team;
mod tile;
pub mod twin;

pub use gemm::{MatMut, MatRef, gemm};
pub use isa::Portable;
#[cfg(target_arch = "x86_64")]
pub use isa::{Avx2, Avx512};
pub use isa::{Isa, IsaError, LANES, Line};
pub use ops::adam::{AdamStep, adam_step};
pub use ops::dense::{
    MOST_BLOCKS, Owned, Then, bias_update, dense_backward_input, dense_forward, dense_update,
    transpose,
};
pub use ops::exp::exp_in_place;
pub use ops::pixels::pixels;
pub use ops::relu::{relu_backward, relu_in_place};
pub use ops::softmax::{RowLoss, first_largest, softmax, softmax_cross_entropy, softmax_panel};
pub use panel::{Blocks, PANEL_COLS, Panel, Panels, View};
pub use team::Team;
