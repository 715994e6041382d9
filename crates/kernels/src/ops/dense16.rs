//! A dense layer whose products are of bf16 numbers: forward, and the update.
//!
//! ```text
//! H  = act(scale · (X W) + b)     fused; the sums as `twin::bf16::add_products` adds them
//! dW = scale · (Xᵀ dZ)            then Adam on f32 weights, and their bf16 copy
//! ```
//! `scale` is there so that X can be what bf16 holds exactly: bytes, which pixels are before they are
//! divided by 255.

use super::adam::{self, AdamStep};
use super::dense::Then;
use super::relu::relu;
use super::stages::Stages;
use super::update::Owned;
use crate::bf16::{Left16, Right16};
use crate::isa::{
    Adder, Beside, Bf16, LANES, Line, NO_SUMS, Pairs, Simd, Square, Sums, Tile, Tiles, Unit16,
    Vector, WORDS, kernel16,
};
use crate::panel::{PANEL_COLS, Panel};

/// What is done to the sums of a forward pass.
struct Finish<'o> {
    scale: f32,
    bias: &'o [Line],
    then: Then,
    out: &'o mut [Panel],
    /// Rows of all of these panels together.
    rows: usize,
}

impl Finish<'_> {
    /// Writes the sums of sixteen rows from `i` on, as far as there are rows, in vector `v`.
    #[inline(always)]
    fn write(&mut self, token: Bf16, i: usize, v: usize, sums: &Sums) {
        let s = token.simd();
        let (scale, Line(bias)) = (s.splat(self.scale), &self.bias[v]);
        let (bias, zero) = (s.load(bias), s.splat(0.0));
        // Panels have whole sixteens of rows, so these rows are in one.
        let each = self.out[0].rows();
        let (block, row) = (i / each, i % each);
        for (r, Line(sum)) in sums.iter().enumerate().take(self.rows.saturating_sub(i)) {
            let z = s.add(s.fma(s.load(sum), scale, bias), zero);
            let z = if self.then == Then::Relu { relu(s, z) } else { z };
            s.store(z, &mut self.out[block].row_mut(row + r)[v].0);
        }
    }
}

kernel16! {
    /// `out = act(scale · (X W) + b)` for the rows of a batch and one panel of the weights.
    ///
    /// - `x`: `rows × inputs`
    /// - `w`: the panel, split along the inputs; all parts but the last hold a multiple of 32 of them
    /// - `bias`: one line for each vector of the panel
    /// - `out`: panels of as many rows each, a multiple of sixteen: get the result, one after the other
    ///
    /// An element is one chain through the inputs, 32 at a time, as
    /// [`twin::bf16::dot`](crate::twin::bf16::dot); then `fma(sum, scale, bias)`, and ReLU if asked for.
    ///
    /// ```
    /// use kernels::{Bf16, Left16, Line, Panel, Right16, Then, forward16, pairs16, pixels16};
    /// if let Some(token) = Bf16::new() {
    ///     let (mut x, mut ones, mut w) = (Left16::zeros(1, 2), Panel::zeros(2, 1), Right16::zeros(2, 1));
    ///     pixels16(token, &|_| &[3, 4], &mut x);
    ///     ones.set(0, 0, 1.0);
    ///     ones.set(1, 0, 1.0);
    ///     pairs16(token, ones.view(), &mut w, 0);
    ///     let mut out = [Panel::zeros(16, 1)];
    ///     forward16(token, &x, &[&w], 0.5, (&[Line([1.0; 16])], Then::Linear), &mut out);
    ///     assert_eq!(out[0].get(0, 0), (3.0 + 4.0) * 0.5 + 1.0);
    /// }
    /// ```
    ///
    /// # Panics
    /// If the shapes do not fit together, or `x` is what [`transpose16`](crate::transpose16) made.
    pub fn forward16<'a>(
        token, x: &'a Left16, w: &'a [&'a Right16], scale: f32, bias: (&'a [Line], Then),
        out: &'a mut [Panel],
    ) {
        let (bias, then) = bias;
        let cols = w.first().map_or(0, |w| w.cols());
        let each = out.first().map_or(0, Panel::rows);
        assert!(!x.is_by_pairs(), "a transpose");
        assert!(each.is_multiple_of(LANES) && out.iter().all(|o| o.rows() == each), "panels of rows");
        assert!(x.rows() <= each * out.len(), "{} rows in {} of {each}", x.rows(), out.len());
        assert!(out.iter().all(|o| o.cols() == cols), "columns of the weights and of the outputs");
        assert!(bias.len() >= cols.div_ceil(LANES), "{} lines of biases", bias.len());
        assert_eq!(x.depth(), w.iter().map(|w| w.depth()).sum::<usize>(), "inputs");
        let mut but_last = w.iter().rev().skip(1);
        assert!(but_last.all(|w| w.depth().is_multiple_of(WORDS)), "parts of the weights");
        assert!(w.iter().all(|w| w.cols() == cols), "columns of the parts");
        let (vectors, adder) = (cols.div_ceil(LANES), token.adder());
        let mut finish = Finish { scale, bias, then, out, rows: x.rows() };
        for v in (0..vectors).step_by(2) {
            for i in (0..x.rows()).step_by(2 * LANES) {
                let mut square = [[NO_SUMS; 2]; 2];
                multiply(&adder, x, w, (i / LANES, v), &mut square);
                for (r, sums) in square.iter().enumerate() {
                    for (c, sums) in sums.iter().enumerate().take(vectors - v) {
                        finish.write(token, i + r * LANES, v + c, sums);
                    }
                }
            }
        }
    }
}

/// Sums of two tiles of rows from tile `i` on and two vectors from `v` on. Where there is no second, the
/// first is taken twice.
#[inline(always)]
fn multiply(adder: &Adder, x: &Left16, w: &[&Right16], (i, v): (usize, usize), sums: &mut Square) {
    let second = if (i + 1) * LANES < x.rows() { i + 1 } else { i };
    let mut a = [x.row_tiles(i), x.row_tiles(second)];
    for w in w.iter().filter(|w| w.depth() > 0) {
        let (depth, vectors) = (w.depth().div_ceil(WORDS), w.vectors());
        let beside = if v + 1 < vectors { v + 1 } else { v };
        let b = [&w.tiles()[v..], &w.tiles()[beside..]];
        adder.square(sums, a.map(|a| &a[..depth]), b, vectors);
        a = a.map(|a| &a[depth..]);
    }
}

/// Gradients of sixteen inputs: a tile for each vector.
type Gradients = [Sums; PANEL_COLS / LANES];

/// The update of a part with `V` vectors.
struct Update<'o, const V: usize> {
    token: Bf16,
    tiles: Tiles,
    step: AdamStep,
    scale: f32,
    w: &'o mut [[Line; V]],
    m: &'o mut [[Line; V]],
    v: &'o mut [[Line; V]],
    dz: &'o [Tile],
}

impl<const V: usize> Update<'_, V> {
    /// Gradients of the inputs `x`.
    #[inline(always)]
    fn gradients(&self, x: &[Tile], to: &mut Gradients) {
        if V == to.len() {
            return self.tiles.row(to, x, self.dz);
        }
        for (v, sums) in to.iter_mut().enumerate().take(V) {
            self.tiles.single(sums, x, &self.dz[v..], V);
        }
    }

    /// The moments of row `row`, whose gradients are in row `r` of `g`.
    #[inline(always)]
    fn moments(&mut self, row: usize, g: &Gradients, r: usize) -> Waiting<V> {
        let (s, step) = (self.token.simd(), &self.step);
        let (m, v) = (&mut self.m[row], &mut self.v[row]);
        let [mut new, mut roots] = [[s.splat(0.0); V]; 2];
        for j in 0..V {
            let g = s.mul(s.load(&g[j][r].0), s.splat(self.scale));
            let (new_m, new_v) = adam::moments(s, step, g, (s.load(&m[j].0), s.load(&v[j].0)));
            let new_v = s.normal(new_v);
            (new[j], roots[j]) = (s.normal(new_m), adam::divisor(s, step, s.sqrt(new_v)));
            s.store(new[j], &mut m[j].0);
            s.store(new_v, &mut v[j].0);
        }
        Waiting { m: new, roots }
    }

    /// The weights of row `row`.
    #[inline(always)]
    fn weights(&mut self, row: usize, waiting: Waiting<V>) -> [Vector; V] {
        let s = self.token.simd();
        let w = &mut self.w[row];
        let mut new = waiting.m;
        for j in 0..V {
            let old = s.load(&w[j].0);
            new[j] = adam::stepped::<_, false>(s, old, waiting.m[j], waiting.roots[j]);
            s.store(new[j], &mut w[j].0);
        }
        new
    }

    /// The bf16 copy of rows `row` and `row + 1`.
    #[inline(always)]
    fn copy(&self, w16: &mut Right16, row: usize, [even, odd]: [[Vector; V]; 2]) {
        let tiles: &mut [Tile; V] = exactly(w16.depth_tiles_mut(row / WORDS));
        for j in 0..V {
            self.token.pairs([even[j], odd[j]], &mut tiles[j][row % WORDS / 2]);
        }
    }

    /// All inputs: rows `x` of the left operand, sixteen at a time. While Adam works on one sixteen, the
    /// tiles work on the next; and while it takes the roots of a row, it makes the reciprocals of those of the row before.
    #[inline(always)]
    fn run<'x>(mut self, x: impl Fn(usize) -> &'x [Tile], w16: &mut Right16) {
        let rows = self.w.len();
        let zeros = [self.token.simd().splat(0.0); V];
        let mut halves = [[NO_SUMS; PANEL_COLS / LANES]; 2];
        self.gradients(x(0), &mut halves[0]);
        // New weights of an even row, and what those of the odd row after it wait for.
        let mut before = (zeros, Waiting { m: zeros, roots: zeros });
        for i in 0..rows.div_ceil(LANES) {
            let [even, odd] = &mut halves;
            let (now, next) = if i % 2 == 0 { (even, odd) } else { (odd, even) };
            if (i + 1) * LANES < rows {
                self.gradients(x(i + 1), next);
            }
            for r in (0..LANES.min(rows - i * LANES)).step_by(2) {
                let row = i * LANES + r;
                let first = self.moments(row, now, r);
                if row > 0 {
                    let second = self.weights(row - 1, before.1);
                    self.copy(w16, row - 2, [before.0, second]);
                }
                if row + 1 < rows {
                    before.1 = self.moments(row + 1, now, r + 1);
                }
                before.0 = self.weights(row, first);
            }
        }
        let last = rows - 1;
        let second = if last % 2 == 1 { self.weights(last, before.1) } else { zeros };
        self.copy(w16, last / 2 * 2, [before.0, second]);
    }
}

/// What the weights of a row wait for.
#[derive(Clone, Copy)]
struct Waiting<const V: usize> {
    m: [Vector; V],
    roots: [Vector; V],
}

/// A slice of that length.
#[inline(always)]
fn exactly<T, const N: usize>(slice: &mut [T]) -> &mut [T; N] {
    let Ok(array) = slice.try_into() else { unreachable!("{N} of them") };
    array
}

kernel16! {
    /// `dW = scale · (Xᵀ dZ)`, and a step of Adam with it, for the rows and columns that `owned` holds.
    ///
    /// - `xt`: inputs, by [`transpose16`](crate::transpose16): `inputs × batch`; those of `owned` begin at row `from`, a multiple of 16
    /// - `dz`: gradients of the columns of `owned`: `batch × cols`
    /// - `w16`: gets the new weights, rounded: as many rows and columns as `owned` has
    ///
    /// A gradient is one chain through the batch, 32 rows at a time, as
    /// [`twin::bf16::dot`](crate::twin::bf16::dot), times `scale`; Adam is that of
    /// [`adam_step`](crate::adam_step).
    ///
    /// ```
    /// use kernels::{AdamStep, Bf16, Left16, Owned, Panel, Right16, pairs16, pixels16, transpose16, update16};
    /// if let Some(token) = Bf16::new() {
    ///     let (mut x, mut xt) = (Left16::zeros(2, 1), Left16::zeros(1, 2));
    ///     let (mut up, mut dz) = (Panel::zeros(2, 1), Right16::zeros(2, 1));
    ///     pixels16(token, &|i| [&[1], &[2]][i], &mut x);
    ///     transpose16(token, &x, &mut xt);
    ///     up.set(1, 0, 3.0);
    ///     pairs16(token, up.view(), &mut dz, 0);
    ///     let (mut owned, mut w16) = (Owned::zeros(1, 1), Right16::zeros(1, 1));
    ///     let step = AdamStep::new(0.5, 0.9, 0.999, 1e-7, 1);
    ///     update16(token, (&xt, 0), &dz, 1.0, &mut owned, &mut w16, step);
    ///     assert!((owned.w.get(0, 0) + 0.5).abs() < 1e-6);
    /// }
    /// ```
    ///
    /// # Panics
    /// If the shapes do not fit together, or there are more than [`PANEL_COLS`] columns.
    pub fn update16<'a>(
        token, xt: (&'a Left16, usize), dz: &'a Right16, scale: f32, owned: &'a mut Owned,
        w16: &'a mut Right16, step: AdamStep,
    ) {
        let (xt, from) = xt;
        let (rows, cols) = (owned.w.rows(), owned.w.cols());
        assert!(from.is_multiple_of(LANES) && from + rows <= xt.rows(), "rows {from}+{rows} of the inputs");
        assert!(xt.depth() == dz.depth() && xt.depth() > 0, "batches of {} and {}", xt.depth(), dz.depth());
        let by_pairs = token.unit() == Unit16::Pairs;
        assert_eq!(xt.is_by_pairs(), by_pairs, "inputs that `transpose16` made for pairs");
        assert_eq!((dz.cols(), w16.depth(), w16.cols()), (cols, rows, cols), "shape of the gradient");
        if rows == 0 || cols == 0 {
            return;
        }
        let operands = (xt, from / LANES, dz);
        match owned.w.vectors() {
            1 => update::<1>(token, operands, scale, owned, w16, step),
            2 => update::<2>(token, operands, scale, owned, w16, step),
            3 => update::<3>(token, operands, scale, owned, w16, step),
            4 => update::<4>(token, operands, scale, owned, w16, step),
            _ => panic!("{cols} columns; {PANEL_COLS} are possible"),
        }
    }
}

/// Rows of gradients that are in registers at once.
const STRIP: usize = 4;

/// The update by pairs: gradients of four rows leave their registers for the optimiser's stages, as those of f32 do.
#[inline(always)]
fn by_strips<const V: usize>(
    token: Bf16,
    pairs: Pairs,
    (xt, at, dz): (&Left16, usize, &Right16),
    scale: f32,
    owned: &mut Owned,
    w16: &mut Right16,
    step: AdamStep,
) {
    let (s, rows) = (token.simd(), owned.w.rows());
    let scale = s.splat(scale);
    let mut stages = Stages::new(s, step, owned.vectors_mut());
    let mut gradients = [[Line::ZERO; V]; STRIP];
    for row in (0..rows).step_by(STRIP) {
        let x = xt.row_tiles(at + row / LANES);
        let mut beside = stages.beside(s, gradients.as_flattened());
        let sums = pairs.rows::<STRIP, V>(x, row % LANES, dz.tiles(), &mut beside);
        beside.finish();
        for i in 0..STRIP {
            for j in 0..V {
                s.store(s.mul(sums[i][j], scale), &mut gradients[i][j].0);
            }
        }
        let gradients = &gradients[..STRIP.min(rows - row)];
        stages.wait(s, Line::vectors(gradients.as_flattened()));
        // This strip waits, and of the two before it one has no roots and one no new weights.
        if row >= 3 * STRIP {
            strip16::<V>(token, stages.w, row - 3 * STRIP, w16);
        }
    }
    stages.beside(s, gradients.as_flattened()).finish();
    stages.finish(s);
    let last = rows.next_multiple_of(STRIP).saturating_sub(3 * STRIP);
    for row in (last..rows).step_by(STRIP) {
        strip16::<V>(token, Line::vectors(owned.w.lines()), row, w16);
    }
}

/// The bf16 copy of a strip of weights.
#[inline(always)]
fn strip16<const V: usize>(token: Bf16, w: &[[f32; LANES]], row: usize, w16: &mut Right16) {
    let (s, rows) = (token.simd(), w.as_chunks::<V>().0);
    let tiles: &mut [Tile; V] = exactly(w16.depth_tiles_mut(row / WORDS));
    for r in (row..rows.len().min(row + STRIP)).step_by(2) {
        for j in 0..V {
            let odd = rows.get(r + 1).map_or(s.splat(0.0), |w| s.load(&w[j]));
            token.pairs([s.load(&rows[r][j]), odd], &mut tiles[j][r % WORDS / 2]);
        }
    }
}

/// The update of a part with `V` vectors, from tile `at` of the inputs on.
#[inline(always)]
fn update<const V: usize>(
    token: Bf16,
    (xt, at, dz): (&Left16, usize, &Right16),
    scale: f32,
    owned: &mut Owned,
    w16: &mut Right16,
    step: AdamStep,
) {
    let tiles = match token.adder() {
        Adder::Tiles(tiles) => tiles,
        Adder::Pairs(pairs) => {
            return by_strips::<V>(token, pairs, (xt, at, dz), scale, owned, w16, step);
        }
    };
    let [w, m, v] = owned.lines_mut().map(|lines| lines.as_chunks_mut().0);
    let update = Update::<V> { token, tiles, step, scale, w, m, v, dz: dz.tiles() };
    update.run(|i| xt.row_tiles(at + i), w16);
}
