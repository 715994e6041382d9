//! `sgemm_` and `cblas_sgemm` for C and Fortran: `libweft_blas`, static and shared, on [`kernels`].
//!
//! The functions behave as those of the reference BLAS do, arguments, quick returns and error numbers included;
//! `include/weft_blas.h` declares them, the README of the repository says how to link. Integers have 32 bits (LP64).
//!
//! - An element of C is one chain of multiply-adds in the order of k, from `β c` on, whatever the number of
//!   threads and the instruction set. With β = 0, C is not read; with α = 0, neither A nor B. What lies
//!   between the columns (or rows) of a matrix is neither read nor written.
//! - A bad argument goes to the program's `xerbla_` or `cblas_xerbla`, or those of a BLAS that is
//!   linked too; where there are none, a message is printed and the process ends, as with the reference. (On
//!   Linux on x86-64 and AArch64; elsewhere the program's handlers are not found.)
//! - Products that are large enough run on several threads: [`weft_blas_set_num_threads`], or `WEFT_NUM_THREADS`,
//!   `OPENBLAS_NUM_THREADS`, `OMP_NUM_THREADS`, or as many as the process may use, the first that says so.
//!   One product uses them at a time, others meanwhile run on the thread that asks for them.
//! - `WEFT_ISA` chooses the instruction set, `WEFT_VERBOSE=1` writes a line for every product to standard error.
//! - Products are computed with IEEE's default arithmetic: a caller that flushes denormals, rounds otherwise or traps exceptions
//!   gets the same bits, and has its settings when the call returns. (On x86-64 and AArch64; elsewhere those of the caller
//!   hold for its thread alone.)
//! - Nothing unwinds into the caller: what would, a bug, ends the process. A child of `fork` starts threads of
//!   its own.

mod args;
mod edge;
mod handlers;
mod ieee;
mod settings;
mod threads;

pub use edge::{
    CBLAS_LAYOUT, CBLAS_TRANSPOSE, cblas_sgemm, sgemm_, weft_blas_get_num_threads,
    weft_blas_set_num_threads,
};
