//! Elementwise functions and their derivatives: one file each, and one table.
//!
//! A file says what a function is ([`Function`]): its body for a vector, the same in plain Rust, and its
//! definition in `f64`. A row of the table at the end of this file gives it a name; kernels, twins and tests
//! for every instruction set follow from that.

use super::softmax::keep;
use crate::isa::{LANES, Line, Simd, kernel};
use crate::twin::Twin;

/// An elementwise function with a derivative.
pub(crate) trait Function {
    /// `f(x)` and `f'(x)`, lane by lane. What is not used of the two costs nothing.
    fn body<S: Simd>(s: S, x: S::V) -> (S::V, S::V);
    /// The same bits, in plain Rust.
    fn twin(twin: Twin, x: f32) -> (f32, f32);
    /// `f(x)` by its definition: what the twin is tested against, and by differences its derivative.
    fn definition(x: f64) -> f64;
    /// Largest errors for finite results: of `f` in units of `2^-24 max(|f|, 2^-24)`, of `f'` in units of
    /// `2^-24 max(|f'|, 1)`.
    const ERRORS: [f64; 2];
}

/// Replaces every `x` by `f(x)`.
#[inline(always)]
fn values_of<S: Simd, F: Function>(s: S, values: &mut [f32]) {
    let (whole, rest) = values.as_chunks_mut::<LANES>();
    for x in whole {
        s.store(F::body(s, s.load(x)).0, x);
    }
    s.store_first(F::body(s, s.load_first(rest)).0, rest);
}

/// Multiplies every gradient by `f'(x)`.
#[inline(always)]
fn gradients_of<S: Simd, F: Function>(s: S, x: &[f32], grad: &mut [f32]) {
    assert_eq!(x.len(), grad.len(), "one gradient for each input");
    let (xs, x_rest) = x.as_chunks::<LANES>();
    let (grads, grad_rest) = grad.as_chunks_mut::<LANES>();
    for (x, g) in xs.iter().zip(grads) {
        s.store(s.mul(s.load(g), F::body(s, s.load(x)).1), g);
    }
    let slope = F::body(s, s.load_first(x_rest)).1;
    s.store_first(s.mul(s.load_first(grad_rest), slope), grad_rest);
}

/// Replaces every `x` by `f(x)` and writes `f'(x)` beside it, row by row of `cols`, the padding left zero.
#[inline(always)]
fn both_of<S: Simd, F: Function>(s: S, cols: usize, values: &mut [Line], slopes: &mut [Line]) {
    let vectors = cols.div_ceil(LANES);
    assert!(vectors > 0 && values.len().is_multiple_of(vectors), "rows of {cols}");
    assert!(slopes.is_empty() || slopes.len() == values.len(), "a slope for each value");
    for (i, Line(x)) in values.iter_mut().enumerate() {
        let (y, slope) = F::body(s, s.load(x));
        let left = cols - i % vectors * LANES;
        s.store(keep(s, left, y, 0.0), x);
        if let Some(Line(to)) = slopes.get_mut(i) {
            s.store(keep(s, left, slope, 0.0), to);
        }
    }
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident = $text:literal: $file:ident::$function:ident;)*) => {
        /// An elementwise function: the table of all.
        ///
        /// ```
        /// use kernels::{Elementwise, Isa, map_backward, map_in_place};
        /// let (isa, x) = (Isa::best(), [-1.0, 0.0, 2.0]);
        /// let (mut y, mut slope) = (x, [1.0; 3]);
        /// map_in_place(isa, Elementwise::Gelu, &mut y);
        /// map_backward(isa, Elementwise::Gelu, &x, &mut slope);
        /// assert_eq!((y[1], slope[1]), (0.0, 0.5));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Elementwise {
            $($(#[$doc])* $name,)*
        }

        impl Elementwise {
            /// All of them.
            pub const ALL: &'static [Elementwise] = &[$(Elementwise::$name),*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Elementwise::$name => $text),* }
            }

            /// `f(x)` and `f'(x)` in plain Rust.
            pub(crate) fn twin(self, twin: Twin, x: f32) -> (f32, f32) {
                match self { $(Elementwise::$name => super::$file::$function::twin(twin, x)),* }
            }

            /// `f(x)` by its definition.
            pub(crate) fn definition(self, x: f64) -> f64 {
                match self { $(Elementwise::$name => super::$file::$function::definition(x)),* }
            }

            /// The largest errors where the result is finite: of `f` in units of
            /// `2^-24 max(|f|, 2^-24)`, of `f'` in units of `2^-24 max(|f'|, 1)`.
            pub fn errors(self) -> [f64; 2] {
                match self { $(Elementwise::$name => super::$file::$function::ERRORS),* }
            }
        }

        kernel! {
            /// Replaces every `x` by `f(x)`.
            ///
            /// ```
            /// use kernels::{Elementwise, Isa, map_in_place};
            /// let mut x = [-1.0, 0.0, 2.0];
            /// map_in_place(Isa::best(), Elementwise::Relu, &mut x);
            /// assert_eq!(x, [0.0, 0.0, 2.0]);
            /// ```
            pub fn map_in_place<'a>(s, f: Elementwise, values: &'a mut [f32]) {
                match f { $(Elementwise::$name => values_of::<S, super::$file::$function>(s, values)),* }
            }
        }

        kernel! {
            /// Gradient through `f`: multiplies `grad[i]` by `f'(x[i])`.
            ///
            /// ```
            /// use kernels::{Elementwise, Isa, map_backward};
            /// let mut grad = [10.0, 10.0];
            /// map_backward(Isa::best(), Elementwise::Relu, &[-1.0, 2.0], &mut grad);
            /// assert_eq!(grad, [0.0, 10.0]);
            /// ```
            ///
            /// # Panics
            /// If the lengths differ.
            pub fn map_backward<'a>(s, f: Elementwise, x: &'a [f32], grad: &'a mut [f32]) {
                match f { $(Elementwise::$name => gradients_of::<S, super::$file::$function>(s, x, grad)),* }
            }
        }

        kernel! {
            /// Replaces every `x` of some rows of a [`Panel`](crate::Panel) with `cols` columns by `f(x)`,
            /// and writes `f'(x)` to the same place in `slopes`, or nowhere if that is empty. The padding of
            /// both is left zero.
            ///
            /// ```
            /// use kernels::{Elementwise, Isa, Panel, activate};
            /// let (mut x, mut slopes) = (Panel::zeros(1, 2), Panel::zeros(1, 2));
            /// x.set(0, 0, -1.0);
            /// x.set(0, 1, 2.0);
            /// activate(Isa::best(), Elementwise::Relu, 2, x.lines_mut(), slopes.lines_mut());
            /// assert_eq!((x.get(0, 0), x.get(0, 1)), (0.0, 2.0));
            /// assert_eq!((slopes.get(0, 0), slopes.get(0, 1)), (0.0, 1.0));
            /// ```
            ///
            /// # Panics
            /// If there are no columns, `values` is not whole rows, or `slopes` is of another length.
            pub fn activate<'a>(
                s, f: Elementwise, cols: usize, values: &'a mut [Line], slopes: &'a mut [Line],
            ) {
                match f { $(Elementwise::$name => both_of::<S, super::$file::$function>(s, cols, values, slopes)),* }
            }
        }
    };
}

functions! {
    /// `e^x`
    Exp = "exp": exp::Exp;
    /// `max(0, x)`
    Relu = "relu": relu::Relu;
    /// `x`, or `x / 100` where it is negative.
    LeakyRelu = "leaky-relu": leaky_relu::LeakyRelu;
    /// `x Φ(x)`, Φ the normal distribution's.
    Gelu = "gelu": gelu::Gelu;
    /// The hyperbolic tangent.
    Tanh = "tanh": tanh::Tanh;
    /// `1 / (1 + e^-x)`
    Sigmoid = "sigmoid": sigmoid::Sigmoid;
}
