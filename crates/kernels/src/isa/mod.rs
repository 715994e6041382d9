//! Instruction sets: the one list of them, the tokens that prove one may run, and the sixteen-lane
//! vector that every kernel is written in.
//!
//! A kernel is one body, generic over [`Simd`]. A token ([`Avx512`], [`Avx2`], [`Portable`]) can only be
//! made by asking the CPU, so owning one is the proof that its instructions exist; [`Isa::run`] enters
//! the token's `#[target_feature]` function once per whole operation and everything below is inlined
//! into it. Every ISA shows the same vector of sixteen `f32`, one cache line, as one, two or four
//! registers. That is what makes results independent of the ISA: the same lanes do the same operations
//! in the same order.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bits;
mod caches;
mod half;
mod listed;
mod lit;
mod matrix;
mod operand;
mod pages;
mod portable;
mod prefetch;
mod quads;

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub(crate) use bits::{Bits, Listing, MARKED, Marks, ROOM, Table};
pub(crate) use caches::Caches;
pub(crate) use half::{
    Adder, Kernel16, Line16, NO_SUMS, Pairs, Square, Sums, Tile, Tiles, Vector, WORDS, kernel16,
};
pub use half::{Bf16, Unit16};
pub(crate) use listed::Listed;
pub(crate) use lit::{Few, GROUP, Lit, MASK, Masked, PAIR, Picked, group};
pub use matrix::{MatMut, MatRef};
pub(crate) use operand::{
    ANYHOW, Beside, COLUMNS, Foreseen, PITCH, Panels, ROWS, Rows, Steps, Strided, Walk,
};
pub use pages::large_pages;
pub use portable::Portable;
pub use prefetch::prefetch;
pub(crate) use prefetch::{prefetch_line, prefetch_own};
pub(crate) use quads::{FourColumns, QUAD, Quads};

/// Lanes of a vector, on every ISA.
///
/// ```
/// assert_eq!(size_of::<kernels::Line>(), kernels::LANES * size_of::<f32>());
/// ```
pub const LANES: usize = 16;

/// Adding this to a float below 2^22 in size rounds it to an integer, which the low bits of the sum are then.
pub(crate) const ROUND: f32 = 12_582_912.0; // 1.5 · 2^23

/// Sixteen floats on a cache line of their own: the unit that aligned storage is made of.
///
/// ```
/// use kernels::{LANES, Line};
/// let mut lines = [Line::ZERO; 2];
/// Line::flat_mut(&mut lines)[17] = 3.0;
/// assert_eq!((lines[1].0[1], align_of::<Line>()), (3.0, 64));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(64))]
pub struct Line(pub [f32; LANES]);

impl Line {
    /// Sixteen zeros.
    pub const ZERO: Line = Line([0.0; LANES]);
}

/// Sixteen `f32` lanes and the operations kernels are built from.
///
/// Every operation is IEEE 754 binary32, round to nearest even, lane by lane, unless it says otherwise;
/// so two implementations can differ only in [`Simd::FUSED`]. Implemented by the tokens, and used in an
/// [`Epilogue`](crate::Epilogue) or a [`Kernel`] of one's own.
///
/// ```
/// use kernels::{Isa, Kernel, LANES, Simd};
///
/// /// `x² - 1`
/// struct Shifted([f32; LANES]);
///
/// impl Kernel for Shifted {
///     type Out = [f32; LANES];
///     #[inline(always)]
///     fn run<S: Simd>(self, s: S) -> [f32; LANES] {
///         let x = s.load(&self.0);
///         s.to_array(s.fms(x, x, s.splat(1.0)))
///     }
/// }
///
/// assert_eq!(Isa::best().run(Shifted([3.0; LANES])), [8.0; LANES]);
/// ```
pub trait Simd: Copy + Send + Sync + 'static {
    /// Sixteen lanes.
    type V: Copy;

    /// Whether [`fma`](Simd::fma) rounds once. False only where the CPU has no such instruction.
    const FUSED: bool;

    /// Rows of a 16-, 32-, 48- and 64-column tile that this register file holds (index: vectors - 1).
    /// A vector count whose entry is 0 is not tiled whole but in slices of one vector.
    #[doc(hidden)]
    const TILE_ROWS: [usize; 4];

    /// Rows and vectors of a general product's tile: with a row of B and an element of A it fills the registers.
    #[doc(hidden)]
    const TALL: (usize, usize);
    /// The same of a wide product, with longer runs of C: not higher than `TALL`, and not lower than others as wide.
    #[doc(hidden)]
    const WIDE: (usize, usize);
    /// The same of a short sum, with the longest runs of C: as wide as one of the others, and not higher.
    #[doc(hidden)]
    const LOW: (usize, usize);
    /// The same where there are only so few rows: all the wider, for more chains beside each other.
    #[doc(hidden)]
    const FLAT: (usize, usize);

    /// Runs a part of a kernel in a function of its own, with this ISA's instructions: what is hot there shares the
    /// registers with nothing else.
    #[doc(hidden)]
    fn outlined<P: Part<Self>>(self, part: P) -> P::Out;
    /// A set with vectors of half the length, whose instructions the CPU has as well; or this one.
    #[doc(hidden)]
    #[inline(always)]
    fn halves(self) -> impl Simd {
        self
    }

    /// Makes lists of bits with whatever instructions there are for that.
    #[doc(hidden)]
    #[inline(always)]
    fn listed(self, listing: impl Listing) {
        listing.run(Table);
    }

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::V;
    /// Sixteen consecutive floats.
    fn load(self, from: &[f32; LANES]) -> Self::V;
    /// Writes sixteen consecutive floats.
    fn store(self, v: Self::V, to: &mut [f32; LANES]);
    /// The first `from.len().min(16)` lanes from memory, zero in the others.
    fn load_first(self, from: &[f32]) -> Self::V;
    /// Writes the first `to.len().min(16)` lanes.
    fn store_first(self, v: Self::V, to: &mut [f32]);

    /// `a + b`
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `sqrt(a)`
    fn sqrt(self, a: Self::V) -> Self::V;
    /// `1 / a`, for `a` from 2^-126 to 2^126, zero, infinity and NaN, none of it negative: the bits of
    /// [`div`](Simd::div). With `DIVIDE` the CPU's divider does it; without, multiply-adds may (Newton's iteration).
    #[inline(always)]
    fn recip<const DIVIDE: bool>(self, a: Self::V) -> Self::V {
        self.div(self.splat(1.0), a)
    }
    /// `a * b + c`, rounded once where [`FUSED`](Simd::FUSED).
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Where `a > b` the lane of `x`, elsewhere (also where unordered) the lane of `y`.
    fn select_gt(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// Zero where `|x| < limit`, elsewhere (also where `x` is NaN) `x`.
    fn flush(self, x: Self::V, limit: f32) -> Self::V;
    /// Zero where `x` is zero or denormal (`|x| < 2^-126`), elsewhere `x`.
    #[inline(always)]
    fn normal(self, x: Self::V) -> Self::V {
        self.flush(x, f32::MIN_POSITIVE)
    }
    /// Whether [`store_normal`](Simd::store_normal) is faster with `MASKS` on this core.
    #[inline(always)]
    fn masks(self) -> bool {
        false
    }
    /// Writes `normal(x)`, by `MASKS` with a masked store where there is one.
    #[inline(always)]
    fn store_normal<const MASKS: bool>(self, x: Self::V, to: &mut [f32; LANES]) {
        self.store(self.normal(x), to);
    }
    /// Whether [`widen`](Simd::widen) is so few instructions that they go beside the multiply-adds of a tile.
    #[doc(hidden)]
    const WIDENS: bool = false;
    /// Sixteen bytes as floats, which is exact.
    #[inline(always)]
    fn widen(self, from: &[u8; LANES]) -> Self::V {
        self.load(&from.map(f32::from))
    }
    /// Bit `l` is that of lane `l`: whether it is other than zero.
    fn lit(self, x: Self::V) -> u16;
    /// `a * b - c`, rounded once where [`FUSED`](Simd::FUSED).
    fn fms(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`, rounded once where [`FUSED`](Simd::FUSED).
    #[inline(always)]
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        self.fma(self.mul(a, self.splat(-1.0)), b, c)
    }
    /// `x · 2^n`, rounded once, where `up` is `n + 1.5 · 2^23` and n an integer in `-252..=254`; for x that is NaN or
    /// has `½ ≤ |x| < 2`. Anything else gives an unspecified lane.
    fn scale(self, x: Self::V, up: Self::V) -> Self::V;
    /// Transposes a 16×16 matrix whose rows are the vectors.
    fn transpose(self, m: &mut [Self::V; LANES]);
    /// Four columns of sixteen rows in memory, each a vector.
    #[doc(hidden)]
    fn four_columns(self, rows: FourColumns<'_>) -> [Self::V; QUAD];

    /// `if a > b { a } else { b }`: the second operand where unordered.
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        self.select_gt(a, b, a, b)
    }
    /// `if a < b { a } else { b }`: the second operand where unordered.
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        self.select_gt(b, a, a, b)
    }

    /// The lanes as an array.
    #[inline(always)]
    fn to_array(self, v: Self::V) -> [f32; LANES] {
        let mut out = [0.0; LANES];
        self.store(v, &mut out);
        out
    }

    /// Sum of the lanes in the documented order: halves are added onto each other,
    /// `l[i] += l[i + 8]`, then 4, 2, 1.
    #[inline(always)]
    fn sum(self, v: Self::V) -> f32 {
        fold(self.to_array(v), |a, b| a + b)
    }

    /// Largest lane, folded in the order of [`sum`](Simd::sum); NaN lanes may be passed over.
    #[inline(always)]
    fn largest(self, v: Self::V) -> f32 {
        fold(self.to_array(v), |a, b| if a > b { a } else { b })
    }
}

/// Folds sixteen lanes by halving: the one order of every reduction across lanes.
#[inline(always)]
pub(crate) fn fold(mut lanes: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] = f(lanes[i], lanes[i + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// A whole operation, generic over the ISA, for [`Isa::run`]. Implementations of `run`, and functions it calls, are
/// `#[inline(always)]`, so that they are compiled into each token's `#[target_feature]` function. A closure that is not
/// inlined is compiled without these instructions, and many times slower: keep them out of hot loops.
///
/// ```
/// use kernels::{Isa, Kernel, LANES, Simd};
///
/// /// Replaces every `x` by `|x|`, whole vectors first.
/// struct Absolute<'a>(&'a mut [f32]);
///
/// impl Kernel for Absolute<'_> {
///     type Out = ();
///     #[inline(always)]
///     fn run<S: Simd>(self, s: S) {
///         let (whole, rest) = self.0.as_chunks_mut::<LANES>();
///         for x in whole {
///             let v = s.load(x);
///             s.store(s.max(v, s.sub(s.splat(0.0), v)), x);
///         }
///         let v = s.load_first(rest);
///         s.store_first(s.max(v, s.sub(s.splat(0.0), v)), rest);
///     }
/// }
///
/// let mut x: Vec<f32> = (-20..20).map(|i| i as f32).collect();
/// Isa::best().run(Absolute(&mut x));
/// assert_eq!(x[0], 20.0);
/// assert!(x.iter().all(|x| *x >= 0.0));
/// ```
pub trait Kernel {
    /// What the operation returns.
    type Out;
    /// The body.
    fn run<S: Simd>(self, simd: S) -> Self::Out;
}

/// A part of a kernel, for [`Simd::outlined`].
pub trait Part<S: Simd> {
    /// What it returns.
    type Out;
    /// The body.
    fn run(self, simd: S) -> Self::Out;
}

/// Whether this CPU has all of these features, and the system saves their registers.
#[cfg(target_arch = "x86_64")]
macro_rules! has {
    ($($feature:tt),+) => {{
        #[cfg(feature = "std")]
        let all = $(std::is_x86_feature_detected!($feature))&&+;
        #[cfg(not(feature = "std"))]
        let all = {
            cpufeatures::new!(asked, $($feature),+);
            asked::get()
        };
        all
    }};
}
#[cfg(target_arch = "x86_64")]
pub(crate) use has;

macro_rules! isas {
    ($($(#[$cfg:meta])* $name:ident = $text:literal),* $(,)?) => {
        /// An instruction set that this CPU has: the values exist only if the check succeeded.
        ///
        /// ```
        /// use kernels::Isa;
        /// let isa = Isa::best();
        /// assert_eq!(Isa::named(isa.name()), Ok(isa));
        /// assert!(Isa::available().contains(&isa));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Isa {
            $($(#[$cfg])* #[doc = concat!("`", $text, "`")] $name($name)),*
        }

        impl Isa {
            /// Names of all ISAs this build knows, in order of preference.
            pub const NAMES: &'static [&'static str] = &[$($(#[$cfg])* $text),*];

            /// Every ISA that this CPU can run, best first. Never empty: the portable one always runs.
            pub fn available() -> Vec<Isa> {
                let mut list = Vec::new();
                $($(#[$cfg])* { list.extend($name::new().map(Isa::$name)); })*
                list
            }

            /// The best ISA of this CPU.
            #[inline]
            pub fn best() -> Isa {
                $($(#[$cfg])* if let Some(token) = $name::new() { return Isa::$name(token); })*
                unreachable!("the portable one always runs")
            }

            /// The name that [`Isa::named`] takes.
            pub fn name(self) -> &'static str {
                match self { $($(#[$cfg])* Isa::$name(_) => $text),* }
            }

            /// Whether multiply-add rounds once, which makes results equal on all such ISAs.
            pub fn fused(self) -> bool {
                match self { $($(#[$cfg])* Isa::$name(_) => <$name as Simd>::FUSED),* }
            }

            /// Runs a kernel with this ISA's instructions.
            #[inline]
            pub fn run<K: Kernel>(self, kernel: K) -> K::Out {
                match self { $($(#[$cfg])* Isa::$name(token) => token.run(kernel)),* }
            }
        }
    };
}

isas! {
    #[cfg(target_arch = "x86_64")]
    Avx512 = "avx512",
    #[cfg(target_arch = "x86_64")]
    Avx2 = "avx2",
    Portable = "portable",
}

/// Why an ISA cannot be used.
///
/// ```
/// let error = kernels::Isa::named("sse9").unwrap_err();
/// assert!(error.to_string().starts_with("unknown instruction set `sse9`; this machine has: "));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsaError {
    name: String,
}

impl core::fmt::Display for IsaError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let here: Vec<_> = Isa::available().into_iter().map(Isa::name).collect();
        let known =
            if Isa::NAMES.contains(&self.name.as_str()) { "this CPU lacks" } else { "unknown" };
        write!(f, "{known} instruction set `{}`; this machine has: {}", self.name, here.join(", "))
    }
}

impl core::error::Error for IsaError {}

impl Isa {
    /// The ISA of that name.
    ///
    /// # Errors
    /// The name is unknown, or the CPU lacks the instructions.
    pub fn named(name: &str) -> Result<Isa, IsaError> {
        let found = Isa::available().into_iter().find(|isa| isa.name() == name);
        found.ok_or_else(|| IsaError { name: name.to_owned() })
    }

    /// `$WEFT_ISA` where it is set and not empty, else the best ISA of this CPU.
    ///
    /// # Errors
    /// The variable names an ISA that is unknown or that the CPU lacks.
    #[cfg(feature = "std")]
    pub fn from_env() -> Result<Isa, IsaError> {
        match std::env::var_os("WEFT_ISA") {
            Some(name) if !name.is_empty() => Isa::named(&name.to_string_lossy()),
            _ => Ok(Isa::best()),
        }
    }
}

impl core::fmt::Display for Isa {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// Declares a public kernel: a function that takes the ISA first and whose body, generic over the token
/// `$s`, is compiled once for each ISA.
macro_rules! kernel {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident $(<$($life:lifetime),+>)? ($s:ident, $($arg:ident : $ty:ty),* $(,)?)
        $(-> $out:ty)? $body:block
    ) => {
        $(#[$meta])*
        // Not inlined elsewhere: every program gets the code that was compiled, and measured, here.
        #[inline(never)]
        $vis fn $name $(<$($life),+>)? (isa: $crate::Isa, $($arg: $ty),*) $(-> $out)? {
            struct Args $(<$($life),+>)? { $($arg: $ty),* }
            impl $(<$($life),+>)? $crate::isa::Kernel for Args $(<$($life),+>)? {
                type Out = kernel!(@out $($out)?);
                #[inline(always)]
                fn run<S: $crate::isa::Simd>(self, $s: S) -> Self::Out {
                    let Args { $($arg),* } = self;
                    $body
                }
            }
            isa.run(Args { $($arg),* })
        }
    };
    (@out) => { () };
    (@out $out:ty) => { $out };
}
pub(crate) use kernel;
