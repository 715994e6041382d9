//! The figures of a model and its data, as files.

use super::runs::History;
use super::{ANEW, network_failure, predict, unsound};
use crate::exit::{Code, Failure, Outcome};
use crate::run;
use app::plot::{self, Figure, Format, Image, Labelled as Item, Prediction, Size, render};
use idx::Labelled;
use nn::{Engine, Inputs, Model};
use std::iter;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Training images in the gallery.
const GALLERY: usize = 25;
/// Test images in the grid, and how many stand in a row.
const GRID: (usize, usize) = (15, 3);
/// Test images that get a figure of their own.
const SINGLE: [usize; 2] = [0, 12];
/// The test image whose probabilities get a figure with names.
const NAMED: usize = 1;

/// What the figures show, and where they go.
pub(super) struct Figures<'f> {
    pub(super) model: &'f Model,
    pub(super) scale: f32,
    pub(super) class_names: &'f [String],
    pub(super) test: &'f Labelled,
    /// Whether 0 is black in the images.
    pub(super) photos: bool,
    pub(super) folder: &'f Path,
    pub(super) format: Format,
}

/// A test image and what the model makes of it.
pub(super) struct Known {
    index: usize,
    probabilities: Vec<f32>,
}

/// A figure, the name of its file, and what it shows.
pub(super) struct Named<'n> {
    name: String,
    pub(super) title: String,
    pub(super) figure: Figure<'n>,
}

/// What the figures of the tutorial are made of.
pub(super) struct Material<'m> {
    class_names: &'m [String],
    first: Image<'m>,
    first_title: String,
    gallery: Vec<Item<'m>>,
    known: &'m [Known],
    predictions: Vec<Prediction<'m>>,
}

impl Material<'_> {
    /// All figures of the tutorial, the largest first.
    pub(super) fn figures<'a>(&'a self, history: &'a History) -> Vec<Named<'a>> {
        let Material { class_names, first, ref first_title, .. } = *self;
        let mut all = Vec::new();
        let mut add = |name: &str, title: &str, figure| {
            all.push(Named { name: name.to_owned(), title: title.to_owned(), figure });
        };
        let grid = Figure::Predictions { items: &self.predictions, class_names, columns: GRID.1 };
        add("predictions", "Test images and predictions", grid);
        let gallery = Figure::Gallery { items: &self.gallery, class_names, columns: 5 };
        add("training-images", "Training images", gallery);
        add("first-image", "A training image", Figure::Image { image: first, title: first_title });
        let History { training, validation } = history;
        if !training.is_empty() {
            let curves = Figure::Curves { training, validation };
            add("loss-and-accuracy", "Loss and accuracy", curves);
        }
        let known = || self.known.iter().zip(&self.predictions);
        for (known, prediction) in known().filter(|(known, _)| SINGLE.contains(&known.index)) {
            all.push(single(known.index, *prediction, class_names));
        }
        for (known, prediction) in known().filter(|(known, _)| known.index == NAMED) {
            let Prediction { probabilities, truth, .. } = *prediction;
            all.push(Named {
                name: format!("probabilities-{}", known.index),
                title: format!("Probabilities of test image {}", known.index),
                figure: Figure::Bars { probabilities, truth, class_names },
            });
        }
        all
    }
}

/// The figure of one prediction.
fn single<'n>(index: usize, prediction: Prediction<'n>, class_names: &'n [String]) -> Named<'n> {
    Named {
        name: format!("prediction-{index}"),
        title: format!("Test image {index}"),
        figure: Figure::Prediction { prediction, class_names },
    }
}

impl Figures<'_> {
    /// All figures of the tutorial; returns their paths.
    pub(super) fn tutorial(
        &self,
        engine: &mut Engine,
        train: &Labelled,
        history: &History,
    ) -> Outcome<Vec<PathBuf>> {
        let known = self.known(engine)?;
        self.save(&self.material(train, &known)?.figures(history), engine.threads())
    }

    /// The test images that the tutorial's figures show.
    pub(super) fn known(&self, engine: &mut Engine) -> Outcome<Vec<Known>> {
        let there: Vec<usize> = (0..GRID.0.min(self.test.len())).collect();
        self.predict(engine, &there)
    }

    /// What the tutorial's figures are made of.
    pub(super) fn material<'m>(
        &'m self,
        train: &'m Labelled,
        known: &'m [Known],
    ) -> Outcome<Material<'m>> {
        let name = train.label(0).and_then(|l| self.class_names.get(usize::from(l)));
        let first_title = name.map(|n| format!("Training image 0: {n}")).unwrap_or_default();
        Ok(Material {
            class_names: self.class_names,
            first: self.image(train, 0)?,
            first_title,
            gallery: self.gallery(train)?,
            known,
            predictions: known.iter().map(|k| self.prediction(k)).collect::<Outcome<_>>()?,
        })
    }

    /// The predictions of some test images; returns the paths of the figures.
    pub(super) fn of(&self, engine: &mut Engine, indices: &[usize]) -> Outcome<Vec<PathBuf>> {
        let known = self.predict(engine, indices)?;
        let all = known
            .iter()
            .map(|k| Ok(single(k.index, self.prediction(k)?, self.class_names)))
            .collect::<Outcome<Vec<_>>>()?;
        self.save(&all, engine.threads())
    }

    fn prediction<'k>(&'k self, known: &'k Known) -> Outcome<Prediction<'k>> {
        let image = self.image(self.test, known.index)?;
        Ok(Prediction { image, probabilities: &known.probabilities, truth: self.truth(known) })
    }

    /// The first training images.
    fn gallery<'t>(&self, train: &'t Labelled) -> Outcome<Vec<Item<'t>>> {
        let item = |i: usize| {
            let label = train.label(i).map_or(0, usize::from);
            Ok(Item { image: self.image(train, i)?, label })
        };
        (0..train.len().min(GALLERY)).map(item).collect()
    }

    fn image<'d>(&self, data: &'d Labelled, index: usize) -> Outcome<Image<'d>> {
        Ok(image(data, index)?.photo(self.photos))
    }

    fn truth(&self, known: &Known) -> Option<usize> {
        self.test.label(known.index).map(usize::from)
    }

    fn predict(&self, engine: &mut Engine, indices: &[usize]) -> Outcome<Vec<Known>> {
        let mut pixels = Vec::with_capacity(indices.len() * self.test.features());
        for &i in indices {
            let image = self.test.image(i);
            pixels.extend(image.ok_or_else(|| predict::no_such_image(i, self.test.len()))?);
        }
        let images =
            Inputs::u8(&pixels, self.test.features(), self.scale).map_err(network_failure)?;
        let all = self.model.predict(engine, images).map_err(network_failure)?;
        if let Some(what) = unsound(self.model, &all) {
            return Err(Failure::new(Code::Other, what).at("drawing its predictions").next(ANEW));
        }
        let rows = all.chunks_exact(self.class_names.len());
        let known = |(&index, row): (&usize, &[f32])| Known { index, probabilities: row.to_vec() };
        Ok(indices.iter().zip(rows).map(known).collect())
    }

    /// Draws figures on so many threads, and writes them; returns their paths.
    fn save(&self, figures: &[Named<'_>], threads: usize) -> Outcome<Vec<PathBuf>> {
        std::fs::create_dir_all(self.folder).map_err(|e| {
            Failure::io("cannot make the folder of the pictures", self.folder, &e)
                .next("name a folder that you may write to with --out")
        })?;
        let next = AtomicUsize::new(0);
        let draw = || {
            let mine = iter::from_fn(|| figures.get(next.fetch_add(1, Ordering::Relaxed)));
            mine.map(|named| self.save_one(&named.name, &named.figure)).collect::<Outcome<Vec<_>>>()
        };
        let mut paths = thread::scope(|scope| {
            let helpers = 1..threads.min(figures.len());
            // Where the system starts no more threads, those that there are draw the rest.
            let start = |_| thread::Builder::new().spawn_scoped(scope, draw).ok();
            let helpers: Vec<_> = helpers.map_while(start).collect();
            let mut paths = draw()?;
            for helper in helpers {
                paths.extend(helper.join().unwrap_or_else(|panic| resume_unwind(panic))?);
            }
            Ok(paths)
        })?;
        paths.sort();
        Ok(paths)
    }

    fn save_one(&self, name: &str, figure: &Figure<'_>) -> Outcome<PathBuf> {
        let path = self.folder.join(name).with_extension(self.format.extension());
        let bytes = render(figure, self.format, Size::Natural).map_err(drawing_failure)?;
        run::write(&path, &bytes)?;
        Ok(path)
    }
}

/// Writes a figure that `--out` names, or could.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Outcome {
    let next = "name another file with --out, in a folder that is there, writable and not full";
    run::write(path, bytes).map_err(|failure| failure.next(next))
}

/// An image of a data set as figures take it.
pub(super) fn image(data: &Labelled, index: usize) -> Outcome<Image<'_>> {
    let (height, width) = data.shape();
    let pixels = data.image(index).unwrap_or(&[]);
    let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Image::new(pixels, side(width), side(height)).map_err(drawing_failure)
}

pub(super) fn drawing_failure(error: plot::Error) -> Failure {
    let next = "`weft eval` tells the numbers without pictures, `weft train --no-plots` draws none";
    Failure::new(Code::Other, error).at("drawing the pictures").next(next)
}
