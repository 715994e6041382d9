//! `cargo xtask bench train`: training and prediction beside what the machine can do at most; `--quick` for a look on
//! the sample, `--once` to see whether it runs.
#![allow(clippy::print_stdout, reason = "tables are what a benchmark is for")]

mod command;
mod grown;
mod parts;
mod plot;
mod predict;
mod whole;

use app::datasets::{Half, Options, locate};
use clap::Parser;
use kernels::{Isa, meter};
use nn::{Activation, Engine, FitConfig, Inputs, Model, Precision, Sequential};
use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// What the machine can do, measured in this run.
#[derive(Clone, Copy)]
struct Machine {
    isa: Isa,
    /// Threads that training takes by default.
    threads: usize,
    /// Multiply-adds in registers, FLOP/s of one thread.
    peak: f64,
    /// Weights and moments read and written back, bytes a second of one thread.
    l2: f64,
}

/// Bytes of weights and moments of the first layer that a thread of two reads and writes in a step.
const L2_BYTES: usize = 3 * 4 * 784 * 64;

/// Training and prediction beside what the machine can do at most, in about two minutes.
#[derive(Parser)]
#[command(name = "cargo xtask bench train")]
struct Args {
    /// A look at everything, on the sample of the data set
    #[arg(long)]
    quick: bool,
    /// As little as shows that everything runs
    #[arg(long)]
    once: bool,
    /// Draws how a step grows with batch, width and depth
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// The command to be timed as a whole: weft, which the task builds
    #[arg(long, value_name = "FILE", hide = true)]
    program: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Args { quick, once, plot, program } = Args::parse();
    let quick = quick || once;
    let options = Options { sample: quick, ..Options::default() };
    let place = locate(&options, &mut |_| {})?;
    let (train, test) = (place.open(Half::Train)?, place.open(Half::Test)?);
    let inputs = Inputs::u8(train.images(), train.features(), 1.0 / 255.0)?;
    let tests = Inputs::u8(test.images(), test.features(), 1.0 / 255.0)?;
    let isa = Isa::from_env()?;
    let machine = Machine {
        isa,
        threads: Engine::new(None, Some(isa)).threads(),
        peak: meter::peak_flops(isa),
        l2: meter::rewrite_bandwidth(isa, L2_BYTES),
    };
    println!(
        "one thread, {isa}: {:.0} GFLOP/s of multiply-adds, {:.0} GB/s read and written back\n",
        machine.peak / 1e9,
        machine.l2 / 1e9
    );
    parts::table(machine, train.images(), if quick { 3 } else { 30 });
    whole::table(machine, (train.images(), inputs), train.labels(), if quick { 1 } else { 7 });
    let (most_steps, rounds) = (if once { 2 } else { u64::MAX }, if quick { 1 } else { 5 });
    let growths = grown::tables(machine, (inputs, train.labels()), rounds, most_steps);
    predict::table(machine, tests, if quick { 3 } else { 20 });
    if let Some(weft) = program {
        command::table(machine, (&weft, quick), if quick { 1 } else { 5 })?;
    }
    if let Some(plot) = plot {
        plot::write(&growths, &plot)?;
        println!("\nGrowth with batch, width and depth: {}", plot.display());
    }
    Ok(())
}

/// 784, hidden layers of these widths, 10.
fn network(hidden: &[usize]) -> Model {
    let net = Sequential::new(&[784]);
    let net = hidden.iter().fold(net, |net, units| net.dense(*units, Activation::Relu));
    let model = net.dense(10, Activation::Softmax).build(1);
    model.unwrap_or_else(|e| unreachable!("a network of known shape: {e}"))
}

/// Multiply-adds of a step: forward and update of all layers, and the gradients of the hidden ones.
fn step_macs(hidden: &[usize], batch: usize) -> usize {
    let widths: Vec<usize> =
        std::iter::once(784).chain(hidden.iter().copied()).chain([10]).collect();
    let macs = |(l, pair): (usize, &[usize])| (if l == 0 { 2 } else { 3 }) * pair[0] * pair[1];
    batch * widths.windows(2).enumerate().map(macs).sum::<usize>()
}

/// Trains, and returns the seconds of the steps.
fn train(
    machine: Machine,
    hidden: &[usize],
    run: (Inputs<'_>, &[u16]),
    threads: usize,
    config: &FitConfig,
) -> f64 {
    let mut engine = Engine::new(Some(threads), Some(machine.isa));
    let observe = &mut |_: &nn::Event| ControlFlow::Continue(());
    let fitted = network(hidden).fit(&mut engine, run.0, run.1, config, observe);
    fitted.map_or(f64::NAN, |history| history.seconds())
}

/// The precisions that this machine has.
fn precisions() -> Vec<Precision> {
    let bf16 = kernels::Bf16::new().map(|_| Precision::Bf16);
    std::iter::once(Precision::F32).chain(bf16).collect()
}
