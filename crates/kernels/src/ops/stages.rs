//! An optimiser's step on many vectors, in two stages.

use crate::isa::{LANES, Line, Simd};
use core::ops::Range;

/// What an optimiser does to parameters, given their gradients. Two stages, so that a loop over many vectors takes the
/// roots of some beside the reciprocals of others.
pub(super) trait Rule: Copy {
    /// Replaces a vector of moments `m` and `v`; returns what [`parameters`](Rule::parameters) takes.
    fn moments<S: Simd>(&self, s: S, g: S::V, mv: [&mut [f32; LANES]; 2]) -> S::V;
    /// Replaces a vector of parameters, of which `m` is the first moment; returns the new ones, or what they are before
    /// denormals become zero.
    fn parameters<S: Simd>(&self, s: S, with: S::V, wm: [&mut [f32; LANES]; 2]) -> S::V;
}

/// Both stages of one vector.
#[inline(always)]
fn both<S: Simd>(s: S, rule: impl Rule, g: S::V, [w, m, v]: [&mut [f32; LANES]; 3]) -> S::V {
    let with = rule.moments(s, g, [&mut *m, v]);
    rule.parameters(s, with, [w, m])
}

/// Most vectors of a tile, on any ISA.
pub(super) const MOST: usize = 24;

/// Parameters and moments on their way through a step.
pub(super) struct Stages<'o, S: Simd, R> {
    rule: R,
    pub(super) w: &'o mut [[f32; LANES]],
    pub(super) m: &'o mut [[f32; LANES]],
    pub(super) v: &'o mut [[f32; LANES]],
    /// Vectors that wait for the second stage, and what they wait with.
    waiting: Range<usize>,
    with: [Line; MOST],
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
        Stages { rule, w, m, v, waiting: 0..0, with, check: s.splat(0.0) }
    }

    /// The vectors from `at` on, [`MOST`] at most, go through the first stage, given their gradients, and those that
    /// waited through the second. If both are as many and lie next to each other, one loop does both, a vector of each
    /// in turn: the divider takes a root while multiply-adds make a reciprocal.
    #[inline(always)]
    pub(super) fn first(&mut self, s: S, g: &[[f32; LANES]], at: usize) {
        let (rule, waiting, now) = (self.rule, self.waiting.clone(), at..at + g.len());
        if waiting.len() != g.len() || waiting.end != at {
            self.second(s);
            let (m, v) = (&mut self.m[now.clone()], &mut self.v[now.clone()]);
            for (((m, v), g), Line(with)) in m.iter_mut().zip(v).zip(g).zip(&mut self.with) {
                s.store(rule.moments(s, s.load(g), [m, v]), with);
            }
        } else {
            let (old_m, m) = self.m[waiting.start..now.end].split_at_mut(g.len());
            let old = self.w[waiting].iter_mut().zip(old_m);
            let new = m.iter_mut().zip(&mut self.v[now.clone()]).zip(g);
            let mut check = self.check;
            for (((w, old_m), ((m, v), g)), Line(with)) in old.zip(new).zip(&mut self.with) {
                let new = rule.parameters(s, s.load(with), [w, old_m]);
                check = s.fma(new, s.splat(0.0), check);
                s.store(rule.moments(s, s.load(g), [m, v]), with);
            }
            self.check = check;
        }
        self.waiting = now;
    }

    /// Those that wait go through the second stage.
    #[inline(always)]
    fn second(&mut self, s: S) {
        let waiting = core::mem::take(&mut self.waiting);
        let (w, m) = (&mut self.w[waiting.clone()], &mut self.m[waiting]);
        for ((w, m), Line(with)) in w.iter_mut().zip(m).zip(&self.with) {
            let new = self.rule.parameters(s, s.load(with), [w, m]);
            self.check = s.fma(new, s.splat(0.0), self.check);
        }
    }

    /// The vectors from `at` on go through both, one after the other.
    #[inline(always)]
    pub(super) fn both(&mut self, s: S, g: &[[f32; LANES]], at: usize) {
        let now = at..at + g.len();
        let (w, m, v) = (&mut self.w[now.clone()], &mut self.m[now.clone()], &mut self.v[now]);
        for (((g, w), m), v) in g.iter().zip(w).zip(m).zip(v) {
            let new = both(s, self.rule, s.load(g), [w, m, v]);
            self.check = s.fma(new, s.splat(0.0), self.check);
        }
    }

    /// Nothing waits any more. Returns whether all new parameters are finite.
    #[inline(always)]
    pub(super) fn finish(mut self, s: S) -> bool {
        self.second(s);
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
    // Without wide tiles, there are too few registers for both stages at once.
    if const { S::TILE_ROWS[3] == 0 } {
        stages.both(s, g, 0);
        return stages.finish(s);
    }
    for (i, g) in g.chunks(MOST).enumerate() {
        stages.first(s, g, i * MOST);
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
    let (g, g_rest) = g.as_chunks();
    let ((w, w_rest), (m, m_rest), (v, v_rest)) =
        (w.as_chunks_mut(), m.as_chunks_mut(), v.as_chunks_mut());
    step_all(s, rule, g, [w, m, v]);
    let mut rest = [&*w_rest, m_rest, v_rest].map(|from| s.to_array(s.load_first(from)));
    both(s, rule, s.load_first(g_rest), rest.each_mut());
    for (from, to) in rest.iter().zip([w_rest, m_rest, v_rest]) {
        s.store_first(s.load(from), to);
    }
}
