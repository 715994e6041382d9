//! `weft export`: a model for other programs.

use super::load;
use crate::cli::{ExportArgs, PixelType};
use crate::config::{check_ending, model_file};
use crate::exit::{Code, Failure, Outcome};
use crate::run::write;
use crate::term::{Terminal, print};
use app::onnx::{self, Pixels};
use std::fs::canonicalize;
use std::path::Path;

pub(crate) fn run(args: &ExportArgs, terminal: Terminal) -> Outcome {
    check_ending(&args.onnx, "onnx", "--onnx", "model.onnx")?;
    let path = model_file(&args.model.model);
    let loaded = load(&path)?;
    spare(&path, &args.onnx)?;
    let pixels = match args.pixels {
        PixelType::U8 => Pixels::U8,
        PixelType::F32 => Pixels::F32,
    };
    let bytes = onnx::to_bytes(&loaded.model, &loaded.metadata, pixels).map_err(|e| {
        Failure::new(Code::Model, e)
            .at(path.display())
            .next("take the weights from the model file itself, which is safetensors")
    })?;
    write(&args.onnx, &bytes)?;
    let shape = loaded.model.architecture().input.iter().map(|d| format!(", {d}"));
    terminal.note(format_args!(
        "{} takes {} [N{}] of 0 to 255, {}, and gives {} [N, {}].",
        args.onnx.display(),
        onnx::INPUT,
        shape.collect::<String>(),
        if pixels == Pixels::U8 { "uint8" } else { "float32" },
        onnx::OUTPUT,
        loaded.model.architecture().classes()
    ));
    print(format_args!("{}\n", args.onnx.display()))
}

/// A model must not be replaced by what is made of it.
pub(super) fn spare(model: &Path, out: &Path) -> Outcome {
    let same = canonicalize(model).ok().zip(canonicalize(out).ok()).is_some_and(|(a, b)| a == b);
    if !same {
        return Ok(());
    }
    Err(Failure::usage("the file to write is the model itself")
        .at(out.display())
        .next("name another file to write"))
}
