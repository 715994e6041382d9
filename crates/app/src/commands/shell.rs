//! `weft completions` and `weft man`: what a shell and a manual know of this command.

use crate::cli::{Cli, CompletionsArgs, ManArgs};
use crate::exit::{Failure, Outcome};
use crate::run;
use crate::term::{print, print_bytes};
use clap::CommandFactory;
use clap_mangen::Man;
use std::path::{Path, PathBuf};

/// Prints the completions for a shell.
pub(crate) fn completions(args: &CompletionsArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "weft", &mut script);
    print_bytes(&script)
}

/// Writes a manual page for every command into a folder, and prints their paths.
pub(crate) fn man(args: &ManArgs) -> Outcome {
    std::fs::create_dir_all(&args.out).map_err(|e| {
        Failure::io("cannot make the folder of the manual pages", &args.out, &e)
            .next("name a folder that you may write to")
    })?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut paths = Vec::new();
    pages(command, &args.out, &mut paths)?;
    print(paths.iter().map(|p| format!("{}\n", p.display())).collect::<String>())
}

fn pages(command: clap::Command, folder: &Path, paths: &mut Vec<PathBuf>) -> Outcome {
    let below: Vec<_> = command.get_subcommands().filter(|c| !c.is_hide_set()).cloned().collect();
    let page = Man::new(command).manual("weft");
    let path = folder.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text).map_err(|e| {
        Failure::io("cannot write a manual page", &path, &e).next("name another folder")
    })?;
    run::write(&path, &text)?;
    paths.push(path);
    below.into_iter().try_for_each(|command| pages(command, folder, paths))
}
