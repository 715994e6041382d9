//! What a set of labelled images is like: counts of its classes, statistics of its pixels, means.

use idx::Labelled;

/// Images of every class.
pub fn class_counts(images: &Labelled, classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    for label in images.labels() {
        if let Some(count) = counts.get_mut(usize::from(*label)) {
            *count += 1;
        }
    }
    counts
}

/// Statistics of all pixels, as shares of full intensity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pixels {
    /// Mean.
    pub mean: f64,
    /// Standard deviation (of all, not of a sample).
    pub deviation: f64,
    /// Share of the pixels that are zero.
    pub zeros: f64,
}

impl Pixels {
    /// Of bytes; of none all is zero.
    pub fn of(bytes: &[u8]) -> Pixels {
        let mut counts = [0u64; 256];
        // Four tables, so that runs of equal bytes do not wait for each other.
        let mut tables = [[0u32; 256]; 4];
        for block in bytes.chunks(1 << 30) {
            let (fours, rest) = block.as_chunks::<4>();
            for four in fours {
                tables.iter_mut().zip(four).for_each(|(t, b)| t[usize::from(*b)] += 1);
            }
            rest.iter().for_each(|b| tables[0][usize::from(*b)] += 1);
            for table in &mut tables {
                counts.iter_mut().zip(&mut *table).for_each(|(all, n)| *all += u64::from(*n));
                table.fill(0);
            }
        }
        let all = bytes.len().max(1) as f64;
        let sum = |f: &dyn Fn(f64) -> f64| {
            let terms = counts.iter().enumerate().map(|(v, n)| *n as f64 * f(v as f64 / 255.0));
            terms.sum::<f64>() / all
        };
        let mean = sum(&|v| v);
        let deviation = sum(&|v| (v - mean) * (v - mean)).sqrt();
        Pixels { mean, deviation, zeros: counts[0] as f64 / all }
    }
}

/// The mean of all images and of those of every class, each pixel in 0..=255; zeros where there is no image.
pub struct Means {
    /// Of all.
    pub all: Vec<f64>,
    /// Of every class.
    pub classes: Vec<Vec<f64>>,
}

impl Means {
    /// Of labelled images.
    pub fn of(images: &Labelled, classes: usize) -> Means {
        let mut sums = vec![vec![0u64; images.features()]; classes];
        for (pixels, label) in images.iter() {
            if let Some(sum) = sums.get_mut(usize::from(label)) {
                sum.iter_mut().zip(pixels).for_each(|(s, p)| *s += u64::from(*p));
            }
        }
        let mean = |sums: &[u64], count: usize| {
            sums.iter().map(|s| *s as f64 / count.max(1) as f64).collect::<Vec<_>>()
        };
        let mut all = vec![0; images.features()];
        for sum in &sums {
            all.iter_mut().zip(sum).for_each(|(all, s)| *all += s);
        }
        let counts = class_counts(images, classes);
        let of_classes = sums.iter().zip(&counts).map(|(sums, count)| mean(sums, *count));
        Means { all: mean(&all, images.len()), classes: of_classes.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(pixels: &[u8], labels: &[u8]) -> Labelled {
        let file = |dims: &[usize], elements: &[u8]| {
            let mut bytes = Vec::new();
            idx::write(&mut bytes, dims, elements).expect("IDX");
            idx::IdxFile::from_bytes(bytes, "test").expect("IDX")
        };
        let count = labels.len();
        let images = file(&[count, 1, pixels.len() / count], pixels);
        Labelled::new(images, file(&[count], labels), 3).expect("labelled images")
    }

    #[test]
    fn statistics_are_of_all_pixels() {
        let pixels = Pixels::of(&[0, 0, 255, 51, 0, 255]);
        assert!((pixels.mean - 2.2 / 6.0).abs() < 1e-12);
        // numpy.std([0, 0, 1, 0.2, 0, 1])
        assert!((pixels.deviation - 0.453_382_350_291_180_6).abs() < 1e-12, "{pixels:?}");
        assert_eq!(pixels.zeros, 0.5);
        assert_eq!(Pixels::of(&[]), Pixels { mean: 0.0, deviation: 0.0, zeros: 0.0 });
        assert_eq!(Pixels::of(&[255; 9]), Pixels { mean: 1.0, deviation: 0.0, zeros: 0.0 });
    }

    #[test]
    fn means_are_of_each_class() {
        let images = images(&[10, 20, 30, 40, 80, 0], &[2, 2, 0]);
        assert_eq!(class_counts(&images, 3), [1, 0, 2]);
        let means = Means::of(&images, 3);
        assert_eq!(means.all, [40.0, 20.0]);
        assert_eq!(means.classes, [[80.0, 0.0], [0.0, 0.0], [20.0, 30.0]]);
    }
}
