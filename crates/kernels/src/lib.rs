//! SIMD kernels for small dense networks, each equal to its scalar twin bit for bit.
//!
//! Products of matrices, dense layers forward and backward, softmax with cross-entropy, optimisers: what a
//! training step of a small network consists of, for steps that last microseconds. Weights stay in the
//! layout that the kernels read, training allocates nothing, and the optimiser runs on the gradient
//! before it reaches memory.
//!
//! It is for programs that multiply `f32` matrices or train and run small dense networks on a CPU, and want the same
//! bits from every run, number of threads and machine with fused multiply-add. It has one type of number (bf16 only
//! inside products of bf16), no tensors of more than two dimensions, no convolutions, and no graph that finds gradients.
//!
//! # Choosing an entry point
//!
//! | To | take |
//! |---|---|
//! | multiply matrices with any strides | [`gemm`] on [`MatRef`] and [`MatMut`]; [`gemm_in`] with [`Scratch`] of your own; [`gemm_on`] the threads of a [`Team`] |
//! | put a bias, an activation or anything else behind a product | [`gemm_then`] with an [`Epilogue`] of your own; [`gemm_then_in`] with [`Scratch`] of your own, too |
//! | write a kernel of your own for every instruction set | [`Kernel`] and [`Simd`], with [`Isa::run`] |
//! | work on slices | [`exp_in_place`], [`map_in_place`] and [`map_backward`] with any [`Elementwise`] function, [`softmax`], [`pixels`], [`lerp`], [`adam_step`], [`adamw_step`], [`sgd_step`] |
//! | train a layer | [`Panel`], [`Owned`] and [`Blocks`], with [`dense_forward`], [`softmax_cross_entropy`], [`dense_backward_input`], [`dense_update`], [`bias_update`]; [`cross_entropy_with`] smooths labels and weighs classes, [`activate`] has functions other than ReLU |
//! | leave out what is zero | [`Zeros`] with [`find_zeros`] |
//! | clip gradients | [`dense_gradient`] and [`bias_gradient`] into memory, [`squares`], [`scaled_update`] |
//! | predict one example | [`row_forward`] |
//! | train a layer that is more than a core's cache holds | the same with [`dense_forward_stretch`], [`dense_backward_stretch`] and [`dense_update_far`] |
//! | turn the next batch's bytes into floats meanwhile | [`Loading`] with [`dense_forward_loading`] and [`load_rest`] |
//! | train a layer with products of bf16 numbers | [`Bf16`], [`Left16`] and [`Right16`], with [`pixels16`], [`transpose16`], [`forward16`], [`update16`] |
//! | use several cores | [`Team`]: give each thread `&mut` of its own panels |
//! | call products from C or Fortran | `libweft_blas`, which the crate `cblas` makes of this one |
//! | choose or name the instructions | [`Isa`], the first argument of kernels, after the [`Scratch`] or [`Team`] of a function that takes one |
//! | read what a kernel computes | [`twin`] |
//! | test against the mathematics | [`reference`](mod@reference), with [`gradcheck`](reference::gradcheck) |
//!
//! A product of matrices:
//!
//! ```
//! use kernels::{Isa, MatMut, MatRef, gemm};
//! let (a, b, mut c) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0], [0.0; 2]);
//! let (a, b) = (MatRef::row_major(&a, 2, 2), MatRef::row_major(&b, 2, 1));
//! gemm(Isa::best(), 1.0, a, b, 0.0, MatMut::row_major(&mut c, 2, 1));
//! assert_eq!(c, [17.0, 39.0]);
//! ```
//!
//! A layer that learns to tell two points apart:
//!
//! ```
//! use kernels::*;
//! let isa = Isa::best(); // of this CPU; with `std`, Isa::from_env() asks $WEFT_ISA, too
//! let (inputs, classes, labels) = (2, 2, [0, 1]);
//! let mut x = Panel::zeros(labels.len(), inputs);
//! x.set(0, 0, 1.0); // the first point is (1, 0)
//! x.set(1, 1, 1.0); // the second (0, 1)
//!
//! let mut weights = Owned::zeros(inputs, classes);
//! let mut bias = Owned::zeros(1, classes);
//! let mut z = Panel::zeros(labels.len(), classes);
//! let mut rows = [RowLoss::default(); 2];
//! for t in 1..=100 {
//!     let (of_x, of_w) = (|_: usize| x.view(), |_: usize| weights.w.view());
//!     let (blocks, w) = (Blocks::new(1, &of_x), Blocks::new(1, &of_w));
//!     dense_forward(isa, blocks, w, bias.w.lines(), Then::Linear, &mut z, 0);
//!     softmax_cross_entropy(isa, &mut z, &labels, 0.5, &mut rows); // z becomes the gradient
//!     let step = AdamStep::new(0.1, 0.9, 0.999, 1e-7, t);
//!     let of_dz = |_: usize| z.view();
//!     let dz = Blocks::new(1, &of_dz);
//!     dense_update(isa, blocks, dz, &mut weights, step);
//!     bias_update(isa, dz, &mut bias, step);
//! }
//! assert!(rows.iter().all(|row| row.correct && row.loss < 0.01));
//! ```
//!
//! # The same bits, always
//!
//! Every kernel gives exactly the bits of its [twin](twin::Twin), a few lines of plain Rust, whatever the
//! instruction set, the shapes, the strides, the alignment, the blocking and the number of threads:
//!
//! - An element of a product is one chain of multiply-adds in the order of k; a row is summed in one
//!   documented order; everything else is IEEE arithmetic lane by lane, divisions and roots included.
//! - So a seed gives one model on any number of threads, and a row gives the same result alone as in a
//!   large batch. Tests of the crate compare bits.
//! - Multiply-add rounds once where the CPU can, and all such instruction sets agree. Where it cannot, it
//!   rounds twice and [`Isa::fused`] says so: the twin follows, but the bits are other ones.
//! - Not promised: which of the many NaNs a NaN is, and the same bits from another version of this crate.
//!
//! # How fast
//!
//! One thread of an Intel Xeon (family 6, model 207) with AVX-512, rustc 1.95, 26 November 2026, beside loops in plain
//! Rust that the compiler vectorises for the same instruction set, medians of 21 rounds in turn. A copy moves as many
//! bytes; for Adam it is a loop that reads and writes the same vectors.
//!
//! | | ns an element | plain loop | a copy | plain loop over kernel: AVX-512 | AVX2 | portable |
//! |---|---|---|---|---|---|---|
//! | [`softmax`] 10,000×10 | 1.00 | 3.72 | 0.10 | 3.7 | 1.8 | 1.4 |
//! | [`softmax`] 10,000×1000 | 0.71 | 2.68 | 0.57 | 3.8 | 2.6 | 1.9 |
//! | [`exp_in_place`] of 100,000 | 0.24 | 0.32 | 0.10 | 1.3 | 1.1 | 1.2 |
//! | [`adam_step`] of 100,000, in the second-level cache | 0.39 | 0.50 | 0.30 | 1.3 | 1.0 | 1.0 |
//! | [`adam_step`] of 1,000,000, in memory | 0.95 | 0.91 | 0.83 | 1.0 | 1.0 | 0.9 |
//! | [`pixels`] 10,000×784, a plain loop itself | 0.54 | 0.54 | 0.35 | 1.0 | 1.0 | 1.0 |
//!
//! Products on the same machine (peak then 189 to 193 GFLOP/s a core), beside six other libraries in turn, in GFLOP/s:
//!
//! | [`gemm`], m × n × k | one thread | of peak | two ([`gemm_on`]) | crate `gemm` 0.19, one | best of six, one |
//! |---|---|---|---|---|---|
//! | 32×128×784 | 182 | 95 % | 301 | 162 | 178, MKL |
//! | 784×128×32, A transposed | 177 | 92 % | 299 | 165 | 165, `gemm` 0.19 |
//! | 128×10×32, A transposed | 119 | 62 % | 118 | 37 | 108, OpenBLAS |
//! | 10000×128×784 | 157 | 82 % | 306 | 154 | 161, AOCL-BLIS |
//! | 1000×1000×10 | 90 | 47 % | 205 | 66 | 81, MKL |
//! | 256³ | 176 | 93 % | 337 | 177 | 178, oneDNN |
//! | 512³ | 171 | 89 % | 333 | 166 | 177, oneDNN |
//! | 1024³ | 169 | 88 % | 332 | 170 | 170, `gemm` 0.19 |
//! | 2048³ | 165 | 86 % | 337 | 169 | 169, `gemm` 0.19 |
//! | 32×128×784, weights in [`Panels`], [`dense_forward`] | 185 | 96 % | 321 | | |
//!
//! All of them are in `benches/records` of the repository. `cargo xtask bench gemm` and `cargo xtask bench elementwise`
//! measure on your machine, [`meter`] what it can do at most.
//!
//! # Layout
//!
//! A vector has [`LANES`] = 16 floats on every instruction set, a [`Line`]: one cache line. A [`Panel`] is
//! row-major in whole lines, the lanes past its last column zero. Matrices that a layer owns are split
//! into panels of [`PANEL_COLS`] = 64 columns, the unit of work and of ownership, and batches into blocks
//! of rows; [`Blocks`] says in which order a chain runs through them. Slices need no alignment.
//!
//! # Features
//!
//! - `std` (default): threads ([`Team`], [`gemm_on`]), `$WEFT_ISA` ([`Isa::from_env`]), [`Bf16`], [`meter`], and a scratch for
//!   [`gemm`] that each thread keeps.
//! - Without it (`default-features = false`) the crate is `no_std` and needs `alloc`. Instruction sets are found as
//!   before, by CPUID, on x86-64 with an operating system; elsewhere the portable one serves. [`gemm`] asks for memory
//!   in every call: use [`gemm_in`], and [`gemm_then_in`]. All results have the same bits, except that the logarithm in a reported
//!   [`RowLoss::loss`] is the system's with `std` and that of `libm` without, which may differ in the last bit.
//!
//! Products for C and Fortran are the crate `cblas`, not a feature: whoever wants the symbol `sgemm_` in a program says so.
//! Nor is there a feature for rayon: its pool was measured beside [`Team`] and lost at most shapes (`docs/perf-gemm.md`).
//! A program that has a pool of its own can cut a product by [`MatMut::split_rows`], for the same bits.
//!
//! A release build takes a minute of two cores, products and layers being compiled for every shape of tile. In one unit
//! (`[profile.release.package.kernels]`, `codegen-units = 1`) it takes longer, and training is 1 to 2 % faster.
//!
//! The oldest Rust that builds it is 1.89. No type of another crate is in a public signature.
//!
//! # Examples
//!
//! `cargo run --release --package kernels --example NAME`: `product`, `softmax_classifier` (in 40 lines), `epilogue`.
//!
//! # Panics
//!
//! Kernels check shapes once, on entry or where blocks meet, and panic if they do not fit together. There
//! is no undefined behaviour to be had from safe code.

#![no_std]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod apart;
mod bf16;
mod gemm;
mod isa;
mod math;
#[cfg(feature = "std")]
pub mod meter;
mod ops;
mod panel;
pub mod reference;
#[cfg(feature = "std")]
mod team;
mod tile;
pub mod twin;

pub use bf16::{Left16, Right16};
pub use gemm::{Epilogue, Scratch, gemm, gemm_in, gemm_then, gemm_then_in};
#[cfg(feature = "std")]
pub use gemm::{gemm_on, gemm_threads};
pub use isa::Portable;
#[cfg(target_arch = "x86_64")]
pub use isa::{Avx2, Avx512};
pub use isa::{
    Bf16, Isa, IsaError, Kernel, LANES, Line, MatMut, MatRef, Simd, Unit16, large_pages, prefetch,
};
pub use ops::adam::{AdamStep, AdamWStep, adam_step, adamw_step};
pub use ops::backward::{Gate, dense_backward_input, dense_backward_stretch, transpose};
pub use ops::bf16::{pairs16, pixels16, round16, transpose16};
pub use ops::dense::{Then, dense_forward, dense_forward_loading, dense_forward_stretch};
pub use ops::dense16::{forward16, update16};
pub use ops::elementwise::{Elementwise, activate, map_backward, map_in_place};
pub use ops::exp::exp_in_place;
pub use ops::gradient::{bias_gradient, dense_gradient, squares};
pub use ops::lerp::lerp;
pub use ops::loading::{Loading, load_rest};
pub use ops::pixels::pixels;
pub use ops::reduce::{largest, sum};
pub use ops::row::row_forward;
pub use ops::sgd::{SgdStep, sgd_step};
pub use ops::softmax::{
    CrossEntropy, RowLoss, cross_entropy_with, first_largest, softmax, softmax_cross_entropy,
    softmax_panel,
};
pub use ops::stretch::{MOST_BLOCKS, Stretch};
pub use ops::update::{Owned, Step, bias_update, dense_update, dense_update_far, scaled_update};
pub use ops::zeros::{Zeros, find_zeros, list_zeros, mark_zeros};
pub use panel::{Blocks, PANEL_COLS, Panel, Panels, View};
#[cfg(feature = "std")]
pub use team::{At, Steps, Team, Zip};
