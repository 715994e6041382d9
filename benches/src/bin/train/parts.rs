//! The parts of a step of the tutorial's training, on one thread, each beside its bound.

use crate::{L2_BYTES, Machine};
use benches::{Spread, Subject, in_turn, seconds};
use kernels::{
    AdamStep, Bf16, Blocks, Isa, Left16, Line, Owned, Panel, Right16, RowLoss, Then, View, Zeros,
    meter,
};

/// The tutorial: batch, inputs, and half of its hidden units: what a thread of two does.
const BATCH: usize = 32;
const INPUTS: usize = 784;
const UNITS: usize = 64;
/// Inputs that a forward pass takes at a time, as `nn` does, in so many blocks.
const BLOCK: usize = 160;
const BLOCKS: usize = INPUTS.div_ceil(BLOCK);
/// Runs between two looks at the clock.
const REPEAT: usize = 50;

/// Seconds of one of many runs.
fn per(f: &mut dyn FnMut()) -> f64 {
    seconds(|| (0..REPEAT).for_each(|_| f())) / REPEAT as f64
}

/// Gradients of the outputs: numbers that are no special case.
fn gradients() -> Panel {
    let mut panel = Panel::zeros(BATCH, UNITS);
    for i in 0..BATCH {
        (0..UNITS).for_each(|j| panel.set(i, j, ((i * 7 + j * 3) % 13) as f32 * 0.05 - 0.2));
    }
    panel
}

/// A step of Adam in the middle of a training.
fn step() -> AdamStep {
    AdamStep::new(1e-3, 0.9, 0.999, 1e-7, 100)
}

/// All parts in turn, of a batch of the first of these images.
pub(crate) fn table(machine: Machine, images: &[u8], rounds: usize) {
    let images = &images[..BATCH * INPUTS];
    let batch = &Batch::new(machine.isa, images);
    let mut subjects = vec![fetch(machine, images)];
    for skip in [false, true] {
        subjects.push(forward(machine, batch, skip));
        subjects.push(update(machine, batch, skip));
    }
    subjects.extend([adam(machine), loss(machine)]);
    if let Some(token) = Bf16::new() {
        subjects.extend(half(token, machine, images));
    }
    let (mut subjects, bounds): (Vec<_>, Vec<_>) = subjects.into_iter().unzip();
    let spreads = in_turn(&mut subjects, rounds);
    let row = |((subject, spread), bound): ((&Subject<'_>, &Spread), &Option<f64>)| {
        let us = |t: f64| format!("{:.2}", t * 1e6);
        let (bound, ratio) = bound.map_or((String::new(), String::new()), |b| {
            (us(b), format!("{:.2}", spread.median / b))
        });
        vec![subject.name.clone(), us(spread.median), us(spread.min), us(spread.max), bound, ratio]
    };
    let rows: Vec<_> = subjects.iter().zip(&spreads).zip(&bounds).map(row).collect();
    let head = ["part of a step, one thread, us", "median", "min", "max", "bound", "ratio"];
    benches::table(&head, &rows);
    println!(
        "Bounds are of multiply-adds, or of parameters and moments on their way where those take longer.\n"
    );
}

type Part<'s> = (Subject<'s>, Option<f64>);

/// A batch of inputs, and where they are zero.
struct Batch {
    x: Panel,
    zeros: Zeros,
}

impl Batch {
    fn new(isa: Isa, images: &[u8]) -> Batch {
        let zeros = Zeros::new(BATCH, INPUTS, BLOCK);
        let mut batch = Batch { x: Panel::zeros(BATCH, INPUTS), zeros };
        batch.take(isa, images);
        batch
    }

    /// Bytes become floats, and lists of what is other than zero.
    fn take(&mut self, isa: Isa, images: &[u8]) {
        let Batch { x, zeros } = self;
        for (i, image) in images.chunks_exact(INPUTS).enumerate() {
            kernels::pixels(isa, image, 1.0 / 255.0, &mut Line::flat_mut(x.row_mut(i))[..INPUTS]);
            kernels::mark_zeros(isa, x, i, zeros);
        }
        kernels::list_zeros(isa, BATCH, zeros);
    }

    /// Block `k` of the inputs.
    fn block(&self, k: usize, skip: bool) -> View<'_> {
        if skip {
            return self.zeros.block(self.x.view(), k);
        }
        self.x.view().cols_at(k * BLOCK, BLOCK.min(INPUTS - k * BLOCK))
    }

    /// Share of the multiply-adds that are left, of forward pass and update.
    fn left(&self, skip: bool) -> [f64; 2] {
        if skip { self.zeros.densities() } else { [1.0; 2] }
    }
}

/// What a part with so much of its multiply-adds left is called.
fn called(name: &str, left: f64) -> String {
    if left < 1.0 { format!("{name}, {:.0} % of it", left * 100.0) } else { name.to_owned() }
}

/// Floating-point operations of either product.
const FLOPS: f64 = (2 * BATCH * INPUTS * UNITS) as f64;

fn fetch(Machine { isa, .. }: Machine, images: &[u8]) -> Part<'_> {
    let mut batch = Batch::new(isa, images);
    let run = move || per(&mut || batch.take(isa, images));
    (Subject::new("floats of 32 images, and lists", run), None)
}

fn forward(Machine { isa, peak, .. }: Machine, batch: &Batch, skip: bool) -> Part<'_> {
    let [left, _] = batch.left(skip);
    let (weights, mut out) = (Owned::zeros(INPUTS, UNITS).w, Panel::zeros(BATCH, UNITS));
    let run = move || {
        let (x, w) = (|k: usize| batch.block(k, skip), |_: usize| weights.view());
        let (x, w) = (Blocks::new(BLOCKS, &x), Blocks::new(1, &w));
        per(&mut || {
            kernels::dense_forward(isa, x, w, &[Line::ZERO; 4], Then::Relu, &mut out, 0);
        })
    };
    (Subject::new(called("forward 32x784x64", left), run), Some(left * FLOPS / peak))
}

fn update(Machine { isa, peak, l2, .. }: Machine, batch: &Batch, skip: bool) -> Part<'_> {
    let [_, left] = batch.left(skip);
    let (dz, mut owned) = (gradients(), Owned::zeros(INPUTS, UNITS));
    let run = move || {
        let Batch { x, zeros } = batch;
        let all = if skip { zeros.cols_at(x.view(), 0, INPUTS) } else { x.view() };
        let (x, dz) = (|_: usize| all, |_: usize| dz.view());
        let (x, dz) = (Blocks::new(1, &x), Blocks::new(1, &dz));
        per(&mut || {
            kernels::dense_update(isa, x, dz, &mut owned, step());
        })
    };
    let bound = (left * FLOPS / peak).max(L2_BYTES as f64 / l2);
    (Subject::new(called("update 784x64 with Adam", left), run), Some(bound))
}

/// What the update does besides the product.
fn adam(Machine { isa, l2, .. }: Machine) -> Part<'static> {
    let gradients = vec![0.01; INPUTS * UNITS];
    let [mut w, mut m, mut v] = [(); 3].map(|()| vec![0.0; INPUTS * UNITS]);
    let run =
        move || per(&mut || kernels::adam_step(isa, &step(), &gradients, &mut w, &mut m, &mut v));
    (Subject::new("Adam of 784x64", run), Some(L2_BYTES as f64 / l2))
}

fn loss(Machine { isa, .. }: Machine) -> Part<'static> {
    let (mut logits, mut losses) = (Panel::zeros(BATCH, 10), [RowLoss::default(); BATCH]);
    let run = move || {
        let (labels, scale) = ([3; BATCH], 1.0 / BATCH as f32);
        per(&mut || kernels::softmax_cross_entropy(isa, &mut logits, &labels, scale, &mut losses))
    };
    (Subject::new("softmax and loss, 32 rows", run), None)
}

/// Parts of a step in bf16.
fn half(token: Bf16, Machine { l2, .. }: Machine, images: &[u8]) -> Vec<Part<'_>> {
    let rows = |i: usize| &images[i * INPUTS..][..INPUTS];
    let (mut x, mut x_t) = (Left16::zeros(BATCH, INPUTS), Left16::zeros(INPUTS, BATCH));
    kernels::pixels16(token, &rows, &mut x);
    kernels::transpose16(token, &x, &mut x_t);
    let mut dz = Right16::zeros(BATCH, UNITS);
    kernels::pairs16(token, gradients().view(), &mut dz, 0);
    let (mut gathered, mut transposed) = (x.clone(), x_t.clone());
    let mut out = [Panel::zeros(BATCH, UNITS)];
    let mut owned = Owned::zeros(INPUTS, UNITS);
    let mut weights = Right16::zeros(INPUTS, UNITS);
    let same = weights.clone();
    let scale = 1.0 / 255.0;
    let fetch = Subject::new("bf16: 32 images in both layouts", move || {
        per(&mut || {
            kernels::pixels16(token, &rows, &mut gathered);
            kernels::transpose16(token, &gathered, &mut transposed);
        })
    });
    let forward = Subject::new("bf16: forward 32x784x64", move || {
        let bias = (&[Line::ZERO; 4][..], Then::Relu);
        per(&mut || kernels::forward16(token, &x, &[&same], scale, bias, &mut out))
    });
    let update = Subject::new("bf16: update 784x64 with Adam", move || {
        per(&mut || {
            let w16 = &mut weights;
            kernels::update16(token, (&x_t, 0), &dz, scale, &mut owned, w16, step());
        })
    });
    let product = FLOPS / meter::peak_flops16(token);
    let of_update = product.max(L2_BYTES as f64 / l2);
    vec![(fetch, None), (forward, Some(product)), (update, Some(of_update))]
}
