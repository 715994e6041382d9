//! The `weft` command: parse, resolve, run one command, and say how it ended.
#![forbid(unsafe_code)]

mod cli;
mod columns;
mod commands;
mod config;
mod events;
mod exit;
mod interrupt;
mod progress;
mod run;
mod settings;
mod term;

use cli::{Cli, Command, DataVerb, RunsAction};
use exit::{Code, Failure, Outcome};
use std::ffi::OsString;
use std::process::ExitCode;
use term::Terminal;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    term::choose_colors(&args);
    let done = match cli::parse(&args) {
        Ok(cli) => run(&cli, Terminal::new(&cli.output)),
        Err(error) if error.use_stderr() => return misunderstood(&error, &args),
        Err(help_or_version) => term::print(help_or_version.render().ansi()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if wants_json(&args) {
                events::print_failure(&failure);
            }
            term::report(&failure);
            ExitCode::from(failure.status())
        }
    }
}

fn run(cli: &Cli, terminal: Terminal) -> Outcome {
    match &cli.command {
        None => term::print(cli::WELCOME),
        Some(Command::Fetch(args)) => commands::fetch::run(args, terminal),
        Some(Command::Train(args)) => {
            commands::train::run(&config::Train::resolve(args)?, terminal)
        }
        Some(Command::LrFind(args)) => {
            commands::lr_find::run(&config::LrFind::resolve(args)?, terminal)
        }
        Some(Command::Eval(args)) => commands::eval::run(&config::Eval::resolve(args)?, terminal),
        Some(Command::Predict(args)) => {
            commands::predict::run(&config::Predict::resolve(args)?, terminal)
        }
        Some(Command::Plot(args)) => commands::plot::run(&config::Plot::resolve(args)?, terminal),
        Some(Command::Runs(args)) => match &args.action {
            None => commands::runs::run(&config::Runs::resolve(args), terminal),
            Some(RunsAction::Compare(compare)) => {
                commands::runs::compare(&config::Compare::resolve(compare)?, terminal)
            }
        },
        Some(Command::Completions(args)) => commands::shell::completions(args),
        Some(Command::Man(args)) => commands::shell::man(args),
        Some(Command::Report(args)) => commands::report::run(args, terminal),
        Some(Command::Show(args)) => commands::show::run(args, terminal),
        Some(Command::Data(args)) => match &args.verb {
            None => commands::data::run(&args.describe, terminal),
            Some(DataVerb::Pack(pack)) => commands::pack::run(pack, terminal),
        },
        Some(Command::Export(args)) => commands::export::run(args, terminal),
        Some(Command::Import(args)) => commands::import::run(args, terminal),
        Some(Command::Info(args)) => commands::info::run(&config::Info::resolve(args)?, terminal),
    }
}

/// Whether failures are to be printed as events, too.
fn wants_json(args: &[OsString]) -> bool {
    args.iter().any(|arg| arg == "--json")
}

/// The command line could not be parsed.
fn misunderstood(error: &clap::Error, args: &[OsString]) -> ExitCode {
    if wants_json(args) {
        let text = error.to_string();
        let what = text.lines().next().unwrap_or("the command line is wrong");
        let what = what.strip_prefix("error: ").unwrap_or(what);
        let tips = text.lines().filter_map(|line| line.trim_start().strip_prefix("tip: "));
        let mut next = tips.collect::<Vec<_>>().join("; ");
        if next.is_empty() {
            next += "`weft --help` lists the commands, `weft COMMAND --help` their options";
        }
        events::print_failure(&Failure::new(Code::Usage, what).at("the command line").next(next));
    }
    // A pipe that is closed leaves nobody to tell.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Code::Usage as u8))
}
