//! What the commands work with: the command line and the environment, resolved.

mod fit;

use crate::cli;
use crate::commands::runs::Order;
use crate::exit::{Code, Failure, Outcome};
use crate::run::{CHECKPOINTS, CONFIG, HEAD, RUNS, settings_in};
use crate::settings::{self, ClassWeights, DataOfModel, DatasetName, Flags, LayerArgs, Resolved};
use app::datasets;
use app::plot::Format;
use nn::{Activation, FitConfig, Isa, Sweep};
use std::path::{Path, PathBuf};

/// Name of the model file in a run folder.
pub(crate) const MODEL: &str = "model.safetensors";

/// What to compute with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// As many as asked for, or none: the command knows best.
    pub(crate) threads: Option<usize>,
    pub(crate) isa: Isa,
}

impl Machine {
    /// `place` is where the instruction set was named, if it was.
    pub(crate) fn resolve(args: &settings::Machine, place: &str) -> Outcome<Machine> {
        let isa = match args.isa.as_deref() {
            Some(name) => Isa::named(name),
            None => Isa::from_env(),
        };
        let place = if args.isa.is_some() { place } else { "$WEFT_ISA" };
        let isa = isa.map_err(|e| {
            Failure::usage(e).at(place).next("choose one of those, or leave it out for the best")
        })?;
        Ok(Machine { threads: args.threads.map(usize::from), isa })
    }

    /// Threads for work that fills them.
    pub(crate) fn all_threads(&self) -> usize {
        self.threads.unwrap_or_else(available_threads)
    }

    /// An engine with that many threads.
    pub(crate) fn engine(&self, threads: usize) -> Outcome<nn::Engine> {
        nn::Engine::try_new(Some(threads), Some(self.isa)).map_err(|error| {
            Failure::new(Code::Other, "the system does not start as many threads")
                .at(error)
                .next("take fewer: --threads 1 starts none")
        })
    }
}

/// Threads that this process may use.
pub(crate) fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Which data, as `datasets` takes it.
pub(crate) fn data(args: &settings::Data) -> Outcome<datasets::Options> {
    let sample = args.dataset == DatasetName::Sample;
    let elsewhere = args.folder.is_some() || !args.files.is_empty();
    if sample && elsewhere {
        return Err(Failure::usage("--data, --files and --dataset sample exclude each other")
            .at("the sample is inside this program, not in a folder")
            .next("leave one of them out"));
    }
    if args.folder.is_some() && !args.files.is_empty() {
        return Err(Failure::usage("--data and --files exclude each other")
            .at("either names where the data is")
            .next("leave one of them out"));
    }
    let set = args.dataset.name();
    let (data, no_mmap) = (args.folder.clone(), !args.mmap);
    let files = match &args.files[..] {
        [] => None,
        [a, b, c, d] => Some([a, b, c, d].map(Clone::clone)),
        some => {
            return Err(Failure::usage(format_args!(
                "{} files do not make a data set",
                some.len()
            ))
            .at("--files")
            .next("name four: training images and labels, test images and labels"));
        }
    };
    Ok(datasets::Options { set, data, files, classes: args.classes.clone(), sample, no_mmap })
}

/// Which data a model is used on: what is named, else what its run was trained on, if it is in one.
pub(crate) fn data_of(args: &DataOfModel, model: &Path) -> Outcome<datasets::Options> {
    let named = data(&args.data)?;
    let mut run = model.parent().unwrap_or(Path::new(""));
    if run.ends_with(CHECKPOINTS) {
        run = run.parent().unwrap_or(Path::new(""));
    }
    let Some(config) = settings_in(run).filter(|_| !args.named) else { return Ok(named) };
    let trained = data(&Resolved::data(&config)?)?;
    let mut own = trained.data.iter().chain(trained.files.iter().flatten()).chain(&trained.classes);
    if let Some(gone) = own.find(|path| !path.exists()) {
        return Err(Failure::new(Code::Data, "the data of this run is not where it was")
            .at(format_args!("{}, which {} names, is not there", gone.display(), config.display()))
            .next("say where the data is now with --data, or name other data with --dataset"));
    }
    let (classes, no_mmap) = (named.classes, named.no_mmap || trained.no_mmap);
    Ok(datasets::Options { classes: classes.or(trained.classes), no_mmap, ..trained })
}

/// A model file, or the one in a run folder.
pub(crate) fn model_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(MODEL) } else { path.to_owned() }
}

/// The format of a figure that goes into that file.
pub(crate) fn figure_format(out: &Path) -> Outcome<Format> {
    Format::of(out).ok_or_else(|| {
        Failure::usage("a figure is a .png or an .svg file")
            .at(format_args!("--out {}", out.display()))
            .next("say it as in --out curves.png")
    })
}

/// Refuses a name that ends as those of another kind of file do: it may be one that is needed, such as the record of a run.
pub(crate) fn check_ending(path: &Path, ending: &str, flag: &str, example: &str) -> Outcome {
    if path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending)) {
        return Ok(());
    }
    Err(Failure::usage(format_args!("the file to write must end in .{ending}"))
        .at(format_args!("{flag} {}", path.display()))
        .next(format_args!("say it as in {flag} {example}")))
}

/// The model file to write: without an ending the path is that of its folder, unless a file is there.
pub(crate) fn model_to_write(path: &Path) -> PathBuf {
    let folder = path.is_dir() || (path.extension().is_none() && !path.exists());
    if folder { path.join(MODEL) } else { path.to_owned() }
}

/// `weft train`
#[derive(Debug)]
pub(crate) struct Train {
    pub(crate) hidden: Vec<usize>,
    pub(crate) activation: Activation,
    /// Behind each hidden layer.
    pub(crate) dropout: f64,
    pub(crate) class_weights: Option<ClassWeights>,
    pub(crate) init: Option<PathBuf>,
    pub(crate) fit: FitConfig,
    pub(crate) data: datasets::Options,
    pub(crate) machine: Machine,
    pub(crate) out: Option<PathBuf>,
    pub(crate) force: bool,
    /// Whether the run in `out` goes on.
    pub(crate) resume: bool,
    /// Whether settings were typed as flags.
    pub(crate) changed: bool,
    pub(crate) checkpoint_every: Option<u64>,
    pub(crate) plots: bool,
    pub(crate) report: bool,
    pub(crate) json: bool,
    pub(crate) dry_run: bool,
    /// All settings as they were given, for the record.
    pub(crate) resolved: Resolved,
}

impl Train {
    pub(crate) fn resolve(args: &cli::TrainArgs) -> Outcome<Train> {
        Train::of(&args.flags, &args.layers, &args.run)
    }

    fn of(flags: &Flags, layers: &LayerArgs, run: &cli::RunArgs) -> Outcome<Train> {
        let resume = run.resume.as_deref();
        let layers = match resume {
            Some(run) => LayerArgs { config: vec![run_config(run)?], ..LayerArgs::default() },
            None => layers.clone(),
        };
        let resolved = Resolved::new(flags, &layers)?;
        let settings = resolved.settings.clone();
        let settings::Settings { network, output, .. } = &settings;
        let fit = fit::config(&settings, &resolved)?;
        fit.check().map_err(|error| refused(error, &fit, resolved.place("lr")))?;
        Ok(Train {
            hidden: hidden(&network.hidden, resolved.place("hidden"))?,
            activation: network.activation,
            dropout: network.dropout,
            class_weights: settings.training.class_weights.clone(),
            init: network.init.as_deref().map(model_file),
            fit,
            data: data(&settings.data)?,
            machine: Machine::resolve(&settings.machine, resolved.place("isa"))?,
            plots: output.plots,
            report: output.plots && output.report,
            out: resume.map(Path::to_owned).or_else(|| run.out.clone()),
            force: run.force,
            resume: resume.is_some(),
            changed: !flags.is_empty(),
            checkpoint_every: output.checkpoint_every,
            json: run.json,
            dry_run: run.dry_run,
            resolved,
        })
    }
}

/// A setting that the library refuses. What it says of those that no flag sets, such as Adam's epsilon, is due to the
/// learning rate: with another it would take them.
fn refused(error: nn::Error, fit: &FitConfig, place: &str) -> Failure {
    let usual = FitConfig { optimizer: fit.optimizer.with_lr(1e-3), ..*fit };
    if usual.check().is_err() {
        return Failure::setting(error);
    }
    let lr = fit.optimizer.lr();
    Failure::usage(format_args!("the learning rate is too large for {}", fit.optimizer.name()))
        .at(format_args!("{place}: a learning rate of {lr:?}"))
        .next("choose a smaller one; `weft lr-find` looks for one that is good")
}

/// `weft lr-find`
#[derive(Debug)]
pub(crate) struct LrFind {
    pub(crate) train: Train,
    pub(crate) sweep: Sweep,
    pub(crate) out: PathBuf,
    pub(crate) json: bool,
}

impl LrFind {
    pub(crate) fn resolve(args: &cli::LrFindArgs) -> Outcome<LrFind> {
        let train = Train::of(&args.flags, &args.layers, &cli::RunArgs::default())?;
        let (first, last, steps) = (args.from, args.to, args.steps);
        if first >= last {
            return Err(Failure::usage("the learning rate must grow")
                .at(format_args!("--from {first:e} --to {last:e}"))
                .next("exchange them, or leave them out"));
        }
        let begin = FitConfig { optimizer: train.fit.optimizer.with_lr(first), ..train.fit };
        begin.check().map_err(|error| refused(error, &begin, "--from"))?;
        if train.plots {
            figure_format(&args.out)?;
        }
        let sweep = Sweep { first, last, steps };
        Ok(LrFind { train, sweep, out: args.out.clone(), json: args.json })
    }
}

/// The settings of the run in a folder.
fn run_config(run: &Path) -> Outcome<PathBuf> {
    if let Some(config) = settings_in(run) {
        return Ok(config);
    }
    let config = run.join(CONFIG);
    let found = if config.exists() {
        format!("does not begin with `{}`, as a run's does", HEAD.trim_end())
    } else {
        "is not there".to_owned()
    };
    Err(Failure::usage("there is no run to resume in that folder")
        .at(format_args!("{} {found}", config.display()))
        .next("name the folder of a run that was interrupted, such as runs/20260131-120000-seed1"))
}

/// Units of the hidden layers; a single 0 stands for none.
fn hidden(units: &[u32], place: &str) -> Outcome<Vec<usize>> {
    if units == [0] {
        return Ok(Vec::new());
    }
    if units.contains(&0) {
        return Err(Failure::usage("a network with hidden layers and without")
            .at(place)
            .next("say none alone, or name the units of each"));
    }
    Ok(units.iter().map(|units| *units as usize).collect())
}

/// `weft eval`
#[derive(Debug)]
pub(crate) struct Eval {
    pub(crate) model: PathBuf,
    pub(crate) data: datasets::Options,
    pub(crate) machine: Machine,
    pub(crate) json: bool,
}

impl Eval {
    pub(crate) fn resolve(args: &cli::EvalArgs) -> Outcome<Eval> {
        let model = model_file(&args.model.model);
        Ok(Eval {
            data: data_of(&args.data, &model)?,
            model,
            machine: Machine::resolve(&args.engine, "--isa")?,
            json: args.json,
        })
    }
}

/// What to classify.
#[derive(Debug)]
pub(crate) enum What {
    Indices(Vec<usize>),
    All,
    Picture(PathBuf),
}

/// How to print predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Text,
    Json,
    Csv,
}

/// `weft predict`
#[derive(Debug)]
pub(crate) struct Predict {
    pub(crate) model: PathBuf,
    pub(crate) what: What,
    pub(crate) data: datasets::Options,
    pub(crate) machine: Machine,
    pub(crate) style: Style,
}

impl Predict {
    pub(crate) fn resolve(args: &cli::PredictArgs) -> Outcome<Predict> {
        let what = match &args.what.image {
            Some(picture) => What::Picture(picture.clone()),
            None if args.what.all => What::All,
            None => What::Indices(args.what.index.clone()),
        };
        let style = match (args.json, args.csv) {
            (true, _) => Style::Json,
            (_, true) => Style::Csv,
            _ => Style::Text,
        };
        let model = model_file(&args.model.model);
        let data = match what {
            // Needs none.
            What::Picture(_) => data(&args.data.data)?,
            _ => data_of(&args.data, &model)?,
        };
        let machine = Machine::resolve(&args.engine, "--isa")?;
        Ok(Predict { model, what, data, machine, style })
    }
}

/// `weft plot`
#[derive(Debug)]
pub(crate) struct Plot {
    pub(crate) model: PathBuf,
    pub(crate) out: PathBuf,
    pub(crate) indices: Vec<usize>,
    pub(crate) format: Format,
    pub(crate) data: datasets::Options,
    pub(crate) machine: Machine,
}

impl Plot {
    pub(crate) fn resolve(args: &cli::PlotArgs) -> Outcome<Plot> {
        let format = match args.format {
            cli::PictureFormat::Png => Format::Png,
            cli::PictureFormat::Svg => Format::Svg,
        };
        let (model, out) = (model_file(&args.model.model), args.out.clone());
        let data = data_of(&args.data, &model)?;
        let machine = Machine::resolve(&args.engine, "--isa")?;
        Ok(Plot { model, out, indices: args.index.clone(), format, data, machine })
    }
}

/// `weft runs`
#[derive(Debug)]
pub(crate) struct Runs {
    pub(crate) dir: PathBuf,
    /// Whether the user named the folder.
    pub(crate) named: bool,
    pub(crate) order: Order,
    pub(crate) json: bool,
}

impl Runs {
    pub(crate) fn resolve(args: &cli::RunsArgs) -> Runs {
        let (dir, named) = (runs_below(&args.below), args.below.dir.is_some());
        Runs { dir, named, order: args.sort, json: args.json }
    }
}

/// `weft runs compare`
#[derive(Debug)]
pub(crate) struct Compare {
    pub(crate) runs: Vec<PathBuf>,
    pub(crate) dir: PathBuf,
    pub(crate) out: Option<PathBuf>,
    pub(crate) json: bool,
}

impl Compare {
    pub(crate) fn resolve(args: &cli::CompareArgs) -> Outcome<Compare> {
        args.out.as_deref().map(figure_format).transpose()?;
        let (runs, dir) = (args.runs.clone(), runs_below(&args.below));
        Ok(Compare { runs, dir, out: args.out.clone(), json: args.json })
    }
}

/// The folder that runs are in.
fn runs_below(args: &cli::DirArg) -> PathBuf {
    args.dir.clone().unwrap_or_else(|| RUNS.into())
}

/// `weft info`
#[derive(Debug)]
pub(crate) struct Info {
    pub(crate) model: Option<PathBuf>,
    pub(crate) data: datasets::Options,
    pub(crate) machine: Machine,
}

impl Info {
    pub(crate) fn resolve(args: &cli::InfoArgs) -> Outcome<Info> {
        let data = datasets::Options { data: args.data.clone(), ..datasets::Options::default() };
        let model = args.model.as_deref().map(model_file);
        Ok(Info { model, data, machine: Machine::resolve(&args.engine, "--isa")? })
    }
}
