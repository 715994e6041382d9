//! What to say where clap only knows that it was not expected.

use clap::Command;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use std::ffi::OsString;

/// The error, with a tip if a model or a run was named as `weft report RUN` takes it, to a command that takes `--model`.
pub(super) fn with_tip(mut error: Error, command: &Command, args: &[OsString]) -> Error {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return error };
    if error.kind() == ErrorKind::UnknownArgument
        && !word.starts_with('-')
        && takes_model(command, args)
    {
        let tip = format!("a model or a run is named with --model: say --model {word}");
        let tip = ContextValue::StyledStrs(vec![StyledStr::from(tip)]);
        error.insert(ContextKind::Suggested, tip);
    }
    error
}

/// Whether a command takes a model and was given none.
fn takes_model(command: &Command, args: &[OsString]) -> bool {
    let mut words = args.iter().skip(1).filter_map(|arg| arg.to_str());
    let sub = words.clone().find_map(|word| command.find_subcommand(word));
    let given = |word: &str| word.starts_with("--model") || word.starts_with("-m");
    sub.is_some_and(|sub| sub.get_arguments().any(|arg| arg.get_long() == Some("model")))
        && !words.any(given)
}
