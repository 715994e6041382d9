//! Other views of the same images, made when a batch is gathered: shifted by some pixels, mirrored.
//!
//! What becomes of an example is a function of seed, epoch and the example's number alone: its place in the
//! stream of the epoch. So neither the order nor threads matter, and a resumed run makes the same images.

use crate::architecture::Architecture;
use crate::error::Error;
use crate::rng::{Purpose, Rng};
use serde::{Deserialize, Serialize};

/// Values that a pixel can have: more are rows of an image whose channels come first, which would move into each other.
const MOST_CHANNELS: usize = 4;

/// How training images are varied, anew in every epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Augment {
    /// Moved by up to so many pixels, up or down and left or right, each way as likely as the other; what
    /// comes in at the border is zero.
    pub shift: u16,
    /// Left and right exchanged, half of the time.
    pub flip: bool,
}

impl Augment {
    /// Whether anything is done.
    pub fn is_on(self) -> bool {
        self.shift > 0 || self.flip
    }
}

/// What happens to one image: `to[y][x] = from[y - dy][x - dx]`, and before that the mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    dx: i16,
    dy: i16,
    mirror: bool,
}

/// Makes the images of one epoch.
#[derive(Clone, Debug)]
pub(crate) struct Augmenter {
    augment: Augment,
    rng: Rng,
    /// What happens to each example in this epoch: one by one they would take the generator a block of words each.
    changes: Vec<Change>,
    width: usize,
    /// Values of a pixel.
    depth: usize,
}

impl Augmenter {
    /// For so many examples; none if nothing is to be done.
    pub(crate) fn new(
        augment: Augment,
        seed: u64,
        architecture: &Architecture,
        examples: usize,
    ) -> Result<Option<Augmenter>, Error> {
        if !augment.is_on() {
            return Ok(None);
        }
        let (height, width, depth) = match architecture.input[..] {
            [height, width] => (height, width, 1),
            [height, width, depth @ ..=MOST_CHANNELS] => (height, width, depth),
            ref other => {
                return Err(Error::Setting(format!(
                    "examples of shape {other:?} are no images to shift or mirror; \
                     [height, width] and [height, width, channels] are, with {MOST_CHANNELS} channels at most"
                )));
            }
        };
        let shift = augment.shift;
        if usize::from(shift) >= height.min(width) {
            let what = format!("a shift by {shift} pixels moves images of {height} × {width} away");
            return Err(Error::Setting(what));
        }
        let rng = Rng::new(seed, Purpose::Augment, 0);
        let nothing = Change { dx: 0, dy: 0, mirror: false };
        Ok(Some(Augmenter { augment, rng, changes: vec![nothing; examples], width, depth }))
    }

    /// Draws what happens in an epoch, counted from 0. Of the `n` things that can happen to an example, it is number
    /// `⌊r n / 2⁶⁴⌋`, where `r` is made of the words `2 · example` (low) and `2 · example + 1` (high) of stream `epoch`.
    pub(crate) fn set_epoch(&mut self, epoch: usize) {
        let (shift, mirrors) = (self.augment.shift as i16, 1 + u64::from(self.augment.flip));
        let side = 2 * u64::from(self.augment.shift) + 1;
        let by = |number: u64| number as i16 - shift;
        let mut words = [0; 128];
        for (chunk, changes) in (0u64..).zip(self.changes.chunks_mut(words.len() / 2)) {
            self.rng.words(epoch as u64, chunk * words.len() as u64, &mut words);
            for (change, words) in changes.iter_mut().zip(words.chunks(2)) {
                let r = u64::from(words[1]) << 32 | u64::from(words[0]);
                let way = ((u128::from(r) * u128::from(mirrors * side * side)) >> 64) as u64;
                let (place, mirror) = (way / mirrors, way % mirrors == 1);
                *change = Change { dx: by(place % side), dy: by(place / side), mirror };
            }
        }
    }

    /// Writes what becomes of an example's image.
    pub(crate) fn apply<T: Copy + Default>(&self, example: u32, from: &[T], to: &mut [T]) {
        let Change { dx, dy, mirror } = self.changes[example as usize];
        let (row, size) = (self.width * self.depth, from.len());
        // Values that come in: at the left and the right of each row, above and below.
        let [left, right] = [dx, -dx].map(|by| self.depth * by.max(0) as usize);
        let [above, below] = [dy, -dy].map(|by| row * by.max(0) as usize);
        if mirror {
            let rows = from[below..size - above].chunks_exact(row);
            for (to, from) in to[above..size - below].chunks_exact_mut(row).zip(rows) {
                mirrored(&from[left..row - right], &mut to[left..row - right], self.depth);
            }
        } else {
            // In one piece: what goes out of a row comes into the next, and is cleared below.
            let from = &from[below + right..size - above - left];
            to[above + left..size - below - right].copy_from_slice(from);
        }
        to[..above].fill(T::default());
        to[size - below..].fill(T::default());
        for row in to[above..size - below].chunks_exact_mut(row) {
            let end = row.len() - right;
            row[..left].fill(T::default());
            row[end..].fill(T::default());
        }
    }
}

/// Copies pixels of `depth` values from the last to the first.
fn mirrored<T: Copy>(from: &[T], to: &mut [T], depth: usize) {
    if depth == 1 {
        return to.iter_mut().zip(from.iter().rev()).for_each(|(to, from)| *to = *from);
    }
    let pixels = to.chunks_exact_mut(depth).zip(from.chunks_exact(depth).rev());
    pixels.for_each(|(to, from)| to.copy_from_slice(from));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn augmenter(shift: u16, flip: bool, input: &[usize]) -> Augmenter {
        let architecture = Architecture { input: input.to_vec(), layers: Vec::new() };
        let augment = Augment { shift, flip };
        let new = Augmenter::new(augment, 7, &architecture, 18_000);
        let mut augmenter = new.expect("an image").expect("something to do");
        augmenter.set_epoch(0);
        augmenter
    }

    /// The formula, pixel by pixel.
    fn expected(a: &Augmenter, change: Change, from: &[u8]) -> Vec<u8> {
        let (h, w) = ((from.len() / a.width / a.depth) as i32, a.width as i32);
        let pixel = |y: i32, x: i32, d: usize| {
            let (y, x) = (y - i32::from(change.dy), x - i32::from(change.dx));
            if !(0..h).contains(&y) || !(0..w).contains(&x) {
                return 0;
            }
            let x = if change.mirror { w - 1 - x } else { x };
            from[(y * w + x) as usize * a.depth + d]
        };
        (0..from.len())
            .map(|i| {
                let (p, d) = ((i / a.depth) as i32, i % a.depth);
                pixel(p / w, p % w, d)
            })
            .collect()
    }

    #[test]
    fn images_are_moved_and_mirrored_as_the_formula_says() {
        for (shift, flip, input) in
            [(2, true, &[5, 4][..]), (0, true, &[3, 6]), (3, false, &[4, 5]), (2, true, &[4, 3, 3])]
        {
            let a = augmenter(shift, flip, input);
            let size = input.iter().product::<usize>();
            let from: Vec<u8> = (1..=size as u8).collect();
            let mut seen = std::collections::HashSet::new();
            for example in 0..400 {
                let change = a.changes[example as usize];
                seen.insert((change.dx, change.dy, change.mirror));
                let mut to = vec![99; size];
                a.apply(example, &from, &mut to);
                assert_eq!(to, expected(&a, change, &from), "{change:?} of {input:?}");
            }
            let ways = (2 * usize::from(shift) + 1).pow(2) * if flip { 2 } else { 1 };
            assert_eq!(seen.len(), ways, "all ways come up");
        }
    }

    #[test]
    fn all_ways_are_as_likely() {
        let a = augmenter(1, true, &[4, 4]);
        let mut counts = std::collections::HashMap::new();
        for &Change { dx, dy, mirror } in &a.changes {
            *counts.entry((dx, dy, mirror)).or_insert(0u32) += 1;
        }
        // Binomial: mean 1,000, sigma 31.
        assert!(
            counts.len() == 18 && counts.values().all(|c| c.abs_diff(1000) < 155),
            "{counts:?}"
        );
    }

    #[test]
    fn epochs_and_examples_differ() {
        let a = augmenter(3, true, &[28, 28]);
        let list = |a: &Augmenter, epoch: usize| {
            let mut a = a.clone();
            a.set_epoch(epoch);
            a.changes
        };
        assert_eq!(list(&a, 4), list(&a, 4));
        assert_ne!(list(&a, 4), list(&a, 5));
        let other = Augmenter { rng: Rng::new(8, Purpose::Augment, 0), ..a.clone() };
        assert_ne!(list(&a, 0), list(&other, 0));
        assert_ne!(a.changes[..64], a.changes[64..128]);
    }

    #[test]
    fn only_images_are_moved_and_not_out_of_sight() {
        let new = |input: &[usize], shift| {
            let architecture = Architecture { input: input.to_vec(), layers: Vec::new() };
            Augmenter::new(Augment { shift, flip: false }, 1, &architecture, 1)
        };
        assert!(new(&[784], 1).is_err() && new(&[28, 20], 20).is_err());
        assert!(new(&[32, 32, 4], 1).expect("an image with alpha").is_some());
        // Channels first: its rows would count as channels.
        let refused = new(&[3, 32, 32], 1).expect_err("no height × width × channels").to_string();
        assert!(refused.contains("[3, 32, 32]") && refused.contains("4 channels"), "{refused}");
        assert!(new(&[784], 0).expect("nothing to do").is_none());
        assert!(new(&[28, 20], 19).expect("an image").is_some());
    }
}
