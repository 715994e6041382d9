//! `weft show`: images in the terminal, with their classes and what a model takes them for.

use super::{Loaded, load, locate, locate_for, network_failure, open};
use crate::cli::ShowArgs;
use crate::columns::{self, fit};
use crate::config::{self, Machine};
use crate::exit::{Failure, Outcome};
use crate::term::{Grouped, Terminal, print_bytes};
use anstream::{AutoStream, ColorChoice};
use app::datasets::Half;
use app::plot::Image;
use app::show::{Item, Layout, Look, Tone, sheet};
use idx::Labelled;
use nn::Inputs;
use std::io::{self, IsTerminal};

/// Images that are shown if none are named.
const FIRST: usize = 15;
/// Mistakes that are shown if no images are named.
const WORST: usize = 25;

/// What a model takes an image for.
struct Guess {
    class: usize,
    probability: f32,
    /// That of the class it is.
    of_truth: f32,
}

pub(crate) fn run(args: &ShowArgs, terminal: Terminal) -> Outcome {
    let model = args.model.as_deref().map(config::model_file);
    let loaded = model.as_deref().map(load).transpose()?;
    let options = match &model {
        Some(model) => config::data_of(&args.data, model)?,
        None => config::data(&args.data.data)?,
    };
    let dataset = match &loaded {
        Some(loaded) => locate_for(loaded, &options, terminal)?,
        None => locate(&options, terminal)?,
    };
    let images = open(&dataset, if args.train { Half::Train } else { Half::Test })?;
    let mut chosen = indices(args, images.len())?;
    let guesses = match &loaded {
        Some(loaded) => Some(guesses(args, loaded, &images, &chosen)?),
        None => None,
    };
    let names = loaded
        .as_ref()
        .map_or_else(|| dataset.class_names.clone(), |loaded| loaded.class_names(Some(&dataset)));
    let mut shown: Vec<(usize, Option<Guess>)> = match guesses {
        Some(guesses) => chosen.drain(..).zip(guesses.into_iter().map(Some)).collect(),
        None => chosen.drain(..).map(|i| (i, None)).collect(),
    };
    let truth = |i: usize| images.label(i).map_or(0, usize::from);
    let count = shown.len();
    let right = |(i, guess): &(usize, Option<Guess>)| {
        guess.as_ref().is_none_or(|guess| guess.class == truth(*i))
    };
    let hits = shown.iter().filter(|s| right(s)).count();
    if args.wrong {
        shown.retain(|s| !right(s));
        let sure = |s: &(usize, Option<Guess>)| s.1.as_ref().map_or(0.0, |guess| guess.of_truth);
        shown.sort_by(|a, b| sure(a).total_cmp(&sure(b)));
        if args.images.is_empty() {
            shown.truncate(WORST);
        }
    }
    draw(args, &images, &names, &shown)?;
    if loaded.is_some() {
        let what = if args.train { "training" } else { "test" };
        terminal.note(format_args!("{} of {} {what} images right.", Grouped(hits), Grouped(count)));
    }
    Ok(())
}

/// The images that are meant.
fn indices(args: &ShowArgs, count: usize) -> Outcome<Vec<usize>> {
    if args.images.is_empty() {
        return Ok(if args.wrong { (0..count).collect() } else { (0..count.min(FIRST)).collect() });
    }
    if let Some(range) = args.images.iter().find(|range| range.end > count) {
        let last = range.end - 1;
        let what = if args.train { "training" } else { "test" };
        return Err(Failure::usage(format_args!("there is no {what} image {last}"))
            .at(format_args!("{}..{}", range.start, range.end))
            .next(format_args!("the {} images count from 0 to {}", Grouped(count), count - 1)));
    }
    Ok(args.images.iter().cloned().flatten().collect())
}

/// What the model takes the images for.
fn guesses(
    args: &ShowArgs,
    loaded: &Loaded,
    images: &Labelled,
    indices: &[usize],
) -> Outcome<Vec<Guess>> {
    let machine = Machine::resolve(&args.engine, "--isa")?;
    let mut engine = machine.engine(machine.all_threads())?;
    let pixels: Vec<u8> =
        indices.iter().flat_map(|i| images.image(*i).unwrap_or(&[])).copied().collect();
    let inputs = Inputs::u8(&pixels, images.features(), loaded.metadata.pixel_scale)
        .map_err(network_failure)?;
    let probabilities = loaded.model.predict(&mut engine, inputs).map_err(network_failure)?;
    let rows = probabilities.chunks_exact(loaded.model.architecture().classes());
    let guess = |(i, row): (&usize, &[f32])| {
        let class = kernels::first_largest(row);
        let truth = images.label(*i).map_or(0, usize::from);
        let of_truth = row.get(truth).copied().unwrap_or(0.0);
        Guess { class, probability: row[class], of_truth }
    };
    Ok(indices.iter().zip(rows).map(guess).collect())
}

fn draw(
    args: &ShowArgs,
    images: &Labelled,
    names: &[String],
    shown: &[(usize, Option<Guess>)],
) -> Outcome {
    let pictures: Vec<Image<'_>> =
        shown.iter().map(|(i, _)| super::figures::image(images, *i)).collect::<Outcome<_>>()?;
    let Some(first) = pictures.first() else { return Ok(()) };
    let layout = layout(args.look.map(Look::from), *first, pictures.len());
    let items: Vec<Item<'_>> = pictures
        .iter()
        .zip(shown)
        .map(|(image, (i, guess))| {
            let truth = images.label(*i).map_or(0, usize::from);
            let lines = caption(*i, truth, guess.as_ref(), names, args.wrong);
            let lines = lines.into_iter().map(|(text, tone)| (fit(&text, layout.columns), tone));
            Item { image: *image, lines: lines.collect() }
        })
        .collect();
    print_bytes(&sheet(&items, &layout))
}

/// The lines below an image; if images are `sorted` by the probability of what they are, with that.
fn caption(
    index: usize,
    truth: usize,
    guess: Option<&Guess>,
    names: &[String],
    sorted: bool,
) -> Vec<(String, Tone)> {
    let name = |class: usize| names.get(class).cloned().unwrap_or_else(|| class.to_string());
    let mut lines = vec![(format!("{index} {}", name(truth)), Tone::Plain)];
    if let Some(Guess { class, probability, of_truth }) = guess {
        let percent = 100.0 * probability;
        if *class == truth {
            lines.push((format!("right {percent:.0}%"), Tone::Good));
        } else {
            lines.push((format!("wrong {percent:.0}%"), Tone::Bad));
            lines.push((format!("said {}", name(*class)), Tone::Bad));
            if sorted {
                lines.push((format!("truth {:.1}%", 100.0 * of_truth), Tone::Bad));
            }
        }
    }
    lines
}

/// How images are drawn on standard output: as asked for, else as it can.
pub(super) fn layout(asked: Option<Look>, image: Image<'_>, count: usize) -> Layout {
    let coloured = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
    let look = asked.unwrap_or_else(|| {
        let best = Look::of(|name| std::env::var(name).ok());
        match best {
            _ if !coloured => Look::Ascii,
            // Colours may go into a file that is looked at later; images need a terminal.
            Look::Kitty | Look::Sixel if !io::stdout().is_terminal() => Look::Blocks,
            best => best,
        }
    });
    let layout = Layout::new(look, coloured, columns::of_stdout(), image, count);
    Layout { cell: columns::cell_of_stdout().unwrap_or(layout.cell), ..layout }
}
