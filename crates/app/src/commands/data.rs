//! `weft data`: what a data set is like.

use super::{data_failure, locate, open, show};
use crate::cli::DescribeArgs;
use crate::columns::{fit, width};
use crate::exit::Outcome;
use crate::term::{Grouped, Terminal, print, print_bytes};
use crate::{config, events};
use app::datasets::Half;
use app::describe::{Means, Pixels, class_counts};
use app::plot::Image;
use app::show::{Item, Tone, sheet};
use idx::Labelled;
use serde::Serialize;
use std::fmt::Write as _;

/// With more classes than this, only the mean of all is drawn.
const DRAWN: usize = 20;

#[derive(Serialize)]
struct Images {
    count: usize,
    height: usize,
    width: usize,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl Images {
    fn of(images: &Labelled) -> Images {
        let (height, width) = images.shape();
        Images { count: images.len(), height, width, kind: "u8" }
    }
}

#[derive(Serialize)]
struct Class {
    class: usize,
    name: String,
    train: usize,
    test: usize,
}

/// Everything about a data set.
#[derive(Serialize)]
struct Description {
    name: String,
    place: String,
    sha256: String,
    train: Images,
    test: Images,
    classes: Vec<Class>,
    /// Of the training pixels, in 0..=1.
    pixel_mean: f64,
    pixel_deviation: f64,
    pixel_zeros: f64,
    /// Of the training images, in 0..=255, row by row.
    mean_image: Vec<f64>,
}

pub(crate) fn run(args: &DescribeArgs, terminal: Terminal) -> Outcome {
    let dataset = locate(&config::data(&args.data)?, terminal)?;
    let (train, test) = (open(&dataset, Half::Train)?, open(&dataset, Half::Test)?);
    let all = Grouped(train.len() + test.len());
    terminal.note(format_args!("Looking at {all} images"));
    let names = &dataset.class_names;
    let [trains, tests] = [&train, &test].map(|half| class_counts(half, names.len()));
    let class = |(class, name): (usize, &String)| Class {
        class,
        name: name.clone(),
        train: trains[class],
        test: tests[class],
    };
    let pixels = Pixels::of(train.images());
    let means = Means::of(&train, names.len());
    let found = Description {
        name: dataset.name.clone(),
        place: dataset.place(),
        sha256: dataset.hash().map_err(data_failure)?,
        train: Images::of(&train),
        test: Images::of(&test),
        classes: names.iter().enumerate().map(class).collect(),
        pixel_mean: pixels.mean,
        pixel_deviation: pixels.deviation,
        pixel_zeros: pixels.zeros,
        mean_image: means.all.clone(),
    };
    if args.json {
        return print_bytes(&events::line("data", &found)?);
    }
    print(text(&found))?;
    print_bytes(&drawn(&found, &means)?)
}

fn text(found: &Description) -> String {
    let mut text = format!("{}\n", crate::columns::plain(&found.name));
    let mut line = |what: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {what:<8}  {value}");
    };
    line("place", found.place.clone());
    line("SHA-256", found.sha256.clone());
    for (what, half) in [("training", &found.train), ("test", &found.test)] {
        let Images { count, height, width, kind } = half;
        line(what, format!("{} images, {height} x {width} pixels of {kind}", Grouped(*count)));
    }
    let Description { pixel_mean, pixel_deviation, pixel_zeros, .. } = found;
    line(
        "pixels",
        format!(
            "in 0..1: mean {pixel_mean:.4}, standard deviation {pixel_deviation:.4}; {:.1}% are 0",
            100.0 * pixel_zeros
        ),
    );
    let name = found.classes.iter().map(|c| width(&c.name)).max().unwrap_or(0).clamp(5, 40);
    let number = (found.classes.len().max(1) - 1).to_string().len();
    let _ = writeln!(text, "\n  {}  training    test", fit("class", number + 1 + name));
    for Class { class, name: class_name, train, test } in &found.classes {
        let [train, test] = [train, test].map(|n| Grouped(*n).to_string());
        let class_name = fit(class_name, name);
        let _ = writeln!(text, "  {class:>number$} {class_name}  {train:>8}  {test:>6}");
    }
    text
}

/// The mean training image, and those of the classes if they are not too many.
fn drawn(found: &Description, means: &Means) -> Outcome<Vec<u8>> {
    let bytes = |mean: &[f64]| mean.iter().map(|v| v.round() as u8).collect::<Vec<u8>>();
    let mut all = vec![("all".to_owned(), bytes(&means.all))];
    if found.classes.len() <= DRAWN {
        let names = found.classes.iter().map(|class| class.name.clone());
        all.extend(names.zip(means.classes.iter().map(|mean| bytes(mean))));
    }
    let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let (width, height) = (side(found.train.width), side(found.train.height));
    let images: Vec<Image<'_>> = all
        .iter()
        .map(|(_, pixels)| Image::new(pixels, width, height))
        .collect::<Result<_, _>>()
        .map_err(super::figures::drawing_failure)?;
    let Some(first) = images.first() else { return Ok(Vec::new()) };
    let layout = show::layout(None, *first, images.len());
    let items: Vec<Item<'_>> = images
        .iter()
        .zip(&all)
        .map(|(image, (name, _))| {
            let lines = vec![(fit(name, layout.columns), Tone::Plain)];
            Item { image: *image, lines }
        })
        .collect();
    let title = "\nThe mean training image, of all and of each class\n\n";
    Ok([title.as_bytes(), &sheet(&items, &layout)].concat())
}
