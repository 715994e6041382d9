//! The same formulas in plain Rust, for the compiler to vectorise with the instructions of the same ISA: each
//! loop goes through the entry that kernels have.

use kernels::{AdamStep, Isa, Kernel, Simd};

/// `a b + c` as the ISA rounds it.
#[inline(always)]
fn fma<S: Simd>(a: f32, b: f32, c: f32) -> f32 {
    if S::FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// `e^x` by the polynomial of the kernels.
#[inline(always)]
fn exp<S: Simd>(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    const P: [f32; 6] =
        [1.987_569_2e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let x = x.clamp(-104.0, 89.0);
    let n_up = fma::<S>(x, std::f32::consts::LOG2_E, ROUND);
    let n = n_up - ROUND;
    let r = fma::<S>(n, 2.121_944_4e-4, fma::<S>(n, -0.693_359_4, x));
    let mut p = P[0];
    for c in &P[1..] {
        p = fma::<S>(p, r, *c);
    }
    let e = fma::<S>(r * r, p, r) + 1.0;
    // Integers from the bits of rounded floats: a conversion of floats would keep the loop scalar.
    let half_up = fma::<S>(n, 0.5, ROUND);
    let integer = |up: f32| up.to_bits().wrapping_sub(ROUND.to_bits());
    let pow2 = |n: u32| f32::from_bits(n.wrapping_add(127) << 23);
    let half = integer(half_up);
    e * pow2(half) * pow2(integer(n_up).wrapping_sub(half))
}

/// `e^x` of all.
pub(crate) fn exp_in_place(isa: Isa, values: &mut [f32]) {
    struct Loop<'a>(&'a mut [f32]);
    impl Kernel for Loop<'_> {
        type Out = ();
        #[inline(always)]
        fn run<S: Simd>(self, _: S) {
            for x in self.0 {
                *x = exp::<S>(*x);
            }
        }
    }
    isa.run(Loop(values));
}

/// Softmax of rows of `n`.
pub(crate) fn softmax(isa: Isa, values: &mut [f32], n: usize) {
    struct Loop<'a>(&'a mut [f32], usize);
    impl Kernel for Loop<'_> {
        type Out = ();
        #[inline(always)]
        fn run<S: Simd>(self, _: S) {
            for row in self.0.chunks_exact_mut(self.1) {
                let mut max = f32::NEG_INFINITY;
                for z in &*row {
                    max = if *z > max { *z } else { max };
                }
                for z in &mut *row {
                    *z = exp::<S>(*z - max);
                }
                let sum: f32 = row.iter().sum();
                for p in row {
                    *p /= sum;
                }
            }
        }
    }
    isa.run(Loop(values, n));
}

/// A step of Adam.
pub(crate) fn adam_step(
    isa: Isa,
    step: &AdamStep,
    g: &[f32],
    w: &mut [f32],
    m: &mut [f32],
    v: &mut [f32],
) {
    struct Loop<'a>(&'a AdamStep, &'a [f32], [&'a mut [f32]; 3]);
    impl Kernel for Loop<'_> {
        type Out = ();
        #[inline(always)]
        fn run<S: Simd>(self, _: S) {
            let Loop(step, g, [w, m, v]) = self;
            let normal = |x: f32| if x.abs() < f32::MIN_POSITIVE { 0.0 } else { x };
            for (((g, w), m), v) in g.iter().zip(w).zip(m).zip(v) {
                *m = normal(fma::<S>(*g - *m, step.rate1, *m));
                *v = normal(fma::<S>(fma::<S>(*g, *g, -*v), step.rate2, *v));
                let root = fma::<S>(v.sqrt(), step.per_alpha, step.eps);
                *w = fma::<S>(-*m, 1.0 / root, *w);
            }
        }
    }
    isa.run(Loop(step, g, [w, m, v]));
}

/// What Adam moves to and from memory, with next to no arithmetic.
pub(crate) fn adam_traffic(isa: Isa, g: &[f32], w: &mut [f32], m: &mut [f32], v: &mut [f32]) {
    struct Loop<'a>(&'a [f32], [&'a mut [f32]; 3]);
    impl Kernel for Loop<'_> {
        type Out = ();
        #[inline(always)]
        fn run<S: Simd>(self, _: S) {
            let Loop(g, [w, m, v]) = self;
            for (((g, w), m), v) in g.iter().zip(w).zip(m).zip(v) {
                *w += *g;
                *m += *g;
                *v += *g;
            }
        }
    }
    isa.run(Loop(g, [w, m, v]));
}

/// Bytes to floats, scaled.
pub(crate) fn pixels(isa: Isa, from: &[u8], scale: f32, to: &mut [f32]) {
    struct Loop<'a>(&'a [u8], f32, &'a mut [f32]);
    impl Kernel for Loop<'_> {
        type Out = ();
        #[inline(always)]
        fn run<S: Simd>(self, _: S) {
            for (byte, x) in self.0.iter().zip(self.2) {
                *x = f32::from(*byte) * self.1;
            }
        }
    }
    isa.run(Loop(from, scale, to));
}
