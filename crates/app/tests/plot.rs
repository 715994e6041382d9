//! `app::plot`: every figure in both formats, looked at as a program can.

use app::plot::{Epoch, Error, Figure, Format, Image, Labelled, Prediction, Size, render};
use roxmltree::Document;

const BLUE: [u8; 3] = [0x0B, 0x5F, 0xC1];
const RED: [u8; 3] = [0xC9, 0x2A, 0x1E];

const NAMES: &str = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot";

fn names() -> Vec<String> {
    NAMES.split(',').map(String::from).collect()
}

/// All intensities, on a background of 0.
fn pixels() -> Vec<u8> {
    (0..28 * 28).map(|i| if i % 28 < 4 { 0 } else { (i % 256) as u8 }).collect()
}

fn probabilities(class: usize) -> Vec<f32> {
    (0..10).map(|i| if i == class { 0.97 } else { 0.03 / 9.0 }).collect()
}

/// What all figures are drawn from.
struct Inputs {
    pixels: Vec<u8>,
    names: Vec<String>,
    boot: Vec<f32>,
    training: Vec<Epoch>,
    validation: Vec<Epoch>,
}

impl Inputs {
    fn new() -> Self {
        let history = |losses: [f64; 5]| {
            losses.iter().map(|l| Epoch { loss: *l, accuracy: 1.0 - l / 3.0 }).collect()
        };
        Self {
            pixels: pixels(),
            names: names(),
            boot: probabilities(9),
            training: history([0.498, 0.374, 0.337, 0.312, 0.294]),
            validation: history([0.43, 0.40, 0.37, 0.36, 0.352]),
        }
    }

    fn image(&self) -> Image<'_> {
        Image::new(&self.pixels, 28, 28).unwrap()
    }

    fn prediction(&self, truth: Option<usize>) -> Prediction<'_> {
        Prediction { image: self.image(), probabilities: &self.boot, truth }
    }

    /// Draws every kind of figure and hands it to `look` with its name.
    fn every_figure(&self, mut look: impl FnMut(&str, &Figure<'_>)) {
        let class_names = &self.names;
        let gallery: Vec<_> =
            (0..25).map(|i| Labelled { image: self.image(), label: i % 10 }).collect();
        let grid: Vec<_> = (0..15).map(|i| self.prediction(Some(8 + i % 2))).collect();
        look("image", &Figure::Image { image: self.image(), title: "Ankle boot" });
        look("gallery", &Figure::Gallery { items: &gallery, class_names, columns: 5 });
        let prediction = self.prediction(Some(9));
        look("prediction", &Figure::Prediction { prediction, class_names });
        look("predictions", &Figure::Predictions { items: &grid, class_names, columns: 3 });
        let (probabilities, truth) = (&self.boot[..], Some(7));
        look("bars", &Figure::Bars { probabilities, truth, class_names });
        let (training, validation) = (&self.training[..], &self.validation[..]);
        look("curves", &Figure::Curves { training, validation });
    }
}

struct Bitmap {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Bitmap {
    fn of(figure: &Figure<'_>, size: Size) -> Self {
        let file = render(figure, Format::Png, size).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        assert_eq!(info.color_type, png::ColorType::Rgb);
        Self { width: info.width as usize, height: info.height as usize, rgb }
    }

    fn colours(&self) -> impl Iterator<Item = [u8; 3]> {
        self.rgb.as_chunks::<3>().0.iter().copied()
    }

    fn count(&self, colour: [u8; 3]) -> usize {
        self.colours().filter(|c| *c == colour).count()
    }

    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        self.rgb.as_chunks::<3>().0[y * self.width + x]
    }
}

fn svg(figure: &Figure<'_>) -> String {
    String::from_utf8(render(figure, Format::Svg, Size::Natural).unwrap()).unwrap()
}

fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let all = document.descendants().filter(|n| n.has_tag_name((NS, "text")));
    all.map(|n| n.text().unwrap_or_default().to_owned()).collect()
}

const NS: &str = "http://www.w3.org/2000/svg";

#[test]
fn every_figure_is_the_same_bytes_twice() {
    Inputs::new().every_figure(|name, figure| {
        for format in [Format::Png, Format::Svg] {
            let once = render(figure, format, Size::Natural).unwrap();
            assert!(once == render(figure, format, Size::Natural).unwrap(), "{name} differs");
        }
    });
}

#[test]
fn every_figure_has_the_size_that_was_asked_for() {
    Inputs::new().every_figure(|name, figure| {
        let natural = Bitmap::of(figure, Size::Natural);
        assert!((300..1200).contains(&natural.width), "{name}: {}", natural.width);
        let twice = Bitmap::of(figure, Size::Scaled(2.0));
        let grown =
            twice.width.abs_diff(2 * natural.width) + twice.height.abs_diff(2 * natural.height);
        assert!(grown <= 2, "{name}");
        let exact = Bitmap::of(figure, Size::Exact { width: 640, height: 480 });
        assert_eq!((exact.width, exact.height), (640, 480), "{name}");
        let text = svg(figure);
        let document = Document::parse(&text).unwrap();
        let side = |s| document.root_element().attribute(s).unwrap().parse::<usize>().unwrap();
        assert_eq!((side("width"), side("height")), (natural.width, natural.height), "{name}");
    });
}

#[test]
fn every_figure_leaves_white_margins() {
    Inputs::new().every_figure(|name, figure| {
        let bitmap = Bitmap::of(figure, Size::Natural);
        let (right, bottom) = (bitmap.width - 1, bitmap.height - 1);
        for inset in [0, 8] {
            let level = (inset..=right - inset).flat_map(|x| [(x, inset), (x, bottom - inset)]);
            let upright = (inset..=bottom - inset).flat_map(|y| [(inset, y), (right - inset, y)]);
            for (x, y) in level.chain(upright) {
                assert_eq!(bitmap.at(x, y), [255; 3], "{name} at {x}, {y}");
            }
        }
    });
}

/// The box around a level line of text, from its anchor and the usual width of a letter.
fn text_box(node: roxmltree::Node<'_, '_>) -> [f64; 4] {
    let number = |name| node.attribute(name).unwrap().parse::<f64>().unwrap();
    let (x, y, size) = (number("x"), number("y"), number("font-size"));
    let width = 0.55 * size * node.text().unwrap().chars().count() as f64;
    let left = match node.attribute("text-anchor") {
        None => x,
        Some("middle") => x - width / 2.0,
        Some(_) => x - width,
    };
    [left, y - 0.72 * size, left + width, y]
}

#[test]
fn no_two_labels_touch() {
    Inputs::new().every_figure(|name, figure| {
        let svg = svg(figure);
        let document = Document::parse(&svg).unwrap();
        let level = |n: &roxmltree::Node<'_, '_>| {
            n.has_tag_name((NS, "text")) && !n.has_attribute("transform")
        };
        let labels: Vec<_> = document.descendants().filter(level).collect();
        for (i, a) in labels.iter().enumerate() {
            for b in &labels[..i] {
                let ([ax, ay, ar, ab], [bx, by, br, bb]) = (text_box(*a), text_box(*b));
                let apart = ar < bx || br < ax || ab < by || bb < ay;
                assert!(apart, "{name}: {:?} and {:?}", a.text(), b.text());
            }
        }
    });
}

#[test]
fn svg_text_is_text_in_a_family_with_fallbacks() {
    Inputs::new().every_figure(|name, figure| {
        let svg = svg(figure);
        let document = Document::parse(&svg).unwrap();
        let family = document.root_element().attribute("font-family").unwrap();
        assert!(family.starts_with("Inter,") && family.ends_with("sans-serif"), "{name}");
        assert!(!texts(&svg).is_empty(), "{name}");
    });
}

#[test]
fn an_image_has_sharp_pixels_coordinates_and_a_scale() {
    let inputs = Inputs::new();
    let figure = Figure::Image { image: inputs.image(), title: "Ankle boot" };
    let shown = texts(&svg(&figure));
    for label in ["Ankle boot", "0", "5", "25", "50", "100", "150", "200", "255"] {
        assert!(shown.iter().any(|t| t == label), "{label} is not in {shown:?}");
    }
    for scale in [1.0, 1.5] {
        let bitmap = Bitmap::of(&figure, Size::Scaled(scale));
        // The first pixel of the darkest colour is the image's corner: a pixel is a square of one colour.
        let dark = bitmap.colours().position(|c| c == [68, 1, 84]).unwrap();
        let (x0, y0) = (dark % bitmap.width, dark / bitmap.width);
        let side = (17.0 * scale) as usize;
        for (i, value) in inputs.pixels.iter().enumerate() {
            let (x, y) = (x0 + i % 28 * side, y0 + i / 28 * side);
            let corner = bitmap.at(x, y);
            let last = side - 1;
            assert!(
                [(last, 0), (0, last), (last, last)]
                    .iter()
                    .all(|(dx, dy)| { bitmap.at(x + dx, y + dy) == corner })
            );
            match value {
                0 => assert_eq!(corner, [68, 1, 84]),
                255 => assert_eq!(corner, [254, 232, 37]),
                _ => {}
            }
        }
    }
}

#[test]
fn a_gallery_shows_dark_objects_on_white_with_their_names() {
    let inputs = Inputs::new();
    let white = vec![0; 16];
    let black = vec![255; 16];
    let items =
        [&white, &black].map(|p| Labelled { image: Image::new(p, 4, 4).unwrap(), label: 9 });
    let figure = Figure::Gallery { items: &items, class_names: &inputs.names, columns: 5 };
    let bitmap = Bitmap::of(&figure, Size::Natural);
    assert!(bitmap.count([0; 3]) >= 140 * 140);
    assert_eq!(bitmap.at(50, 50), [255; 3]);
    assert_eq!(texts(&svg(&figure)), ["Ankle boot", "Ankle boot"]);
    let photos = items.map(|item| Labelled { image: item.image.photo(true), ..item });
    let photos = Figure::Gallery { items: &photos, class_names: &inputs.names, columns: 5 };
    assert_eq!(Bitmap::of(&photos, Size::Natural).at(50, 50), [0; 3]);
}

#[test]
fn right_is_blue_and_wrong_is_red() {
    let inputs = Inputs::new();
    let draw = |truth| Figure::Prediction {
        prediction: inputs.prediction(truth),
        class_names: &inputs.names,
    };
    let right = Bitmap::of(&draw(Some(9)), Size::Natural);
    assert!(right.count(BLUE) > 5000);
    assert_eq!(right.count(RED), 0);
    let wrong = Bitmap::of(&draw(Some(7)), Size::Natural);
    assert!(wrong.count(RED) > 5000);
    // The bar of the true class is low, its number is there.
    assert!((1..500).contains(&wrong.count(BLUE)));
    let unknown = Bitmap::of(&draw(None), Size::Natural);
    assert_eq!([unknown.count(RED), unknown.count(BLUE)], [0, 0]);
}

#[test]
fn captions_are_those_of_the_tutorial() {
    let inputs = Inputs::new();
    for (truth, caption, colour) in [
        (Some(9), "Ankle boot 97% (Ankle boot)", "#0B5FC1"),
        (Some(7), "Ankle boot 97% (Sneaker)", "#C92A1E"),
        (None, "Ankle boot 97%", "#1D232E"),
    ] {
        let prediction = inputs.prediction(truth);
        let class_names = &inputs.names;
        let probabilities = &inputs.boot;
        for figure in [
            Figure::Prediction { prediction, class_names },
            Figure::Predictions { items: &[prediction], class_names, columns: 3 },
            Figure::Bars { probabilities, truth, class_names },
        ] {
            let svg = svg(&figure);
            let document = Document::parse(&svg).unwrap();
            let found = document
                .descendants()
                .find(|n| n.has_tag_name((NS, "text")) && n.text() == Some(caption))
                .unwrap_or_else(|| panic!("{caption} is missing in {svg}"));
            assert_eq!(found.attribute("fill"), Some(colour));
        }
    }
}

#[test]
fn a_grid_has_every_image_and_every_number() {
    let inputs = Inputs::new();
    let items: Vec<_> = (0..15).map(|i| inputs.prediction(Some(8 + i % 2))).collect();
    let figure = Figure::Predictions { items: &items, class_names: &inputs.names, columns: 3 };
    let svg = svg(&figure);
    let shown = texts(&svg);
    assert_eq!(shown.iter().filter(|t| *t == "Ankle boot 97% (Bag)").count(), 8);
    assert_eq!(shown.iter().filter(|t| *t == "Ankle boot 97% (Ankle boot)").count(), 7);
    assert_eq!(shown.iter().filter(|t| *t == "3").count(), 15);
    assert_eq!(svg.matches("<image ").count(), 15);
    let bitmap = Bitmap::of(&figure, Size::Natural);
    assert!(bitmap.count(BLUE) > 7 * 1000 && bitmap.count(RED) > 8 * 1000);
}

#[test]
fn bars_have_tilted_names() {
    let inputs = Inputs::new();
    let figure =
        Figure::Bars { probabilities: &inputs.boot, truth: Some(9), class_names: &inputs.names };
    let svg = svg(&figure);
    let document = Document::parse(&svg).unwrap();
    for name in &inputs.names {
        let label = document.descendants().find(|n| n.text() == Some(name) && n.is_element());
        let turned = label.unwrap().attribute("transform").unwrap();
        assert!(turned.ends_with("rotate(-45)"), "{turned}");
    }
    assert!(texts(&svg).iter().any(|t| t == "97%"));
}

#[test]
fn curves_have_a_legend_when_there_are_two() {
    let inputs = Inputs::new();
    let (training, validation) = (&inputs.training[..], &inputs.validation[..]);
    let both = texts(&svg(&Figure::Curves { training, validation }));
    for label in ["Loss", "Accuracy", "epoch", "training", "validation", "0.294", "0.352", "90.2%"]
    {
        assert!(both.iter().any(|t| t == label), "{label} is not in {both:?}");
    }
    let one = texts(&svg(&Figure::Curves { training, validation: &[] }));
    assert!(one.iter().all(|t| t != "training" && t != "validation"));
    for epochs in ["1", "2", "3", "4", "5"] {
        assert_eq!(one.iter().filter(|t| *t == epochs).count(), 2);
    }
}

#[test]
fn curves_of_any_history_can_be_drawn() {
    let epoch = |loss, accuracy| Epoch { loss, accuracy };
    let constant = vec![epoch(0.5, 1.0); 3];
    let zero = vec![epoch(0.0, 0.0)];
    let huge = vec![epoch(1e29, 0.1), epoch(-1e29, 0.1)];
    let tiny = vec![epoch(1e-12, 0.999_999), epoch(2e-12, 1.0)];
    let long: Vec<_> = (1..=500).map(|i| epoch(1.0 / f64::from(i), 0.5)).collect();
    for history in [constant, zero, huge, tiny, long] {
        let figure = Figure::Curves { training: &history, validation: &history[..1] };
        let shown = texts(&svg(&figure));
        assert!(shown.len() < 60, "{shown:?}");
        Bitmap::of(&figure, Size::Natural);
    }
}

#[test]
fn any_number_of_classes_and_any_names_can_be_drawn() {
    let pixels = pixels();
    let image = Image::new(&pixels, 28, 28).unwrap();
    for classes in [2, 3, 7, 13, 30, 256] {
        let class_names: Vec<String> = (0..classes)
            .map(|i| {
                format!("<class> & \"name\"\u{0} {i}, an unreasonably long one: {}", "x".repeat(99))
            })
            .collect();
        let mut probabilities = vec![0.1 / classes as f32; classes];
        probabilities[classes - 1] = 0.9;
        let truth = Some(0);
        let prediction = Prediction { image, probabilities: &probabilities, truth };
        for figure in [
            Figure::Prediction { prediction, class_names: &class_names },
            Figure::Predictions { items: &[prediction; 4], class_names: &class_names, columns: 3 },
            Figure::Bars { probabilities: &probabilities, truth, class_names: &class_names },
            Figure::Gallery {
                items: &[Labelled { image, label: classes - 1 }],
                class_names: &class_names,
                columns: 9,
            },
        ] {
            assert!(texts(&svg(&figure)).iter().any(|t| t.contains("<class>")));
            Bitmap::of(&figure, Size::Natural);
        }
    }
}

#[test]
fn images_of_any_shape_can_be_drawn() {
    let pixels = vec![200; 1000];
    for (width, height) in [(1, 1), (1000, 1), (1, 1000), (40, 25), (7, 3)] {
        let image = Image::new(&pixels[..width * height], width as u32, height as u32).unwrap();
        let figure = Figure::Image { image, title: "" };
        let bitmap = Bitmap::of(&figure, Size::Natural);
        assert!(bitmap.width >= 100 && bitmap.height >= 100, "{width} x {height}");
        let names = names();
        let items = [Labelled { image, label: 0 }];
        svg(&Figure::Gallery { items: &items, class_names: &names, columns: 1 });
    }
}

fn refused(figure: &Figure<'_>) -> Error {
    let png = render(figure, Format::Png, Size::Natural).unwrap_err();
    let svg = render(figure, Format::Svg, Size::Natural).unwrap_err();
    assert_eq!(png.to_string(), svg.to_string());
    png
}

#[test]
fn images_must_fill_their_shape() {
    for (bytes, width, height) in [(0, 0, 0), (0, 28, 0), (783, 28, 28), (785, 28, 28), (4, 0, 4)] {
        let error = Image::new(&vec![0; bytes], width, height).unwrap_err();
        assert!(matches!(error, Error::Pixels { .. }), "{error}");
    }
    // A product that overflows 32 bits is still no fit.
    assert!(Image::new(&[0], u32::MAX, u32::MAX).is_err());
}

#[test]
fn bad_probabilities_are_refused() {
    let inputs = Inputs::new();
    let class_names = &inputs.names;
    for bad in [f32::NAN, f32::INFINITY, -0.1, 1.5] {
        let mut probabilities = inputs.boot.clone();
        probabilities[3] = bad;
        let error =
            refused(&Figure::Bars { probabilities: &probabilities, truth: None, class_names });
        assert!(error.to_string().starts_with("the prediction: class 3: "), "{error}");
        let wrong = Prediction { probabilities: &probabilities, ..inputs.prediction(None) };
        let items = [inputs.prediction(None), wrong];
        let error = refused(&Figure::Predictions { items: &items, class_names, columns: 3 });
        assert!(error.to_string().starts_with("prediction 1 of 2: class 3: "), "{error}");
        assert!(matches!(error, Error::Value { .. }));
    }
    let short = Prediction { probabilities: &inputs.boot[..9], ..inputs.prediction(None) };
    let error = refused(&Figure::Prediction { prediction: short, class_names });
    assert!(matches!(error, Error::Probabilities { expected: 10, found: 9, .. }), "{error}");
}

#[test]
fn labels_without_a_name_are_refused() {
    let inputs = Inputs::new();
    let class_names = &inputs.names;
    let prediction = inputs.prediction(Some(10));
    let error = refused(&Figure::Prediction { prediction, class_names });
    assert!(matches!(error, Error::Label { found: 10, classes: 10, .. }), "{error}");
    let items = [Labelled { image: inputs.image(), label: 11 }];
    let error = refused(&Figure::Gallery { items: &items, class_names, columns: 5 });
    assert!(error.to_string().starts_with("image 0 of 1: label 11 is outside 0..10"), "{error}");
}

#[test]
fn nothing_to_draw_is_refused() {
    let inputs = Inputs::new();
    let class_names = &inputs.names;
    let items = [inputs.prediction(None)];
    for figure in [
        Figure::Gallery { items: &[], class_names, columns: 5 },
        Figure::Predictions { items: &[], class_names, columns: 3 },
        Figure::Predictions { items: &items, class_names, columns: 0 },
        Figure::Bars { probabilities: &[], truth: None, class_names: &[] },
        Figure::Curves { training: &[], validation: &inputs.validation },
    ] {
        let error = refused(&figure);
        assert!(matches!(error, Error::Empty { .. }), "{error}");
    }
}

#[test]
fn metrics_that_are_no_numbers_are_refused() {
    let good = Epoch { loss: 0.5, accuracy: 0.8 };
    for bad in [
        Epoch { loss: f64::NAN, ..good },
        Epoch { loss: f64::INFINITY, ..good },
        Epoch { accuracy: f64::NAN, ..good },
        Epoch { accuracy: 1.01, ..good },
    ] {
        let error = refused(&Figure::Curves { training: &[good, bad], validation: &[] });
        assert!(error.to_string().contains("of epoch 2"), "{error}");
        refused(&Figure::Curves { training: &[good], validation: &[bad] });
    }
}

#[test]
fn sizes_that_no_picture_can_have_are_refused() {
    let inputs = Inputs::new();
    let figure = Figure::Image { image: inputs.image(), title: "" };
    for size in [
        Size::Scaled(0.0),
        Size::Scaled(-1.0),
        Size::Scaled(f64::NAN),
        Size::Scaled(1e9),
        Size::Exact { width: 0, height: 100 },
        Size::Exact { width: u32::MAX, height: u32::MAX },
    ] {
        let error = render(&figure, Format::Png, size).unwrap_err();
        assert!(matches!(error, Error::Size { .. }), "{error}");
    }
    for size in [Size::Exact { width: 32, height: 32 }, Size::Exact { width: 2000, height: 40 }] {
        Bitmap::of(&figure, size);
    }
}
