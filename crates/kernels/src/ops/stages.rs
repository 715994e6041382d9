//! An optimiser's step on many vectors, in three stages.

use crate::isa::{LANES, Line, Simd};

/// What an optimiser does to parameters, given their gradients. Three stages, so that a loop over many vectors takes the
/// roots of some beside the reciprocals of others: what waits for what is then a tile apart.
pub(super) trait Rule: Copy {
    /// Whether there are roots to be taken. Without, all is done at once.
    const ROOTS: bool;
    /// Replaces a vector of moments `m` and `v`; returns what [`root`](Rule::root) takes, the new `v` if there are roots.
    /// `MASKS` is how denormals become zero ([`Simd::store_normal`]).
    fn moments<S: Simd, const MASKS: bool>(
        &self,
        s: S,
        g: S::V,
        mv: [&mut [f32; LANES]; 2],
    ) -> S::V;
    /// What [`parameters`](Rule::parameters) takes, of a `v` without denormals.
    fn root<S: Simd>(&self, s: S, v: S::V) -> S::V;
    /// Replaces a vector of parameters, of which `m` is the first moment, and has to [`DIVIDE`](Simd::recip) for it or not;
    /// returns the new ones, or what they are before denormals become zero.
    fn parameters<S: Simd, const MASKS: bool, const DIVIDE: bool>(
        &self,
        s: S,
        with: S::V,
        wm: [&mut [f32; LANES]; 2],
    ) -> S::V;
}

/// Zero if `check` is and `new` is finite, else NaN. Without `MASKS` not by a multiply-add, beside which there is room for
/// two additions.
#[inline(always)]
fn checked<S: Simd, const MASKS: bool>(s: S, new: S::V, check: S::V) -> S::V {
    if const { MASKS } { s.fma(new, s.splat(0.0), check) } else { s.add(s.sub(new, new), check) }
}

/// Three times `n` vectors, which begin at `at`.
#[inline(always)]
fn split_thrice<V>(all: &mut [V], at: usize, n: usize) -> [&mut [V]; 3] {
    let (first, rest) = all[at..at + 3 * n].split_at_mut(n);
    let (second, third) = rest.split_at_mut(n);
    [first, second, third]
}

/// All stages of one vector.
#[inline(always)]
fn at_once<S: Simd>(s: S, rule: impl Rule, g: S::V, [w, m, v]: [&mut [f32; LANES]; 3]) -> S::V {
    let v = rule.moments::<S, false>(s, g, [&mut *m, v]);
    rule.parameters::<S, false, true>(s, rule.root(s, v), [w, m])
}

/// Most vectors of a tile, on any ISA.
pub(super) const MOST: usize = 24;
/// Vectors of a tile of two rows: so few that a core finds the multiply-adds of the next tile behind them.
const LOW: usize = 8;

/// Parameters and moments on their way through a step.
pub(super) struct Stages<'o, S: Simd, R> {
    rule: R,
    pub(super) w: &'o mut [[f32; LANES]],
    pub(super) m: &'o mut [[f32; LANES]],
    pub(super) v: &'o mut [[f32; LANES]],
    /// Vectors before the first of these are done; those from there to the second have their roots, in `with`; those from there to
    /// the third new moments.
    at: [usize; 3],
    with: [Line; MOST],
    /// How denormals become zero.
    masks: bool,
    /// Zero as long as all new parameters are finite, NaN after one that is not.
    check: S::V,
}

impl<'o, S: Simd, R: Rule> Stages<'o, S, R> {
    pub(super) fn new(s: S, rule: R, [w, m, v]: [&'o mut [[f32; LANES]]; 3]) -> Self {
        const {
            let [one, two, three, four] = S::TILE_ROWS;
            assert!(one <= MOST && 2 * two <= MOST && 3 * three <= MOST && 4 * four <= MOST);
            assert!(S::WIDE.0 * S::WIDE.1 <= MOST);
        }
        let with = [Line::ZERO; MOST];
        Stages { rule, w, m, v, at: [0; 3], with, masks: s.masks(), check: s.splat(0.0) }
    }

    /// The next vectors, [`MOST`] at most, go through the first stage, given their gradients, and those before them
    /// each through the next one.
    ///
    /// # Panics
    /// If there are not so many.
    #[inline(always)]
    pub(super) fn next(&mut self, s: S, g: &[[f32; LANES]]) {
        let [done, rooted, moved] = self.at;
        self.at = [rooted, moved, moved + g.len()];
        if const { !R::ROOTS } {
            return self.at_once(s, g, moved);
        }
        if rooted - done == g.len() && moved - rooted == g.len() {
            return self.together(s, g, done);
        }
        let (w, m) = (&mut self.w[done..rooted], &mut self.m[done..rooted]);
        for ((w, m), Line(with)) in w.iter_mut().zip(m).zip(&self.with) {
            let new = self.rule.parameters::<S, false, true>(s, s.load(with), [w, m]);
            self.check = s.fma(new, s.splat(0.0), self.check);
        }
        for (v, Line(with)) in self.v[rooted..moved].iter().zip(&mut self.with) {
            s.store(self.rule.root(s, s.load(v)), with);
        }
        let (m, v) = (&mut self.m[moved..][..g.len()], &mut self.v[moved..][..g.len()]);
        for ((m, v), g) in m.iter_mut().zip(v).zip(g) {
            self.rule.moments::<S, false>(s, s.load(g), [m, v]);
        }
    }

    /// As many vectors from `done` on go through the last stage, as many behind them through the second and as many behind these
    /// through the first. One loop does so, a vector of each in turn. Reciprocals are made by multiply-adds, while the divider takes
    /// roots; where multiply-adds are few, the divider makes half of them, and behind a low tile all.
    #[inline(always)]
    fn together(&mut self, s: S, g: &[[f32; LANES]], done: usize) {
        if self.masks {
            self.together_by::<true, false, false>(s, g, done);
        } else if g.len() > LOW {
            self.together_by::<false, true, false>(s, g, done);
        } else {
            self.together_by::<false, true, true>(s, g, done);
        }
    }

    /// The same, where the first of each two vectors and the second have to [`divide`](Simd::recip) or not.
    #[inline(always)]
    fn together_by<const MASKS: bool, const FIRST: bool, const SECOND: bool>(
        &mut self,
        s: S,
        g: &[[f32; LANES]],
        done: usize,
    ) {
        let (rule, n, mut check) = (self.rule, g.len(), self.check);
        let [w, ..] = split_thrice(self.w, done, n);
        let [old_m, _, m] = split_thrice(self.m, done, n);
        let [_, old_v, v] = split_thrice(self.v, done, n);
        let old = w.iter_mut().zip(old_m).zip(&*old_v);
        let new = m.iter_mut().zip(v).zip(g);
        let all = old.zip(new).zip(&mut self.with).enumerate();
        for (i, ((((w, old_m), old_v), ((m, v), g)), Line(with))) in all {
            let (divisor, wm) = (s.load(with), [w, old_m]);
            let new = if const { FIRST == SECOND } || i % 2 == 0 {
                rule.parameters::<S, MASKS, FIRST>(s, divisor, wm)
            } else {
                rule.parameters::<S, MASKS, SECOND>(s, divisor, wm)
            };
            check = checked::<S, MASKS>(s, new, check);
            s.store(rule.root(s, s.load(old_v)), with);
            rule.moments::<S, MASKS>(s, s.load(g), [m, v]);
        }
        self.check = check;
    }

    /// The vectors from `at` on go through all, one after the other.
    #[inline(always)]
    pub(super) fn at_once(&mut self, s: S, g: &[[f32; LANES]], at: usize) {
        let now = at..at + g.len();
        let (w, m, v) = (&mut self.w[now.clone()], &mut self.m[now.clone()], &mut self.v[now]);
        for (((g, w), m), v) in g.iter().zip(w).zip(m).zip(v) {
            let new = at_once(s, self.rule, s.load(g), [w, m, v]);
            self.check = s.fma(new, s.splat(0.0), self.check);
        }
    }

    /// Nothing waits any more. Returns whether all new parameters are finite.
    #[inline(always)]
    pub(super) fn finish(mut self, s: S) -> bool {
        // The last vectors have two stages before them.
        for _ in 0..2 {
            self.next(s, &[]);
        }
        s.sum(self.check) == 0.0
    }
}

/// A step of whole vectors of parameters. Returns whether the new ones are finite.
#[inline(always)]
pub(super) fn step_all<S: Simd>(
    s: S,
    rule: impl Rule,
    g: &[[f32; LANES]],
    wmv: [&mut [[f32; LANES]]; 3],
) -> bool {
    let mut stages = Stages::new(s, rule, wmv);
    // Without wide tiles, there are too few registers for all stages at once.
    if const { S::TILE_ROWS[3] == 0 } {
        stages.at_once(s, g, 0);
        return stages.finish(s);
    }
    // Not a closure, which would be compiled without these instructions.
    for g in g.chunks(MOST) {
        stages.next(s, g);
    }
    stages.finish(s)
}

/// A step over slices of any length.
#[inline(always)]
pub(super) fn step_slices<S: Simd>(s: S, rule: impl Rule, g: &[f32], wmv: [&mut [f32]; 3]) {
    let [w, m, v] = wmv;
    let n = g.len();
    let lengths = (w.len(), m.len(), v.len());
    assert_eq!(lengths, (n, n, n), "parameters and moments for {n} gradients");
    // Vectors that begin with lines, if all slices begin as far from one.
    let before = w.as_ptr().align_offset(size_of::<Line>()).min(n);
    let (g_before, g) = g.split_at(before);
    let [(w_before, w), (m_before, m), (v_before, v)] =
        [w, m, v].map(|all| all.split_at_mut(before));
    step_some(s, rule, g_before, [w_before, m_before, v_before]);
    let (g, g_rest) = g.as_chunks();
    let ((w, w_rest), (m, m_rest), (v, v_rest)) =
        (w.as_chunks_mut(), m.as_chunks_mut(), v.as_chunks_mut());
    step_all(s, rule, g, [w, m, v]);
    step_some(s, rule, g_rest, [w_rest, m_rest, v_rest]);
}

/// A step over less than a vector.
#[inline(always)]
fn step_some<S: Simd>(s: S, rule: impl Rule, g: &[f32], wmv: [&mut [f32]; 3]) {
    let mut lanes = wmv.each_ref().map(|from| s.to_array(s.load_first(from)));
    at_once(s, rule, s.load_first(g), lanes.each_mut());
    for (from, to) in lanes.iter().zip(wmv) {
        s.store_first(s.load(from), to);
    }
}
