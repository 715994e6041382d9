//! Crates in Rust.

use crate::Rival;
use crate::job::{Job, Operands, Order};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use nano_gemm::Plan;

/// All of them.
pub(crate) fn all() -> Vec<(&'static str, Box<dyn Rival>)> {
    vec![
        ("gemm", Box::new(Gemm(threads()))),
        ("faer", Box::new(Faer(threads()))),
        ("nano-gemm", Box::new(NanoGemm { plan: None, threads: threads() })),
        ("matrixmultiply", Box::new(MatrixMultiply)),
    ]
}

/// As rayon's users say it.
pub(crate) fn threads() -> usize {
    let set = std::env::var("RAYON_NUM_THREADS").ok().and_then(|n| n.parse().ok());
    set.unwrap_or(1)
}

/// Row and column stride.
fn strides(order: Order, shape: (usize, usize)) -> (isize, isize) {
    let (rs, cs) = order.strides(shape);
    (rs as isize, cs as isize)
}

/// `gemm`, with AVX-512.
struct Gemm(usize);

impl Rival for Gemm {
    fn version(&self) -> String {
        "0.19, x86-v4".to_owned()
    }
    fn product(&mut self, job: &Job, Operands { a, b, c }: &mut Operands) -> bool {
        let Job { m, n, k, alpha, beta, .. } = *job;
        let ((ars, acs), (brs, bcs)) = (strides(job.a, (m, k)), strides(job.b, (k, n)));
        let (crs, ccs) = strides(job.c, (m, n));
        let threads = match self.0 {
            1 => gemm::Parallelism::None,
            threads => gemm::Parallelism::Rayon(threads),
        };
        let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
        // SAFETY: `Operands::of` made the matrices for these shapes, and the strides are those of matrices
        // without gaps. This crate calls α what BLAS calls β.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                c,
                ccs,
                crs,
                beta != 0.0,
                a,
                acs,
                ars,
                b,
                bcs,
                brs,
                beta,
                alpha,
                false,
                false,
                false,
                threads,
            );
        }
        true
    }
}

/// `faer`, which can replace C or add to it.
struct Faer(usize);

impl Rival for Faer {
    fn version(&self) -> String {
        "0.24".to_owned()
    }
    fn product(&mut self, job: &Job, Operands { a, b, c }: &mut Operands) -> bool {
        let accum = match job.beta {
            0.0 => Accum::Replace,
            1.0 => Accum::Add,
            _ => return false,
        };
        let par = if self.0 == 1 { Par::Seq } else { Par::rayon(self.0) };
        let Job { m, n, k, .. } = *job;
        let read = |order, data, rows, cols| match order {
            Order::Rows => MatRef::from_row_major_slice(data, rows, cols),
            Order::Columns => MatRef::from_column_major_slice(data, rows, cols),
        };
        let c = match job.c {
            Order::Rows => MatMut::from_row_major_slice_mut(c, m, n),
            Order::Columns => MatMut::from_column_major_slice_mut(c, m, n),
        };
        matmul(c, accum, read(job.a, a, m, k), read(job.b, b, k, n), job.alpha, par);
        true
    }
}

/// `nano-gemm`, for small products on one thread; it makes a plan first, which is not counted.
struct NanoGemm {
    plan: Option<(Job, Plan<f32>)>,
    threads: usize,
}

/// Beyond this it would need blocks, which it leaves to others.
const SMALL: usize = 1 << 21;

impl Rival for NanoGemm {
    fn version(&self) -> String {
        "0.2, plan made before".to_owned()
    }
    fn product(&mut self, job: &Job, operands: &mut Operands) -> bool {
        let Job { m, n, k, .. } = *job;
        if self.threads > 1 || m * n * k > SMALL {
            return false;
        }
        // It wants columns; Cᵀ = Bᵀ Aᵀ.
        let (m, n, first, second) = match job.c {
            Order::Columns => {
                (m, n, (strides(job.a, (m, k)), &operands.a), (strides(job.b, (k, n)), &operands.b))
            }
            Order::Rows => {
                let turned = |(rs, cs)| (cs, rs);
                let b = (turned(strides(job.b, (k, n))), &operands.b);
                (n, m, b, (turned(strides(job.a, (m, k))), &operands.a))
            }
        };
        let ((lrs, lcs), lhs) = first;
        let ((rrs, rcs), rhs) = second;
        let fits = self.plan.as_ref().is_some_and(|(j, _)| j.same_matrices(job));
        if !fits {
            let plan = if lrs == 1 {
                Plan::new_colmajor_lhs_and_dst_f32(m, n, k)
            } else {
                Plan::new_f32(m, n, k)
            };
            self.plan = Some((*job, plan));
        }
        let Some((_, plan)) = &self.plan else { return false };
        let c = operands.c.as_mut_ptr();
        // SAFETY: `Operands::of` made the matrices for these shapes, the strides are those of matrices without
        // gaps, and the plan is one of this product. Its α is BLAS's β.
        unsafe {
            plan.execute_unchecked(
                m,
                n,
                k,
                c,
                1,
                m as isize,
                lhs.as_ptr(),
                lrs,
                lcs,
                rhs.as_ptr(),
                rrs,
                rcs,
                job.beta,
                job.alpha,
                false,
                false,
            );
        }
        true
    }
}

/// `matrixmultiply`, which takes `MATMUL_NUM_THREADS`.
struct MatrixMultiply;

impl Rival for MatrixMultiply {
    fn version(&self) -> String {
        "0.3".to_owned()
    }
    fn product(&mut self, job: &Job, Operands { a, b, c }: &mut Operands) -> bool {
        let Job { m, n, k, alpha, beta, .. } = *job;
        let ((ars, acs), (brs, bcs)) = (strides(job.a, (m, k)), strides(job.b, (k, n)));
        let (crs, ccs) = strides(job.c, (m, n));
        let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
        // SAFETY: `Operands::of` made the matrices for these shapes, and the strides are those of matrices
        // without gaps.
        unsafe {
            matrixmultiply::sgemm(m, k, n, alpha, a, ars, acs, b, brs, bcs, beta, c, crs, ccs);
        }
        true
    }
}
