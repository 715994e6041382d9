//! Prediction: one image at a time, and all of the test set.

use crate::{Machine, network};
use benches::{Spread, Subject, in_turn, seconds, table as print};
use nn::{Engine, Inputs};

/// Images one by one, of whose times the middle one counts.
const ONE_BY_ONE: usize = 2000;

/// One image through the library, and all images.
pub(crate) fn table(machine: Machine, images: Inputs<'_>, rounds: usize) {
    let model = network(&[128]);
    let mut one = Engine::new(Some(1), Some(machine.isa));
    let mut all = [1, machine.threads].map(|t| Engine::new(Some(t), Some(machine.isa)));
    let [single, several] = &mut all;
    let mut next = 0;
    let mut subjects = [
        Subject::new("one image, 1 thread, us", || {
            let one_image = |_| {
                next = (next + 1) % images.len();
                seconds(|| {
                    drop(std::hint::black_box(model.predict(&mut one, images.slice(next, 1))))
                })
            };
            Spread::of((0..ONE_BY_ONE).map(one_image).collect()).median * 1e6
        }),
        Subject::new(format!("{} images, 1 thread, ms", images.len()), || {
            seconds(|| drop(std::hint::black_box(model.predict(single, images)))) * 1e3
        }),
        Subject::new(format!("{} images, {} threads, ms", images.len(), machine.threads), || {
            seconds(|| drop(std::hint::black_box(model.predict(several, images)))) * 1e3
        }),
    ];
    let spreads = in_turn(&mut subjects, rounds);
    let row = |(subject, spread): (&Subject<'_>, &Spread)| {
        let numbers = [spread.median, spread.min, spread.max].map(|x| format!("{x:.2}"));
        std::iter::once(subject.name.clone()).chain(numbers).collect()
    };
    let rows: Vec<Vec<String>> = subjects.iter().zip(&spreads).map(row).collect();
    print(&["prediction", "median", "min", "max"], &rows);
}
