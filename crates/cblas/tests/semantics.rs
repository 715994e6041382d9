//! The functions against the kernels' twin, bit for bit: every transposition, layout, factor and gap.

use core::ffi::{c_char, c_int};
use kernels::Isa;
use kernels::twin::Twin;
use proptest::prelude::*;
use weft_blas::{CBLAS_LAYOUT, CBLAS_TRANSPOSE, cblas_sgemm, sgemm_};

/// A NaN that no arithmetic makes: memory that nobody touched keeps it.
const POISON: f32 = f32::from_bits(0x7fa5_a5a5);

/// Factors with a rule of their own, and others.
const FACTORS: [f32; 5] = [0.0, 1.0, -0.0, 0.7, -2.5];

/// Bits that depend on where an element stands and on nothing else.
fn number(seed: usize, i: usize, j: usize) -> f32 {
    let x = (seed * 7919 + i * 104_729 + j * 1_299_709).wrapping_mul(2_654_435_761) >> 7;
    (x % 2001) as f32 / 1000.0 - 1.0
}

/// A matrix in memory, poison in its gaps.
struct Memory {
    floats: Vec<f32>,
    shape: (usize, usize),
    leading: usize,
    rows: bool,
}

impl Memory {
    /// As it lies: rows or columns `gap` longer than they need to be, and at least one long.
    fn new(
        shape: (usize, usize),
        rows: bool,
        gap: usize,
        f: impl Fn(usize, usize) -> f32,
    ) -> Memory {
        let (count, length) = if rows { shape } else { (shape.1, shape.0) };
        let leading = (length + gap).max(1);
        let mut memory = Memory { floats: vec![POISON; count * leading], shape, leading, rows };
        for i in 0..shape.0 {
            for j in 0..shape.1 {
                let at = memory.at(i, j);
                memory.floats[at] = f(i, j);
            }
        }
        memory
    }

    fn at(&self, i: usize, j: usize) -> usize {
        if self.rows { i * self.leading + j } else { i + j * self.leading }
    }

    fn elements(&self) -> Vec<f32> {
        let (rows, cols) = self.shape;
        (0..rows * cols).map(|at| self.floats[self.at(at / cols, at % cols)]).collect()
    }

    /// What is not an element is as it was.
    fn gaps_are_poison(&self) -> bool {
        let (rows, cols) = self.shape;
        let mut gap = vec![true; self.floats.len()];
        (0..rows * cols).for_each(|at| gap[self.at(at / cols, at % cols)] = false);
        self.floats.iter().zip(gap).all(|(x, gap)| !gap || x.to_bits() == POISON.to_bits())
    }

    fn leading(&self) -> c_int {
        self.leading as c_int
    }
}

#[derive(Clone, Debug)]
struct Case {
    sizes: (usize, usize, usize),
    /// Whether A and B are transposed.
    transposed: (bool, bool),
    rows: bool,
    gaps: (usize, usize, usize),
    factors: (f32, f32),
}

/// Both functions must do what `Case` says, through whichever of them can say it.
fn check(case: &Case, letters: (u8, u8)) -> Result<(), TestCaseError> {
    let Case { sizes: (m, n, k), transposed: (ta, tb), rows, gaps, factors: (alpha, beta) } = *case;
    let shape = |turn, rows, cols| if turn { (cols, rows) } else { (rows, cols) };
    // Where α is 0, A and B must not be read: a product with poison is none.
    let of = |seed| move |i, j| if alpha == 0.0 { POISON } else { number(seed, i, j) };
    let a = Memory::new(shape(ta, m, k), rows, gaps.0, of(1));
    let b = Memory::new(shape(tb, k, n), rows, gaps.1, of(2));
    let start = |i, j| if beta == 0.0 { POISON } else { number(3, i, j) };
    let mut c = Memory::new((m, n), rows, gaps.2, start);

    let plain = |x: &Memory, turn: bool| -> Vec<f32> {
        let (elements, (r, q)) = (x.elements(), x.shape);
        if !turn {
            return elements;
        }
        (0..r * q).map(|at| elements[(at % r) * q + at / r]).collect()
    };
    let twin = Twin::of(Isa::from_env().expect("an instruction set"));
    let mut want = c.elements();
    if rows {
        // The reference does these as Cᵀ = op(B)ᵀ op(A)ᵀ, which decides what α is multiplied with.
        let (at, bt) = (plain(&a, !ta), plain(&b, !tb));
        let mut turned = plain(&c, true);
        twin.gemm((n, m, k), alpha, &bt, &at, beta, &mut turned);
        (0..m * n).for_each(|at| want[at] = turned[(at % n) * m + at / n]);
    } else {
        twin.gemm((m, n, k), alpha, &plain(&a, ta), &plain(&b, tb), beta, &mut want);
    }

    let ints = [m, n, k].map(|x| x as c_int);
    let (la, lb, lc) = (a.leading(), b.leading(), c.leading());
    let (pa, pb, pc) = (a.floats.as_ptr(), b.floats.as_ptr(), c.floats.as_mut_ptr());
    if rows || letters.0.is_ascii_lowercase() {
        use CBLAS_TRANSPOSE::{CblasConjTrans, CblasNoTrans, CblasTrans};
        let number = |turn: bool, letter: u8| match (turn, letter.to_ascii_uppercase()) {
            (false, _) => CblasNoTrans as c_int,
            (true, b'C') => CblasConjTrans as c_int,
            (true, _) => CblasTrans as c_int,
        };
        let layout =
            if rows { CBLAS_LAYOUT::CblasRowMajor } else { CBLAS_LAYOUT::CblasColMajor } as c_int;
        let (ta, tb) = (number(ta, letters.0), number(tb, letters.1));
        let [m, n, k] = ints;
        // SAFETY: the three are as large as sizes and leading dimensions say.
        unsafe { cblas_sgemm(layout, ta, tb, m, n, k, alpha, pa, la, pb, lb, beta, pc, lc) };
    } else {
        let letter = |turn: bool, letter: u8| if turn { letter } else { b'N' } as c_char;
        let (ta, tb) = (letter(ta, letters.0), letter(tb, letters.1));
        let [m, n, k] = ints;
        // SAFETY: as above.
        unsafe { sgemm_(&ta, &tb, &m, &n, &k, &alpha, pa, &la, pb, &lb, &beta, pc, &lc) };
    }

    for (at, (got, want)) in c.elements().iter().zip(&want).enumerate() {
        let same = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
        prop_assert!(same, "{case:?}: element {at} is {got:e}, not {want:e}");
    }
    prop_assert!(c.gaps_are_poison(), "{case:?}: a gap of C was written");
    Ok(())
}

fn case(sizes: impl Strategy<Value = (usize, usize, usize)>) -> impl Strategy<Value = Case> {
    let gap = || prop_oneof![Just(0usize), 1..20usize];
    let factor = || prop::sample::select(&FACTORS[..]);
    (sizes, any::<(bool, bool)>(), any::<bool>(), (gap(), gap(), gap()), (factor(), factor()))
        .prop_map(|(sizes, transposed, rows, gaps, factors)| Case {
            sizes,
            transposed,
            rows,
            gaps,
            factors,
        })
}

fn letters() -> impl Strategy<Value = (u8, u8)> {
    let letter = || prop::sample::select(&b"TtCc"[..]);
    (letter(), letter())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_product_is_that_of_the_reference(
        case in case((0..40usize, 0..40usize, 0..40usize)),
        letters in letters(),
    ) {
        check(&case, letters)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 8, ..ProptestConfig::default() })]

    /// So large that several threads share them, where the machine has them.
    #[test]
    fn so_is_a_large_one(
        case in case((100..300usize, 100..300usize, 100..300usize)),
        letters in letters(),
    ) {
        weft_blas::weft_blas_set_num_threads(3);
        check(&case, letters)?;
    }
}

/// With nothing to compute there need be no matrices.
#[test]
fn quick_returns_touch_nothing() {
    let null = core::ptr::null();
    let mut c = [POISON; 4];
    let columns = CBLAS_LAYOUT::CblasColMajor as c_int;
    let plain = CBLAS_TRANSPOSE::CblasNoTrans as c_int;
    for (m, n, k, alpha, beta) in
        [(0, 2, 2, 1.0, 0.0), (2, 0, 2, 1.0, 0.0), (2, 2, 0, 1.0, 1.0), (2, 2, 2, 0.0, 1.0)]
    {
        // SAFETY: no element of A and B is read in these cases.
        unsafe {
            cblas_sgemm(
                columns,
                plain,
                plain,
                m,
                n,
                k,
                alpha,
                null,
                2,
                null,
                2,
                beta,
                c.as_mut_ptr(),
                2,
            );
        }
        assert!(c.iter().all(|x| x.to_bits() == POISON.to_bits()), "{m} {n} {k} {alpha} {beta}");
    }
    // And with k = 0, C is scaled.
    let mut c = [1.0, 2.0, 3.0, 4.0];
    // SAFETY: as above.
    unsafe {
        cblas_sgemm(columns, plain, plain, 2, 2, 0, 1.0, null, 2, null, 2, 0.5, c.as_mut_ptr(), 2);
    }
    assert_eq!(c, [0.5, 1.0, 1.5, 2.0]);
}
