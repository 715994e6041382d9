//! The figures of a model and its data, as files.

use super::{network_failure, predict};
use crate::exit::{Code, Failure, Outcome};
use crate::run;
use app::plot::{self, Epoch, Figure, Format, Image, Labelled as Item, Prediction, Size, render};
use idx::Labelled;
use nn::{Engine, Inputs, Model};
use std::path::{Path, PathBuf};

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
    pub(super) folder: &'f Path,
    pub(super) format: Format,
}

/// A test image and what the model makes of it.
struct Known {
    index: usize,
    probabilities: Vec<f32>,
}

impl Figures<'_> {
    /// All figures of the tutorial; returns their paths.
    pub(super) fn tutorial(
        &self,
        engine: &mut Engine,
        train: &Labelled,
        history: &[Epoch],
    ) -> Outcome<Vec<PathBuf>> {
        self.create_folder()?;
        let mut paths = vec![self.first_image(train)?, self.gallery(train)?];
        for known in self.predict(engine, &self.there(SINGLE))? {
            paths.push(self.single(&known)?);
        }
        let (count, columns) = GRID;
        paths.push(self.grid(&self.predict(engine, &self.there(0..count))?, columns)?);
        for known in self.predict(engine, &self.there([NAMED]))? {
            paths.push(self.bars(&known)?);
        }
        if !history.is_empty() {
            let figure = Figure::Curves { training: history, validation: &[] };
            paths.push(self.save("loss-and-accuracy", &figure)?);
        }
        Ok(paths)
    }

    /// The predictions of some test images; returns the paths of the figures.
    pub(super) fn of(&self, engine: &mut Engine, indices: &[usize]) -> Outcome<Vec<PathBuf>> {
        let known = self.predict(engine, indices)?;
        self.create_folder()?;
        known.iter().map(|k| self.single(k)).collect()
    }

    /// Those test images that there are.
    fn there(&self, indices: impl IntoIterator<Item = usize>) -> Vec<usize> {
        indices.into_iter().filter(|i| *i < self.test.len()).collect()
    }

    fn create_folder(&self) -> Outcome {
        std::fs::create_dir_all(self.folder).map_err(|e| {
            Failure::io("cannot make the folder of the pictures", self.folder, &e)
                .next("name a folder that you may write to with --out")
        })
    }

    fn first_image(&self, train: &Labelled) -> Outcome<PathBuf> {
        let name = train.label(0).and_then(|l| self.class_names.get(usize::from(l)));
        let title = name.map(|n| format!("Training image 0: {n}")).unwrap_or_default();
        let figure = Figure::Image { image: image(train, 0)?, title: &title };
        self.save("first-image", &figure)
    }

    fn gallery(&self, train: &Labelled) -> Outcome<PathBuf> {
        let item = |i: usize| {
            let label = train.label(i).map_or(0, usize::from);
            Ok(Item { image: image(train, i)?, label })
        };
        let items = (0..train.len().min(GALLERY)).map(item).collect::<Outcome<Vec<_>>>()?;
        let class_names = self.class_names;
        let figure = Figure::Gallery { items: &items, class_names, columns: 5 };
        self.save("training-images", &figure)
    }

    fn single(&self, known: &Known) -> Outcome<PathBuf> {
        let prediction = self.prediction(known)?;
        let figure = Figure::Prediction { prediction, class_names: self.class_names };
        self.save(&format!("prediction-{}", known.index), &figure)
    }

    fn grid(&self, known: &[Known], columns: usize) -> Outcome<PathBuf> {
        let items = known.iter().map(|k| self.prediction(k)).collect::<Outcome<Vec<_>>>()?;
        let class_names = self.class_names;
        let figure = Figure::Predictions { items: &items, class_names, columns };
        self.save("predictions", &figure)
    }

    fn bars(&self, known: &Known) -> Outcome<PathBuf> {
        let (probabilities, class_names) = (&known.probabilities[..], self.class_names);
        let figure = Figure::Bars { probabilities, truth: self.truth(known), class_names };
        self.save(&format!("probabilities-{}", known.index), &figure)
    }

    fn prediction<'k>(&'k self, known: &'k Known) -> Outcome<Prediction<'k>> {
        let image = image(self.test, known.index)?;
        Ok(Prediction { image, probabilities: &known.probabilities, truth: self.truth(known) })
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
        let rows = all.chunks_exact(self.class_names.len());
        let known = |(&index, row): (&usize, &[f32])| Known { index, probabilities: row.to_vec() };
        Ok(indices.iter().zip(rows).map(known).collect())
    }

    fn save(&self, name: &str, figure: &Figure<'_>) -> Outcome<PathBuf> {
        let path = self.folder.join(name).with_extension(self.format.extension());
        let bytes = render(figure, self.format, Size::Natural).map_err(drawing_failure)?;
        run::write(&path, &bytes)?;
        Ok(path)
    }
}

/// An image of a data set as figures take it.
fn image(data: &Labelled, index: usize) -> Outcome<Image<'_>> {
    let (height, width) = data.shape();
    let pixels = data.image(index).unwrap_or(&[]);
    let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Image::new(pixels, side(width), side(height)).map_err(drawing_failure)
}

fn drawing_failure(error: plot::Error) -> Failure {
    Failure::new(Code::Other, error).at("drawing the plots").next("train with --no-plots")
}
