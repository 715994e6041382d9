//! The order in which examples are taken: batches are drawn at random, and within one, those that look alike stand next to
//! each other. A product leaves out what is zero in four rows at once: 79 % of Fashion-MNIST is left of four rows as they
//! come, 66 % of four alike (docs/perf-notes.md). What is learned from a batch does not depend on the order of its
//! rows but for the rounding of sums.

use crate::data::{Inputs, Row};
use crate::rng::Rng;
use kernels::Team;

/// Features of a part of an example: the first part that is lit counts.
const PART: usize = 32;
/// Features in the middle of an example, of which the number that are lit counts: a cache line of bytes.
const MIDDLE: usize = 64;
/// Examples that a thread looks at in one go.
const LOOKS: usize = 1024;

/// The examples to train on, in the order of an epoch.
#[derive(Debug)]
pub(crate) struct Order {
    /// Them, if they are not all.
    chosen: Option<Vec<u32>>,
    rows: Vec<u32>,
    /// What each example looks like.
    looks: Vec<u16>,
    /// For the examples of a batch: what they look like, and their numbers.
    room: Vec<u64>,
}

impl Order {
    /// For those of `inputs` that are `chosen`, or all.
    pub(crate) fn new(inputs: Inputs<'_>, chosen: Option<Vec<u32>>, team: &mut Team) -> Order {
        let mut looks = vec![0; inputs.len()];
        let mut pieces: Vec<&mut [u16]> = looks.chunks_mut(LOOKS).collect();
        team.for_each_mut(&mut pieces, |p, piece| {
            for (i, look) in (p * LOOKS..).zip(piece.iter_mut()) {
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

    /// Batch `i`; past the last one, none.
    pub(crate) fn batch(&self, size: usize, i: usize) -> &[u32] {
        self.rows.chunks(size).nth(i).unwrap_or(&[])
    }

    /// The batches of an epoch: drawn, or as the examples come.
    pub(crate) fn draw(&mut self, by: Option<Rng>, size: usize) {
        match &self.chosen {
            Some(chosen) => self.rows.copy_from_slice(chosen),
            None => self.rows.iter_mut().zip(0..).for_each(|(row, i)| *row = i),
        }
        if let Some(mut rng) = by {
            rng.shuffle(&mut self.rows);
        }
        for batch in self.rows.chunks_mut(size) {
            sort(batch, |i| self.looks[i], &mut self.room);
        }
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
    sort(batch, |i| look_of(inputs, i), &mut Vec::new());
}

/// Sorts a batch by looks, and by number where these are equal.
fn sort(batch: &mut [u32], look: impl Fn(usize) -> u16, room: &mut Vec<u64>) {
    room.clear();
    room.extend(batch.iter().map(|&i| u64::from(look(i as usize)) << 32 | u64::from(i)));
    room.sort_unstable();
    batch.iter_mut().zip(room).for_each(|(i, look)| *i = *look as u32);
}

/// What example `i` looks like.
fn look_of(inputs: Inputs<'_>, i: usize) -> u16 {
    match inputs.row(i) {
        Row::U8 { data, .. } => look_at(data),
        Row::F32(data) => look_at(data),
    }
}

/// Near numbers for examples that are zero in much the same places: where they begin, and how wide they are in the middle.
fn look_at<T: Copy + Default + PartialEq>(example: &[T]) -> u16 {
    let lit = |x: &T| *x != T::default();
    // Without an end at the first that is lit, the compiler looks at many at once.
    let any = |part: &[T]| part.iter().fold(false, |any, x| any | lit(x));
    let begin = example.chunks(PART).position(any).map_or(u8::MAX, |part| part.min(255) as u8);
    let from = (example.len() / 2).saturating_sub(MIDDLE / 2);
    let middle = &example[from..example.len().min(from + MIDDLE)];
    let width = middle.iter().map(|x| u8::from(lit(x))).sum();
    u16::from_be_bytes([begin, width])
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
        let mut order = Order::new(inputs, chosen, &mut Team::new(1));
        order.draw(seed.map(|seed| Rng::new(seed, Purpose::Shuffle, 0)), size);
        order
    }

    #[test]
    fn batches_have_the_examples_that_were_drawn() {
        let data = images(100);
        let (order, mut drawn) = (order(&data, None, Some(3), 32), (0..100).collect::<Vec<u32>>());
        Rng::new(3, Purpose::Shuffle, 0).shuffle(&mut drawn);
        for (b, drawn) in drawn.chunks(32).enumerate() {
            let sorted = |batch: &[u32]| {
                let mut batch = batch.to_vec();
                batch.sort_unstable();
                batch
            };
            assert_eq!(sorted(order.batch(32, b)), sorted(drawn), "batch {b}");
        }
        assert!(order.batch(32, 4).is_empty());
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
        assert_eq!((order.len(), order.batch(2, 1)), (3, &[8][..]));
    }

    #[test]
    fn floats_and_bytes_have_the_same_order() {
        let data = images(64);
        let floats: Vec<f32> = data.iter().map(|&x| f32::from(x)).collect();
        let mut of_floats =
            Order::new(Inputs::f32(&floats, 64).expect("whole"), None, &mut Team::new(2));
        of_floats.draw(None, 32);
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
