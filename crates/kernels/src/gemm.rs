//! General matrix product, `C = α A B + β C`, for any strides.
//!
//! Every element of C is one chain of multiply-adds, in the order of the reference BLAS:
//!
//! ```text
//! c = if β == 0 { 0 } else { β c };  for k { c = a[i, k] * (α b[k, j]) + c }
//! ```
//! whatever the blocking, the ISA and the strides. With β = 0, C is never read.
//!
//! Five loops, in the names of BLIS: 5 splits N (columns of B and C), 4 splits K and packs a block of B
//! into panels of 64 columns, 3 splits M, 2 goes over the panels, 1 over the rows of a panel in tiles.
//! A is read where it lies: a tile takes single floats of it, so its layout matters little.

use crate::isa::{Isa, LANES, Line, Rows, Simd, Strided, kernel};
use crate::panel::PANEL_COLS;
use crate::tile::{Acc, Ending, product, unroll};

/// Depth of a block: a panel of B, 32 KiB, stays in the first-level cache while the rows of A pass.
const KC: usize = 128;
/// Columns of a block: a packed block of B, 512 KiB, stays in the second-level cache.
const NC: usize = 1024;
/// Rows of a block: A's block, 128 KiB, stays in the second-level cache beside it.
const MC: usize = 256;

/// A matrix to read: element (i, j) is `data[i * rs + j * cs]`.
#[derive(Clone, Copy, Debug)]
pub struct MatRef<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    rs: usize,
    cs: usize,
}

/// A matrix to write: element (i, j) is `data[i * rs + j * cs]`, and no two elements coincide.
#[derive(Debug)]
pub struct MatMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    cols: usize,
    rs: usize,
    cs: usize,
}

/// One past the last element, if that fits.
fn extent(rows: usize, cols: usize, rs: usize, cs: usize) -> Option<usize> {
    if rows == 0 || cols == 0 {
        return Some(0);
    }
    (rows - 1).checked_mul(rs)?.checked_add((cols - 1).checked_mul(cs)?)?.checked_add(1)
}

impl<'a> MatRef<'a> {
    /// A matrix with any strides, counted in elements.
    ///
    /// # Panics
    /// If an element lies outside `data`.
    pub fn new(data: &'a [f32], (rows, cols): (usize, usize), (rs, cs): (usize, usize)) -> Self {
        assert!(
            extent(rows, cols, rs, cs).is_some_and(|end| end <= data.len()),
            "a {rows}x{cols} matrix with strides ({rs}, {cs}) does not fit into {} floats",
            data.len()
        );
        MatRef { data, rows, cols, rs, cs }
    }

    /// A row-major matrix without gaps.
    ///
    /// # Panics
    /// If `data` does not hold exactly `rows × cols` floats.
    pub fn row_major(data: &'a [f32], rows: usize, cols: usize) -> Self {
        assert_eq!(data.len(), rows * cols, "a {rows}x{cols} matrix");
        MatRef::new(data, (rows, cols), (cols, 1))
    }

    /// The transpose: the same data with the strides swapped.
    pub fn t(self) -> Self {
        MatRef { data: self.data, rows: self.cols, cols: self.rows, rs: self.cs, cs: self.rs }
    }

    #[inline(always)]
    fn at(&self, i: usize, j: usize) -> f32 {
        self.data[i * self.rs + j * self.cs]
    }

    /// Rows `i..i + rows` and columns `j..j + cols`, as the A operand.
    #[inline(always)]
    fn block(&self, (i, rows): (usize, usize), (j, cols): (usize, usize)) -> Strided<'a> {
        Strided::new(&self.data[i * self.rs + j * self.cs..], (rows, cols), (self.rs, self.cs))
    }
}

impl<'a> MatMut<'a> {
    /// A matrix with any strides, counted in elements.
    ///
    /// # Panics
    /// If an element lies outside `data`, or two elements would lie in one place. Rows that interleave
    /// are refused too, whether or not their elements meet.
    pub fn new(
        data: &'a mut [f32],
        (rows, cols): (usize, usize),
        (rs, cs): (usize, usize),
    ) -> Self {
        assert!(
            extent(rows, cols, rs, cs).is_some_and(|end| end <= data.len()),
            "a {rows}x{cols} matrix with strides ({rs}, {cs}) does not fit into {} floats",
            data.len()
        );
        // Along one direction the elements differ, and along the other a step is longer than all of it.
        let apart = |(count, step): (usize, usize), (inner, stride): (usize, usize)| {
            (inner == 1 || stride > 0) && (count == 1 || step > (inner - 1) * stride)
        };
        let empty = rows == 0 || cols == 0;
        let apart = empty || apart((rows, rs), (cols, cs)) || apart((cols, cs), (rows, rs));
        assert!(apart, "elements of a {rows}x{cols} matrix coincide with strides ({rs}, {cs})");
        MatMut { data, rows, cols, rs, cs }
    }

    /// A row-major matrix without gaps.
    ///
    /// # Panics
    /// If `data` does not hold exactly `rows × cols` floats.
    pub fn row_major(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        assert_eq!(data.len(), rows * cols, "a {rows}x{cols} matrix");
        MatMut::new(data, (rows, cols), (cols, 1))
    }

    fn t(self) -> MatMut<'a> {
        MatMut { data: self.data, rows: self.cols, cols: self.rows, rs: self.cs, cs: self.rs }
    }
}

/// `C = α A B + β C`, A of shape m × k, B k × n, C m × n, each with any strides.
///
/// ```
/// use kernels::{Isa, MatMut, MatRef, gemm};
/// let (a, b) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]);
/// let mut c = [f32::NAN; 4]; // not read, since beta is 0
/// gemm(Isa::best(), 1.0, MatRef::row_major(&a, 2, 2), MatRef::row_major(&b, 2, 2), 0.0,
///     MatMut::row_major(&mut c, 2, 2));
/// assert_eq!(c, [19.0, 22.0, 43.0, 50.0]);
/// ```
///
/// # Panics
/// If the shapes do not fit together.
pub fn gemm(isa: Isa, alpha: f32, a: MatRef<'_>, b: MatRef<'_>, beta: f32, mut c: MatMut<'_>) {
    assert!(
        a.cols == b.rows && a.rows == c.rows && b.cols == c.cols,
        "gemm of A {}x{}, B {}x{} into C {}x{}",
        a.rows,
        a.cols,
        b.rows,
        b.cols,
        c.rows,
        c.cols
    );
    if c.rows == 0 || c.cols == 0 {
        return;
    }
    if alpha == 0.0 || a.cols == 0 {
        return scale(beta, &mut c);
    }
    if c.cs == 1 || c.cols == 1 {
        rows_of_c(isa, (a, 1.0), (b, alpha), beta, c);
    } else if c.rs == 1 || c.rows == 1 {
        // Cᵀ = Bᵀ Aᵀ has rows in place, and a product of two floats does not mind their order.
        rows_of_c(isa, (b.t(), alpha), (a.t(), 1.0), beta, c.t());
    } else {
        let mut packed = vec![0.0; c.rows * c.cols];
        for (i, row) in packed.chunks_exact_mut(c.cols).enumerate() {
            for (j, x) in row.iter_mut().enumerate() {
                *x = if beta == 0.0 { 0.0 } else { c.data[i * c.rs + j * c.cs] };
            }
        }
        let whole = MatMut::row_major(&mut packed, c.rows, c.cols);
        rows_of_c(isa, (a, 1.0), (b, alpha), beta, whole);
        for (i, row) in packed.chunks_exact(c.cols).enumerate() {
            for (j, x) in row.iter().enumerate() {
                c.data[i * c.rs + j * c.cs] = *x;
            }
        }
    }
}

/// `C = β C`, without reading C if β is 0.
fn scale(beta: f32, c: &mut MatMut<'_>) {
    for i in 0..c.rows {
        for j in 0..c.cols {
            let x = &mut c.data[i * c.rs + j * c.cs];
            *x = if beta == 0.0 { 0.0 } else { beta * *x };
        }
    }
}

/// Loads the tile's chain from C and stores it there.
struct IntoC<'o, 'a> {
    c: &'o mut MatMut<'a>,
    /// First row, first column and number of columns of this panel in C.
    at: (usize, usize, usize),
    /// β on the first block of k, 1 after it.
    beta: f32,
}

impl IntoC<'_, '_> {
    /// Where vector `v` of row `i` lies in C: at most sixteen floats.
    #[inline(always)]
    fn span(&self, i: usize, v: usize) -> core::ops::Range<usize> {
        let (i0, j0, cols) = self.at;
        let start = (i0 + i) * self.c.rs + j0 + v * LANES;
        start..start + LANES.min(cols - v * LANES)
    }
}

impl<S: Simd> Ending<S> for IntoC<'_, '_> {
    #[inline(always)]
    fn start<const MR: usize, const NV: usize>(
        &self,
        s: S,
        i: usize,
        v: usize,
    ) -> Acc<S::V, MR, NV> {
        let mut acc = [[s.splat(0.0); NV]; MR];
        if self.beta == 0.0 {
            return acc;
        }
        unroll!(R in 0..MR => unroll!(J in 0..NV => {
            let from = &self.c.data[self.span(i + R, v + J)];
            acc[R][J] = match from.first_chunk() {
                Some(whole) => s.load(whole),
                None => s.load_first(from),
            };
        }));
        if self.beta != 1.0 {
            let beta = s.splat(self.beta);
            unroll!(R in 0..MR => unroll!(J in 0..NV => acc[R][J] = s.mul(beta, acc[R][J])));
        }
        acc
    }
    #[inline(always)]
    fn finish<const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        i: usize,
        v: usize,
        acc: Acc<S::V, MR, NV>,
    ) {
        unroll!(R in 0..MR => unroll!(J in 0..NV => {
            let span = self.span(i + R, v + J);
            let to = &mut self.c.data[span];
            match to.first_chunk_mut() {
                Some(whole) => s.store(acc[R][J], whole),
                None => s.store_first(acc[R][J], to),
            }
        }));
    }
}

kernel! {
    /// The five loops, for C with contiguous rows. Each operand comes with its factor.
    fn rows_of_c<'a>(
        s, a: (MatRef<'a>, f32), b: (MatRef<'a>, f32), beta: f32, c: MatMut<'a>,
    ) {
        let ((a, a_scale), (b, b_scale), mut c) = (a, b, c);
        let (m, n, k) = (a.rows, b.cols, a.cols);
        let vectors = NC.min(n).div_ceil(LANES);
        let mut packed = vec![Line::ZERO; vectors * KC.min(k)];
        let mut scaled = if a_scale == 1.0 { Vec::new() } else { vec![0.0; MC.min(m) * KC.min(k)] };
        for jc in (0..n).step_by(NC) {
            let nc = NC.min(n - jc);
            for pc in (0..k).step_by(KC) {
                let kc = KC.min(k - pc);
                pack(&b, b_scale, (pc, kc), (jc, nc), &mut packed);
                let beta = if pc == 0 { beta } else { 1.0 };
                for ic in (0..m).step_by(MC) {
                    let mc = MC.min(m - ic);
                    let a_block = if a_scale == 1.0 {
                        a.block((ic, mc), (pc, kc))
                    } else {
                        scale_block(&a, a_scale, (ic, mc), (pc, kc), &mut scaled)
                    };
                    let mut rest = &packed[..];
                    for j in (0..nc).step_by(PANEL_COLS) {
                        let cols = PANEL_COLS.min(nc - j);
                        let vectors = cols.div_ceil(LANES);
                        let (panel, next) = rest.split_at(kc * vectors);
                        rest = next;
                        let panel = Rows::new(Line::flat(panel), vectors * LANES, (kc, vectors));
                        let ending = IntoC { c: &mut c, at: (ic, jc + j, cols), beta };
                        product(s, mc, vectors, &[(a_block, panel)], ending);
                    }
                }
            }
        }
    }
}

/// Packs rows `pc..pc + kc` and columns `jc..jc + nc` of B, times its factor, into panels of 64 columns,
/// one after the other, the lanes past the last column zero.
#[inline(always)]
fn pack(
    b: &MatRef<'_>,
    scale: f32,
    (pc, kc): (usize, usize),
    (jc, nc): (usize, usize),
    to: &mut [Line],
) {
    let mut lines = to.iter_mut();
    for j in (0..nc).step_by(PANEL_COLS) {
        let cols = PANEL_COLS.min(nc - j);
        for p in pc..pc + kc {
            for v in (0..cols).step_by(LANES) {
                let Some(Line(line)) = lines.next() else { unreachable!("packed block too small") };
                let (col, width) = (jc + j + v, LANES.min(cols - v));
                line[width..].fill(0.0);
                if b.cs == 1 {
                    let start = p * b.rs + col;
                    line[..width].copy_from_slice(&b.data[start..start + width]);
                } else {
                    for (l, x) in line[..width].iter_mut().enumerate() {
                        *x = b.at(p, col + l);
                    }
                }
                if scale != 1.0 {
                    line.iter_mut().for_each(|x| *x *= scale);
                }
            }
        }
    }
}

/// A block of A times its factor, row-major in `to`.
#[inline(always)]
fn scale_block<'s>(
    a: &MatRef<'_>,
    scale: f32,
    (ic, mc): (usize, usize),
    (pc, kc): (usize, usize),
    to: &'s mut [f32],
) -> Strided<'s> {
    for (i, row) in to.chunks_exact_mut(kc).take(mc).enumerate() {
        for (p, x) in row.iter_mut().enumerate() {
            *x = scale * a.at(ic + i, pc + p);
        }
    }
    Strided::new(to, (mc, kc), (kc, 1))
}
