//! The random generator: named, versioned, and the same on every machine.
//!
//! `weft-rng-1` is ChaCha with 8 rounds, keyed by seed, purpose and index, so that each purpose (initial
//! weights of a layer, order of an epoch) has a stream of its own and can be drawn again without drawing
//! what came before. Bounded integers are Lemire's method with rejection, floats are 24 random bits.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// Name of the generator, for records of how a model was made.
pub const NAME: &str = "weft-rng-1";

/// What random numbers are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Initial weights; the index is the number of the dense layer, from 0.
    Init,
    /// The order of the examples; the index is the epoch, from 0.
    Shuffle,
    /// Which examples are left out of training for validation; the index is 0.
    Split,
    /// What becomes of an image; the index is 0, streams are epochs.
    Augment,
    /// What dropout leaves out; the index is the number of the dense layer before it, from 0.
    Dropout,
}

/// Words that the generator makes at a time.
const BLOCK: usize = 64;

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// The stream for one purpose.
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Rng {
        let label: [u8; 8] = match purpose {
            Purpose::Init => *b"init\0\0\0\0",
            Purpose::Shuffle => *b"shuffle\0",
            Purpose::Split => *b"split\0\0\0",
            Purpose::Augment => *b"augment\0",
            Purpose::Dropout => *b"dropout\0",
        };
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&label);
        key[16..24].copy_from_slice(&index.to_le_bytes());
        key[24..].copy_from_slice(b"weft-1\0\0");
        Rng(ChaCha8Rng::from_seed(key))
    }

    /// As many random words of 32 bits as fit, from word `at` of numbered stream `stream` on. What was drawn
    /// before does not matter.
    pub(crate) fn words(&mut self, stream: u64, at: u64, to: &mut [u32]) {
        self.0.set_stream(stream);
        self.0.set_word_pos(at.into());
        // Block by block of the generator: word by word takes half as long again.
        for to in to.chunks_mut(BLOCK) {
            let mut bytes = [0; 4 * BLOCK];
            let bytes = &mut bytes[..4 * to.len()];
            self.0.fill_bytes(bytes);
            for (word, bytes) in to.iter_mut().zip(bytes.as_chunks().0) {
                *word = u32::from_le_bytes(*bytes);
            }
        }
    }

    /// Uniform in `[0, 1)`: 24 bits.
    pub fn uniform(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    /// Uniform in `0..bound`, without bias (D. Lemire, "Fast random integer generation in an interval",
    /// 2019).
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        assert!(bound > 0, "a number below 0");
        let unfair = bound.wrapping_neg() % bound;
        loop {
            let product = u64::from(self.0.next_u32()) * u64::from(bound);
            if product as u32 >= unfair {
                return (product >> 32) as u32;
            }
        }
    }

    /// Fisher and Yates' shuffle.
    pub fn shuffle(&mut self, items: &mut [u32]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u32 + 1);
            items.swap(last, other as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_never_change() {
        let mut rng = Rng::new(1, Purpose::Init, 0);
        let first: Vec<u32> = (0..4).map(|_| rng.below(u32::MAX)).collect();
        assert_eq!(first, FIRST);
    }

    const FIRST: [u32; 4] = [2477319301, 3881745533, 1783284713, 2056923299];

    #[test]
    fn words_are_those_drawn_one_by_one() {
        let mut rng = Rng::new(1, Purpose::Dropout, 0);
        // Less than a block, more than one, and across the ends of some.
        for (at, count) in [(0, 1), (5, 64), (128, 64), (63, 200)] {
            let mut words = vec![0; count];
            rng.words(7, at, &mut words);
            for (i, word) in (at..).zip(words) {
                let mut alone = rng.clone();
                alone.0.set_word_pos(i.into());
                assert_eq!(word, alone.0.next_u32(), "word {i}, of {count} from {at} on");
            }
        }
    }

    #[test]
    fn streams_differ_by_seed_purpose_and_index() {
        let streams = [
            Rng::new(1, Purpose::Init, 0),
            Rng::new(2, Purpose::Init, 0),
            Rng::new(1, Purpose::Shuffle, 0),
            Rng::new(1, Purpose::Init, 1),
        ];
        let firsts = streams.map(|mut rng| (rng.below(u32::MAX), rng.below(u32::MAX)));
        for (i, a) in firsts.iter().enumerate() {
            assert!(firsts[..i].iter().all(|b| a != b), "{firsts:?}");
        }
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_not_the_identity() {
        let mut order: Vec<u32> = (0..1000).collect();
        Rng::new(7, Purpose::Shuffle, 3).shuffle(&mut order);
        let moved = order.iter().enumerate().filter(|(i, x)| *i != **x as usize).count();
        assert!(moved > 900, "{moved}");
        order.sort_unstable();
        assert!(order.iter().enumerate().all(|(i, x)| i == *x as usize));
    }

    #[test]
    fn bounded_numbers_are_even_within_five_sigma() {
        let mut rng = Rng::new(3, Purpose::Shuffle, 0);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[rng.below(7) as usize] += 1;
        }
        // Binomial: mean 10,000, sigma 93.
        assert!(counts.iter().all(|c| c.abs_diff(10_000) < 465), "{counts:?}");
    }
}
