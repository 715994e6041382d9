//! An optimiser's step on many vectors, in three stages.

use crate::isa::{Beside, LANES, Line, Simd};

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

/// As many vectors in each of three stages.
struct Threes<'a> {
    /// Those that end, with what their parameters need.
    w: &'a mut [[f32; LANES]],
    old_m: &'a mut [[f32; LANES]],
    with: &'a mut [Line],
    /// Those whose moments are new.
    old_v: &'a [[f32; LANES]],
    /// Those that begin.
    m: &'a mut [[f32; LANES]],
    v: &'a mut [[f32; LANES]],
    g: &'a [[f32; LANES]],
}

impl<'a> Threes<'a> {
    /// As many as there are gradients: those that end are at `done`, others behind them.
    #[inline(always)]
    fn new(
        [w, m, v]: [&'a mut [[f32; LANES]]; 3],
        done: usize,
        with: &'a mut [Line; MOST],
        g: &'a [[f32; LANES]],
    ) -> Self {
        let n = g.len();
        let [w, ..] = split_thrice(w, done, n);
        let [old_m, _, m] = split_thrice(m, done, n);
        let [_, old_v, v] = split_thrice(v, done, n);
        Threes { w, old_m, with: &mut with[..n], old_v, m, v, g }
    }

    /// The `i`th of each goes through its stage; returns what [`Rule::parameters`] does.
    #[inline(always)]
    fn advance<S: Simd, const MASKS: bool, const DIVIDE: bool>(
        &mut self,
        s: S,
        rule: impl Rule,
        i: usize,
    ) -> S::V {
        let Line(with) = &mut self.with[i];
        let wm = [&mut self.w[i], &mut self.old_m[i]];
        let new = rule.parameters::<S, MASKS, DIVIDE>(s, s.load(with), wm);
        s.store(rule.root(s, s.load(&self.old_v[i])), with);
        rule.moments::<S, MASKS>(s, s.load(&self.g[i]), [&mut self.m[i], &mut self.v[i]]);
        new
    }
}

/// Vectors that waited, and now go on one by one, until they [`finish`](Beside::finish).
#[must_use]
pub(super) struct Waiting<'a, S: Simd, R> {
    s: S,
    rule: R,
    threes: Threes<'a>,
    /// Those before this one went on.
    i: usize,
    /// [`Stages::check`], a copy of its own for the loop, and where it goes.
    check: S::V,
    result: &'a mut S::V,
}

impl<S: Simd, R: Rule> Beside for Waiting<'_, S, R> {
    #[inline(always)]
    fn go_on(&mut self) -> bool {
        if self.i >= self.threes.g.len() {
            return false;
        }
        let new = self.threes.advance::<S, false, true>(self.s, self.rule, self.i);
        self.check = checked::<S, false>(self.s, new, self.check);
        self.i += 1;
        true
    }
    #[inline(always)]
    fn finish(mut self) {
        while self.go_on() {}
        *self.result = self.check;
    }
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
    /// Vectors of each stage that [`wait`](Stages::wait): `at` is as if they had gone on already.
    waiting: usize,
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
        let (with, masks, check) = ([Line::ZERO; MOST], s.masks(), s.splat(0.0));
        Stages { rule, w, m, v, at: [0; 3], with, waiting: 0, masks, check }
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
    /// roots; where multiply-adds are few, the divider makes half of them, and behind a low tile all, as [`beside`](Stages::beside) others.
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
        let (rule, mut check) = (self.rule, self.check);
        let wmv = [&mut *self.w, &mut *self.m, &mut *self.v];
        let mut threes = Threes::new(wmv, done, &mut self.with, g);
        for i in 0..g.len() {
            let new = if const { FIRST == SECOND } || i % 2 == 0 {
                threes.advance::<S, MASKS, FIRST>(s, rule, i)
            } else {
                threes.advance::<S, MASKS, SECOND>(s, rule, i)
            };
            check = checked::<S, MASKS>(s, new, check);
        }
        self.check = check;
    }

    /// What [`next`](Stages::next) does, but if there are as many in each stage, they wait until [`beside`](Stages::beside) is given the
    /// same gradients, which has to be before the next ones come.
    #[inline(always)]
    pub(super) fn wait(&mut self, s: S, g: &[[f32; LANES]]) {
        assert_eq!(self.waiting, 0, "vectors that wait");
        let [done, rooted, moved] = self.at;
        if const { R::ROOTS } && rooted - done == g.len() && moved - rooted == g.len() {
            (self.at, self.waiting) = ([rooted, moved, moved + g.len()], g.len());
        } else {
            self.next(s, g);
        }
    }

    /// Those that wait, to go on beside something else; the first of `g` are their gradients.
    #[inline(always)]
    pub(super) fn beside<'a>(&'a mut self, s: S, g: &'a [Line]) -> Waiting<'a, S, R> {
        let n = core::mem::take(&mut self.waiting);
        let wmv = [&mut *self.w, &mut *self.m, &mut *self.v];
        let g = Line::vectors(&g[..n]);
        let threes = Threes::new(wmv, self.at[0] - n, &mut self.with, g);
        Waiting { s, rule: self.rule, threes, i: 0, check: self.check, result: &mut self.check }
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
    pub(super) fn finish(&mut self, s: S) -> bool {
        assert_eq!(self.waiting, 0, "vectors that wait");
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

#[cfg(test)]
mod tests {
    use super::super::adam::{AdamStep, AdamWStep};
    use super::*;
    use crate::isa::{Isa, kernel};
    use alloc::vec::Vec;

    /// Vectors of everything that a test moves.
    const VECTORS: usize = 100;

    /// How a test goes through the stages.
    #[derive(Clone, Copy, Debug)]
    enum Way {
        AtOnce,
        /// `n` vectors at a time, with the instructions that suit cores with `masks` and those without.
        Next {
            n: usize,
            masks: bool,
        },
        /// `n` vectors at a time, which wait for each other.
        Beside {
            n: usize,
        },
    }

    fn go<S: Simd>(
        s: S,
        way: Way,
        rule: impl Rule,
        g: &[Line],
        wmv: [&mut [[f32; LANES]]; 3],
    ) -> bool {
        let mut stages = Stages::new(s, rule, wmv);
        match way {
            Way::AtOnce => stages.at_once(s, Line::vectors(g), 0),
            Way::Next { n, masks } => {
                stages.masks = masks;
                for g in g.chunks(n) {
                    stages.next(s, Line::vectors(g));
                }
            }
            Way::Beside { n } => {
                let mut before: &[Line] = &[];
                for g in g.chunks(n) {
                    let mut beside = stages.beside(s, before);
                    beside.go_on();
                    beside.finish();
                    stages.wait(s, Line::vectors(g));
                    before = g;
                }
                stages.beside(s, before).finish();
            }
        }
        stages.finish(s)
    }

    kernel! {
        fn adam<'a>(s, way: Way, step: AdamStep, g: &'a [Line], wmv: [&'a mut [[f32; LANES]]; 3]) -> bool {
            go(s, way, step, g, wmv)
        }
    }
    kernel! {
        fn adamw<'a>(s, way: Way, step: AdamWStep, g: &'a [Line], wmv: [&'a mut [[f32; LANES]]; 3]) -> bool {
            go(s, way, step, g, wmv)
        }
    }

    /// Numbers of all sizes, both signs, zeros and denormals among them.
    fn numbers(seed: u32) -> Vec<[f32; LANES]> {
        let mut state = seed;
        let mut number = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let size = [0.0, 1e-40, 1e-38, 1e-30, 1e-8, 1e-3, 1.0, 2.0][state as usize >> 8 & 7];
            size * ((state >> 16) as f32 / 32_768.0 - 1.0)
        };
        (0..VECTORS).map(|_| core::array::from_fn(|_| number())).collect()
    }

    /// Parameters and moments after three steps, as bits, and whether all were finite.
    fn trained(isa: Isa, way: Way, decay: Option<f64>, spoilt: bool) -> (Vec<u32>, [bool; 3]) {
        let (mut w, mut m, mut v) = (numbers(1), numbers(2), numbers(3));
        for v in v.as_flattened_mut() {
            *v = v.abs();
        }
        let finite = [1, 2, 3].map(|t| {
            let mut g: Vec<Line> = numbers(3 + t).into_iter().map(Line).collect();
            if spoilt && t == 2 {
                g[VECTORS / 2].0[5] = f32::INFINITY;
            }
            let wmv = [&mut w[..], &mut m, &mut v];
            let step = AdamStep::new(1e-3, 0.9, 0.999, 1e-7, u64::from(t));
            match decay {
                None => adam(isa, way, step, &g, wmv),
                Some(decay) => {
                    let step = AdamWStep::new(1e-3, 0.9, 0.999, 1e-7, decay, u64::from(t));
                    adamw(isa, way, step, &g, wmv)
                }
            }
        });
        let all = [w, m, v].concat();
        (all.as_flattened().iter().map(|x| x.to_bits()).collect(), finite)
    }

    #[test]
    fn every_way_through_the_stages_has_the_same_bits_on_every_core() {
        for isa in Isa::available() {
            for decay in [None, Some(0.01)] {
                for spoilt in [false, true] {
                    let want = trained(isa, Way::AtOnce, decay, spoilt);
                    assert_eq!(want.1, [true, !spoilt, !spoilt]);
                    for n in [1, 4, 7, LOW, 16, MOST] {
                        let next = [true, false].map(|masks| Way::Next { n, masks });
                        for way in next.into_iter().chain([Way::Beside { n }]) {
                            let got = trained(isa, way, decay, spoilt);
                            assert!(got == want, "{isa}, {way:?}, decay {decay:?}, {spoilt}");
                        }
                    }
                }
            }
        }
    }
}
