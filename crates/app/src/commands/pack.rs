//! `weft data pack`: a data set from folders of pictures.

use super::train::{invoked_as, quoted};
use crate::cli::{FitName, PackArgs};
use crate::config::available_threads;
use crate::exit::{Code, Failure, Outcome};
use crate::progress::Counted;
use crate::term::{Grouped, Terminal, print};
use app::datasets::{CLASSES, FILES};
use app::pack::{self, Error, Fit, Look, Packed, Plan, RECORD, Work};
use std::path::Path;

/// The share of the pictures that are for testing, if nothing is said.
const SPLIT: f64 = 0.2;
/// So many of the pictures that were left out are named.
const NAMED: usize = 10;

pub(crate) fn run(args: &PackArgs, terminal: Terminal) -> Outcome {
    free(&args.out, args.force)?;
    let threads = args.threads.map_or_else(available_threads, usize::from);
    let work = Work { threads, skip_bad: args.skip_bad };
    let split = args.test_split.unwrap_or(SPLIT);
    let plan = pack::plan(&args.folder, split, args.seed).map_err(failure)?;
    greet(&plan, args, terminal);
    let look = look(args, &plan, work, terminal)?;
    let mut counted = Counted::new(terminal, "reading", count(&plan));
    let packed = pack::pack(&plan, look, work, &args.out, &mut |n| counted.reached(n));
    counted.finish();
    let packed = packed.map_err(failure)?;
    tell(&packed, &plan, look, &args.out, terminal);
    print(format_args!("{}\n", args.out.display()))
}

fn count(plan: &Plan) -> usize {
    plan.halves.iter().map(Vec::len).sum()
}

/// What is there must not be lost.
fn free(out: &Path, force: bool) -> Outcome {
    let sets =
        FILES.as_flattened().iter().flat_map(|name| [(*name).to_owned(), format!("{name}.gz")]);
    let mut all = sets.chain([RECORD.to_owned(), CLASSES.to_owned()]).map(|name| out.join(name));
    match all.find(|path| path.exists()) {
        Some(mark) if !force => {
            Err(Failure::usage("there is a data set in that folder, or part of one")
                .at(mark.display())
                .next("name another folder with --out, or add --force to replace the data set"))
        }
        _ => Ok(()),
    }
}

fn greet(plan: &Plan, args: &PackArgs, terminal: Terminal) {
    let [train, test] = plan.halves.each_ref().map(|half| Grouped(half.len()));
    terminal.note(format_args!(
        "{}: {train} pictures to train on and {test} to test with, {} classes: {}",
        args.folder.display(),
        plan.classes.len(),
        listed(&plan.classes)
    ));
    if plan.others > 0 {
        terminal.note(format_args!("other files, which are left alone: {}", Grouped(plan.others)));
    }
}

/// The first names, and how many more there are.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let more = names.len().saturating_sub(SHOWN);
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    names[..names.len().min(SHOWN)].join(", ") + &rest
}

/// What the images are to look like: of the size that was asked for, or that the pictures have.
fn look(args: &PackArgs, plan: &Plan, work: Work, terminal: Terminal) -> Outcome<Look> {
    let (width, height) = match args.size.as_ref().map(|size| &size.0[..]) {
        Some(&[width, height]) if width.max(height) <= 4096 => (width as u32, height as u32),
        Some(_) => {
            return Err(Failure::usage("an image has a width and a height, of 4096 at most")
                .at("--size")
                .next("such as --size 32x32"));
        }
        None => {
            let mut counted = Counted::new(terminal, "looking at sizes", count(plan));
            let size = pack::size(plan, work, &mut |n| counted.reached(n));
            counted.finish();
            size.map_err(failure)?
        }
    };
    let fit = match args.fit {
        FitName::Pad => Fit::Pad,
        FitName::Stretch => Fit::Stretch,
    };
    Ok(Look { width, height, fit, invert: args.invert })
}

fn tell(packed: &Packed, plan: &Plan, look: Look, out: &Path, terminal: Terminal) {
    if !packed.skipped.is_empty() {
        let (some, all) = (Grouped(packed.skipped.len()), Grouped(count(plan)));
        terminal.warn(format_args!("{some} of {all} pictures left out:"));
        for skipped in packed.skipped.iter().take(NAMED) {
            terminal.note(format_args!("  {}: {}", skipped.path.display(), skipped.what));
        }
        if packed.skipped.len() > NAMED {
            terminal.note(format_args!("  ... all are named in {RECORD}"));
        }
    }
    let [train, test] = packed.images.map(Grouped);
    terminal.note(format_args!(
        "{train} training and {test} test images of {}x{} in {} classes. Now: {} train --data {}",
        look.width,
        look.height,
        plan.classes.len(),
        invoked_as(),
        quoted(out)
    ));
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Io { path, source } => Failure::io("cannot use a file or folder", &path, &source)
            .next("check the path, its permissions and the room on the disk"),
        Error::Picture { path, what } => Failure::new(Code::Data, "a picture cannot be used")
            .at(format_args!("{}: {what}", path.display()))
            .next("mend or remove it, or add --skip-bad to leave such pictures out"),
        Error::Folder { path, what } => Failure::new(Code::Data, what)
            .at(path.display())
            .next("put the pictures of each class into a folder with the name of the class"),
        Error::Few { path, what } => Failure::new(Code::Data, what).at(path.display()).next(
            "add pictures, two of each class at least; \
             or say which are for what: folders train/CLASS and test/CLASS",
        ),
        error @ Error::Sizes { .. } => Failure::new(Code::Data, error)
            .next("say which size the images shall have: --size 32x32"),
        error @ Error::Useless { .. } => {
            Failure::new(Code::Data, error).next("take pictures that are PNG or JPEG files")
        }
        error => Failure::new(Code::Data, error).next("choose a smaller --size"),
    }
}
