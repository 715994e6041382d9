//! `weft import`: a model file from another program's tensors.

use super::export::spare;
use super::{data_failure, load_file, network_failure};
use crate::cli::{ForeignArgs, ImportArgs};
use crate::config::model_to_write;
use crate::exit::{Code, Failure, Outcome};
use crate::run::{RECORD, write};
use crate::term::{Terminal, print};
use app::datasets::read_classes;
use app::import::{self, Error, Imported, Normalisation, Options};
use nn::checkpoint::{self, Metadata};
use std::fs;
use std::path::Path;

pub(crate) fn run(args: &ImportArgs, terminal: Terminal) -> Outcome {
    let (path, out) = (&args.file, model_to_write(&args.out));
    spare(path, &out)?;
    free(&out, args.force)?;
    let imported = import::from_bytes(&load_file(path)?, &options(&args.network))
        .map_err(|e| refused(e, path))?;
    let class_names = match &args.classes {
        Some(path) => read_classes(path).map_err(data_failure)?,
        None => Vec::new(),
    };
    let classes = imported.model.architecture().classes();
    if !class_names.is_empty() && class_names.len() != classes {
        let what = format!("{} names for a network of {classes} classes", class_names.len());
        return Err(Failure::usage(what).at("--classes").next("name as many, one a line"));
    }
    let Imported { model, pixel_scale, names } = imported;
    let weft_version = env!("CARGO_PKG_VERSION").to_owned();
    let metadata = Metadata { class_names, pixel_scale, weft_version, ..Metadata::default() };
    let bytes = checkpoint::to_bytes(&model, &metadata).map_err(network_failure)?;
    below(&out)?;
    write(&out, &bytes)?;
    terminal.note(format_args!("Layers {} became", names.join(", ")));
    terminal.note(model.summary().trim_end());
    print(format_args!("{}\n", out.display()))
}

/// A model that is there must not be lost, and one of a run not replaced: the rest of the folder tells of it.
fn free(out: &Path, force: bool) -> Outcome {
    let record = out.with_file_name(RECORD);
    if record.exists() {
        return Err(Failure::usage("that is the folder of a run, which tells of its own model")
            .at(record.display())
            .next("name another place with --out"));
    }
    if force || !out.exists() {
        return Ok(());
    }
    Err(Failure::usage("there is a model in that place already")
        .at(out.display())
        .next("name another place with --out, or add --force to replace the model"))
}

/// Makes the folder that a file goes into, if need be.
fn below(out: &Path) -> Outcome {
    let Some(folder) = out.parent() else { return Ok(()) };
    fs::create_dir_all(folder).map_err(|e| {
        Failure::io("cannot make the folder of the model", folder, &e)
            .next("name a place that you may write to with --out")
    })
}

fn options(args: &ForeignArgs) -> Options {
    let ForeignArgs { activation, input, pixel_scale, mean, std } = args;
    let normalisation = Normalisation { scale: *pixel_scale, mean: *mean, deviation: *std };
    let input = input.as_ref().map(|shape| shape.0.clone());
    Options { input, activations: activation.clone(), normalisation }
}

/// Why a file cannot be imported, and what to do about it.
fn refused(error: Error, path: &Path) -> Failure {
    let next = match &error {
        Error::Format(_) => "write it with safetensors.torch.save_file(net.state_dict(), FILE)",
        Error::Ours => "use it as it is: `weft eval --model FILE`",
        Error::Foreign { .. } => "only networks of dense layers (PyTorch's Linear) can be imported",
        Error::Chain(_) => "number the layers in their order, such as 0.weight, 2.weight",
        Error::Options(_) => "change --activation, --input, --pixel-scale, --mean or --std",
        _ => "only classifiers made of dense layers can be imported",
    };
    let code = if matches!(error, Error::Options(_)) { Code::Usage } else { Code::Model };
    Failure::new(code, error).at(path.display()).next(next)
}
