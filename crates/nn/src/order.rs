//! The order in which examples are taken: batches are drawn at random, and within one, those that look alike stand next to
//! each other. A product leaves out what is zero in four rows at once: 79 % of Fashion-MNIST is left of four rows as they
//! come, 66 % of four alike (docs/perf-notes.md). What is learned from a batch does not depend on the order of its
//! rows but for the rounding of sums. Predictions go in such an order too, 64 at a time.

use crate::data::{Inputs, Row};
use crate::rng::Rng;
use kernels::Team;

/// Features of a part of an example: the first part that is lit counts.
const PART: usize = 32;
/// Features in the middle of an example, of which the number that are lit counts: a cache line of bytes.
const MIDDLE: usize = 64;
/// How many examples ahead of a look memory is asked for what the look will read.
const AHEAD: usize = 16;
/// Examples that a thread looks at, or whose batches it arranges, in one go.
const PIECE: usize = 1024;

/// The examples to train on, in the order of an epoch.
#[derive(Debug)]
pub(crate) struct Order {
    /// Them, if they are not all.
    chosen: Option<Vec<u32>>,
    rows: Vec<u32>,
    /// What each example looks like.
    looks: Vec<u16>,
    /// For pieces of the rows, what their batches are sorted by.
    room: Vec<Vec<u64>>,
}

impl Order {
    /// For those of `inputs` that are `chosen`, or all.
    pub(crate) fn new(inputs: Inputs<'_>, chosen: Option<Vec<u32>>, team: &mut Team) -> Order {
        let mut looks = vec![0; inputs.len()];
        let mut pieces: Vec<&mut [u16]> = looks.chunks_mut(PIECE).collect();
        team.for_each_mut(&mut pieces, |p, piece| {
            for (i, look) in (p * PIECE..).zip(piece.iter_mut()) {
                if i + AHEAD < inputs.len() {
                    ask_for_look(inputs, i + AHEAD);
                }
                *look = look_of(inputs, i);
            }
        });
        let rows = chosen.clone().unwrap_or_else(|| (0..inputs.len() as u32).collect());
        Order { chosen, rows, looks, room: Vec::new() }
    }

    /// How many examples.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The examples of batch `i` and those behind it.
    pub(crate) fn from(&self, size: usize, i: usize) -> &[u32] {
        &self.rows[i.saturating_mul(size).min(self.rows.len())..]
    }

    /// The batches of an epoch: drawn, or as the examples come.
    pub(crate) fn draw(&mut self, by: Option<Rng>, size: usize, team: &mut Team) {
        let Order { chosen, rows, looks, room } = self;
        match chosen {
            Some(chosen) => rows.copy_from_slice(chosen),
            None => rows.iter_mut().zip(0..).for_each(|(row, i)| *row = i),
        }
        if let Some(mut rng) = by {
            rng.shuffle(rows);
        }
        let piece = (PIECE / size).max(1).saturating_mul(size);
        room.resize_with(rows.len().div_ceil(piece), Vec::new);
        team.for_each_mut(room, |p, keys| {
            let end = rows.len().min((p + 1).saturating_mul(piece));
            keys.clear();
            keys.extend(rows[p * piece..end].iter().map(|&i| key(looks[i as usize], i)));
            keys.chunks_mut(size).for_each(<[u64]>::sort_unstable);
        });
        rows.iter_mut().zip(room.iter().flatten()).for_each(|(row, key)| *row = *key as u32);
    }
}

/// Puts the examples of a batch, of which these are the numbers, in the order in which a training takes them: those that look
/// alike next to each other.
///
/// ```
/// use nn::{Inputs, arrange};
/// // Four examples of two features: two of them are all zero.
/// let x = [0.0, 0.0, 7.0, 0.0, 0.0, 0.0, 9.0, 9.0f32];
/// let mut batch = [0, 1, 2, 3];
/// arrange(Inputs::f32(&x, 2)?, &mut batch);
/// assert_eq!(batch, [1, 3, 0, 2]);
/// # Ok::<(), nn::Error>(())
/// ```
///
/// # Panics
/// If there is no example of such a number.
pub fn arrange(inputs: Inputs<'_>, batch: &mut [u32]) {
    sort(batch, |i| look_of(inputs, i as usize), &mut Vec::new());
}

/// Sorts rows by what the examples they stand for look like.
pub(crate) fn sort(rows: &mut [u32], look: impl Fn(u32) -> u16, room: &mut Vec<u64>) {
    room.clear();
    room.extend(rows.iter().map(|&i| key(look(i), i)));
    room.sort_unstable();
    rows.iter_mut().zip(room).for_each(|(row, key)| *row = *key as u32);
}

/// What a batch is sorted by: looks, and numbers where these are equal.
fn key(look: u16, i: u32) -> u64 {
    u64::from(look) << 32 | u64::from(i)
}

/// What example `i` looks like.
pub(crate) fn look_of(inputs: Inputs<'_>, i: usize) -> u16 {
    match inputs.row(i) {
        Row::U8 { data, .. } => look_at(data),
        Row::F32(data) => look_at(data),
    }
}

/// Asks memory for what a look at example `i` reads: the middle, and of the beginning what most need.
fn ask_for_look(inputs: Inputs<'_>, i: usize) {
    if let Row::U8 { data, .. } = inputs.row(i) {
        kernels::prefetch(&data[..data.len().min(4 * PART)]);
        kernels::prefetch(middle(data));
    }
}

/// The middle of an example.
fn middle<T>(example: &[T]) -> &[T] {
    let from = (example.len() / 2).saturating_sub(MIDDLE / 2);
    &example[from..example.len().min(from + MIDDLE)]
}

/// Near numbers for examples that are zero in much the same places: where they begin, and how wide they are in the middle.
fn look_at<T: Copy + Default + PartialEq>(example: &[T]) -> u16 {
    let lit = |x: &T| *x != T::default();
    let width = middle(example).iter().map(|x| u8::from(lit(x))).sum();
    // Without an end at the first that is lit, the compiler looks at many at once.
    let any = |part: &[T]| part.iter().fold(false, |any, x| any | lit(x));
    let (parts, rest) = example.as_chunks::<PART>();
    let begin = parts.iter().position(|part| any(part));
    let begin = begin.or_else(|| any(rest).then_some(parts.len())).unwrap_or(usize::MAX);
    u16::from_be_bytes([begin.min(255) as u8, width])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;
    use kernels::{Isa, LANES, Line, Panel, Zeros, find_zeros};

    /// Images of 8×8 with a block of lit pixels each, of which the size goes by the number.
    fn images(count: usize) -> Vec<u8> {
        let lit = |i: usize, p: usize| (p / 8).max(p % 8) <= i * 7 % 8;
        (0..count * 64).map(|at| u8::from(lit(at / 64, at % 64))).collect()
    }

    fn order(data: &[u8], chosen: Option<Vec<u32>>, seed: Option<u64>, size: usize) -> Order {
        let inputs = Inputs::u8(data, 64, 1.0).expect("whole examples");
        let (rng, mut team) = (seed.map(|s| Rng::new(s, Purpose::Shuffle, 0)), Team::new(1));
        let mut order = Order::new(inputs, chosen, &mut team);
        order.draw(rng, size, &mut team);
        order
    }

    #[test]
    fn batches_have_the_examples_that_were_drawn() {
        let data = images(100);
        let (order, mut drawn) = (order(&data, None, Some(3), 32), (0..100).collect::<Vec<u32>>());
        Rng::new(3, Purpose::Shuffle, 0).shuffle(&mut drawn);
        let batches = order.from(32, 0).chunks(32).zip(drawn.chunks(32));
        for (b, (batch, drawn)) in batches.enumerate() {
            let sorted = |batch: &[u32]| {
                let mut batch = batch.to_vec();
                batch.sort_unstable();
                batch
            };
            assert_eq!(sorted(batch), sorted(drawn), "batch {b}");
        }
        assert_eq!([order.from(32, 3), order.from(32, 4)], [&order.rows[96..], &[]]);
    }

    #[test]
    fn anybody_can_arrange_a_batch_in_the_same_way() {
        let data = images(32);
        let mut batch: Vec<u32> = (0..32).rev().collect();
        arrange(Inputs::u8(&data, 64, 1.0).expect("whole examples"), &mut batch);
        assert_eq!(batch, order(&data, None, None, 32).rows);
    }

    #[test]
    fn only_chosen_examples_are_taken() {
        let order = order(&images(10), Some(vec![1, 3, 8]), None, 2);
        assert_eq!((order.len(), order.from(2, 1)), (3, &[8][..]));
    }

    #[test]
    fn floats_and_bytes_have_the_same_order() {
        let data = images(64);
        let floats: Vec<f32> = data.iter().map(|&x| f32::from(x)).collect();
        let inputs = Inputs::f32(&floats, 64).expect("whole examples");
        let mut team = Team::new(2);
        let mut of_floats = Order::new(inputs, None, &mut team);
        of_floats.draw(None, 32, &mut team);
        assert_eq!(of_floats.rows, order(&data, None, None, 32).rows);
    }

    #[test]
    fn products_have_less_to_do() {
        let data = images(32);
        let density = |rows: &[u32]| {
            let (mut x, mut zeros) = (Panel::zeros(32, 64), Zeros::of_rows(32, 64, 4 * LANES));
            for (i, &row) in rows.iter().enumerate() {
                let row = &data[row as usize * 64..][..64];
                let to = Line::flat_mut(x.row_mut(i)).iter_mut();
                to.zip(row).for_each(|(to, from)| *to = f32::from(*from));
            }
            find_zeros(Isa::best(), &x, 32, &mut zeros);
            zeros.densities()[0]
        };
        let as_they_come: Vec<u32> = (0..32).collect();
        let alike = order(&data, None, None, 32);
        assert!(density(&alike.rows) < 0.8 * density(&as_they_come));
    }
}
