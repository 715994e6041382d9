//! Other views of the same images, made when a batch is gathered: shifted by some pixels, mirrored.
//!
//! What becomes of an example is a function of seed, epoch and the example's number alone, so neither the
//! order nor threads matter, and a resumed run makes the same images.

use crate::architecture::Architecture;
use crate::error::Error;
use crate::rng::{Purpose, Rng};
use serde::{Deserialize, Serialize};

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
    dx: i32,
    dy: i32,
    mirror: bool,
}

/// Makes the images of one epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Augmenter {
    augment: Augment,
    seed: u64,
    epoch: u32,
    height: usize,
    width: usize,
    /// Values of a pixel.
    depth: usize,
}

impl Augmenter {
    /// None if nothing is to be done.
    pub(crate) fn new(
        augment: Augment,
        seed: u64,
        architecture: &Architecture,
    ) -> Result<Option<Augmenter>, Error> {
        if !augment.is_on() {
            return Ok(None);
        }
        let (height, width, depth) = match architecture.input[..] {
            [height, width] => (height, width, 1),
            [height, width, depth] => (height, width, depth),
            ref other => {
                let what = format!("examples of shape {other:?} are no images to shift or mirror");
                return Err(Error::Input(what));
            }
        };
        let shift = augment.shift;
        if usize::from(shift) >= height.min(width) {
            let what = format!("a shift by {shift} pixels moves images of {height} × {width} away");
            return Err(Error::Input(what));
        }
        Ok(Some(Augmenter { augment, seed, epoch: 0, height, width, depth }))
    }

    /// For an epoch, counted from 0.
    pub(crate) fn at(self, epoch: usize) -> Augmenter {
        Augmenter { epoch: epoch as u32, ..self }
    }

    fn change(&self, example: u32) -> Change {
        let index = u64::from(self.epoch) << 32 | u64::from(example);
        let mut rng = Rng::new(self.seed, Purpose::Augment, index);
        let shift = i32::from(self.augment.shift);
        let mut by = || rng.below(2 * shift as u32 + 1) as i32 - shift;
        let (dx, dy) = (by(), by());
        Change { dx, dy, mirror: self.augment.flip && rng.below(2) == 1 }
    }

    /// Writes what becomes of an example's image.
    pub(crate) fn apply<T: Copy + Default>(&self, example: u32, from: &[T], to: &mut [T]) {
        let Change { dx, dy, mirror } = self.change(example);
        let row = self.width * self.depth;
        // Columns that come in on the left, and on the right.
        let left = self.depth * dx.max(0) as usize;
        let right = self.depth * (-dx).max(0) as usize;
        for (y, to) in to.chunks_exact_mut(row).enumerate() {
            let y = y as i64 - i64::from(dy);
            if !(0..self.height as i64).contains(&y) {
                to.fill(T::default());
                continue;
            }
            let from = &from[y as usize * row..][..row];
            let (margin, rest) = to.split_at_mut(left);
            let (image, end) = rest.split_at_mut(row - left - right);
            margin.fill(T::default());
            end.fill(T::default());
            if mirror {
                // The mirrored row, without the columns that go out.
                let from = from[left..].chunks_exact(self.depth).rev().skip(right / self.depth);
                let pixels = image.chunks_exact_mut(self.depth).zip(from);
                pixels.for_each(|(to, from)| to.copy_from_slice(from));
            } else {
                image.copy_from_slice(&from[right..row - left]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn augmenter(shift: u16, flip: bool, input: &[usize]) -> Augmenter {
        let architecture = Architecture { input: input.to_vec(), layers: Vec::new() };
        let augment = Augment { shift, flip };
        Augmenter::new(augment, 7, &architecture).expect("an image").expect("something to do")
    }

    /// The formula, pixel by pixel.
    fn expected(a: &Augmenter, change: Change, from: &[u8]) -> Vec<u8> {
        let (h, w) = (a.height as i32, a.width as i32);
        let pixel = |y: i32, x: i32, d: usize| {
            let (y, x) = (y - change.dy, x - change.dx);
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
                let change = a.change(example);
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
        for example in 0..18_000 {
            let Change { dx, dy, mirror } = a.change(example);
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
        let list = |a: Augmenter| (0..50).map(|i| a.change(i)).collect::<Vec<_>>();
        assert_eq!(list(a.at(4)), list(a.at(4)));
        assert_ne!(list(a.at(4)), list(a.at(5)));
        assert_ne!(list(a.at(0)), list(Augmenter { seed: 8, ..a }));
    }

    #[test]
    fn only_images_are_moved_and_not_out_of_sight() {
        let new = |input: &[usize], shift| {
            let architecture = Architecture { input: input.to_vec(), layers: Vec::new() };
            Augmenter::new(Augment { shift, flip: false }, 1, &architecture)
        };
        assert!(new(&[784], 1).is_err() && new(&[28, 20], 20).is_err());
        assert!(new(&[784], 0).expect("nothing to do").is_none());
        assert!(new(&[28, 20], 19).expect("an image").is_some());
    }
}
