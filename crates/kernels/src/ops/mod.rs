//! One file an operation: formula, body, and beside it in [`twin`](crate::twin) the same in plain Rust.

pub(crate) mod adam;
mod ahead;
pub(crate) mod backward;
pub(crate) mod bf16;
pub(crate) mod dense;
pub(crate) mod dense16;
mod divisor;
pub(crate) mod elementwise;
pub(crate) mod exp;
pub(crate) mod gelu;
pub(crate) mod gradient;
pub(crate) mod leaky_relu;
pub(crate) mod lerp;
pub(crate) mod loading;
pub(crate) mod pixels;
pub(crate) mod reduce;
pub(crate) mod relu;
pub(crate) mod row;
pub(crate) mod sgd;
pub(crate) mod sigmoid;
pub(crate) mod softmax;
mod stages;
pub(crate) mod stretch;
pub(crate) mod tanh;
pub(crate) mod update;
pub(crate) mod zeros;
