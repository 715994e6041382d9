//! What the libraries report, in the three parts that the command speaks in: what, where, what next.

use crate::exit::{Code, Failure};
use app::{datasets, image};
use idx::Difference;
use std::io::ErrorKind;
use std::path::Path;

const ANEW: &str = "remove the file, and fetch it anew with `weft fetch`";
const OWN: &str =
    "put a whole file of unsigned bytes in its place, or name other data: --data, --dataset";
const SAME: &str = "put files of the same data set side by side, or fetch it with `weft fetch`";
const NAMES: &str =
    "classes.txt or --classes must name a class for every label from 0 on; or take other labels";
const PERMISSIONS: &str = "check the path and its permissions";

/// What `nn` cannot do, once a model is there.
pub(super) fn network_failure(error: nn::Error) -> Failure {
    match error {
        nn::Error::Diverged { epoch, step, loss } => {
            let what = format!("training diverged: the loss is {loss}");
            Failure::new(Code::Diverged, what)
                .at(format_args!("epoch {epoch}, step {step}"))
                .next("try a smaller learning rate: --lr")
        }
        nn::Error::Architecture(what) => {
            Failure::usage("such a network cannot be built").at(what).next("change --hidden")
        }
        nn::Error::Input(what) => {
            Failure::new(Code::Data, "the model and the data do not fit together")
                .at(what)
                .next("use the model on data of the shape and the classes it was trained on")
        }
        nn::Error::Setting(what) => Failure::setting(what),
        nn::Error::Machine(what) => {
            Failure::new(Code::Other, "this machine cannot train like that")
                .at(what)
                .next("train with --precision f32, which runs everywhere")
        }
        nn::Error::Arithmetic { .. } => {
            Failure::new(Code::Other, "here the run would not go on to the same bits")
                .at(error)
                .next(
                    "resume it on the machine, and with the --isa, that it was begun with; \
                     or begin another from its weights: --init RUN",
                )
        }
        nn::Error::Checkpoint(_) => Failure::new(Code::Model, error),
        _ => Failure::new(Code::Other, error),
    }
}

/// What is wrong with a data set.
pub(super) fn data_failure(error: datasets::Error) -> Failure {
    use datasets::Error;
    match error {
        Error::Missing { folder, missing } => data("there is no data set in that folder")
            .at(format_args!("{}: {missing} is not there", folder.display()))
            .next(
                "`weft fetch --dataset NAME --data FOLDER` puts one there; or try --dataset sample",
            ),
        Error::Ambiguous { folder, role, found } => {
            data(format_args!("several files in that folder could be the {role}"))
                .at(format_args!("{}: {}", folder.display(), found.join(", ")))
                .next("keep the four files of a data set in a folder of their own")
        }
        Error::Unreachable { set, folder, tried } => {
            let tried = tried.iter().map(|t| format!("\n    {t}")).collect::<String>();
            data(format_args!("{set} is not here and cannot be fetched"))
                .at(format_args!("{}; tried:{tried}", folder.display()))
                .next(
                    "put its four files (train-images-idx3-ubyte, train-labels-idx1-ubyte, \
                     t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte; plain or .gz) into a folder \
                     and say --data FOLDER; \
                     or try the built-in sample: --dataset sample",
                )
        }
        Error::Corrupt { file, source_name, what } => {
            let where_ = format!("{file} from {source_name}: {what}");
            let source = Path::new(&source_name);
            let next = if source.is_file() { mend(source) } else { ANEW };
            data("a file is not the data set's").at(where_).next(next)
        }
        Error::Io { path, source } if source.kind() == ErrorKind::InvalidData => {
            data("a text file of the data set is not UTF-8")
                .at(path.display())
                .next("save it as UTF-8")
        }
        Error::Io { path, source } => {
            Failure::io("cannot use a file of the data set", &path, &source).next(PERMISSIONS)
        }
        Error::Idx(error) => idx_failure(error),
        other => data(other).next(OWN),
    }
}

/// What is wrong with an IDX file.
fn idx_failure(error: idx::Error) -> Failure {
    use idx::Error;
    match error {
        Error::Io { path, source } => {
            Failure::io("cannot read a file of the data set", &path, &source).next(PERMISSIONS)
        }
        Error::Format { path, source } => {
            let idx::FormatError { offset, expected, found, next } = source;
            let (path, mend) = (path.display(), mend(&path));
            data("a file of the data set is not a valid IDX file")
                .at(format_args!("{path}, byte {offset}: expected {expected}, found {found}"))
                .next(next.unwrap_or(mend))
        }
        Error::Unsupported { path, expected, found } => {
            data("a file of the data set holds something else")
                .at(format_args!("{}: expected {expected}, found {found}", path.display()))
                .next(mend(&path))
        }
        Error::Mismatch { images, labels, what } => {
            let named = matches!(what, Difference::Label { .. });
            data("images and labels do not belong together")
                .at(format_args!("{} and {}: {what}", images.display(), labels.display()))
                .next(if named { NAMES } else { SAME })
        }
        other => data(other).next(OWN),
    }
}

/// A file without an image.
pub(super) fn no_image(path: &Path) -> Failure {
    data("a file of images holds no image").at(path.display()).next(mend(path))
}

/// A file whose images are empty: there would be nothing for a network to look at.
pub(super) fn no_pixel(path: &Path, dims: &[usize]) -> Failure {
    let sizes: Vec<String> = dims.iter().map(usize::to_string).collect();
    data("the images in a file have no pixels")
        .at(format_args!("{}: each is {}", path.display(), sizes.join("x")))
        .next(mend(path))
}

/// What to do about a file that is not right: what was fetched into the cache can be fetched again, others are the user's, as
/// is what was unpacked from those.
fn mend(file: &Path) -> &'static str {
    let home = datasets::cache();
    let cache = home.as_deref().and_then(Path::parent);
    let fetched =
        cache.is_some_and(|c| file.starts_with(c) && !file.starts_with(c.join("unpacked")));
    if fetched { ANEW } else { OWN }
}

/// A picture that cannot be read.
pub(super) fn unusable(path: &Path, what: &str) -> Failure {
    data("the picture cannot be used")
        .at(format_args!("{}: {what}", path.display()))
        .next("check the path, and save the picture again as PNG or JPEG")
}

/// What is wrong with a picture.
pub(super) fn picture_failure(error: image::Error) -> Failure {
    use image::Error;
    match error {
        Error::Io { path, source } => {
            let failure = Failure::io("cannot read the picture", &path, &source).next(PERMISSIONS);
            let missing = source.kind() == ErrorKind::NotFound;
            Failure { code: if missing { Code::Data } else { failure.code }, ..failure }
        }
        Error::Other { path, found } => data("the picture is no PNG or JPEG file")
            .at(format_args!("{}, byte 0: {found}", path.display()))
            .next("convert it to PNG"),
        Error::Truncated { path, length } => data("the picture is not all there")
            .at(format_args!("{}: the file ends at byte {length}", path.display()))
            .next("copy or download it again"),
        Error::Damaged { path, detail } => data("the picture is damaged")
            .at(format_args!("{}: {detail}", path.display()))
            .next("save or download it again"),
        Error::TooLarge { path, what } => data("the picture is too large")
            .at(format_args!("{}: {what}", path.display()))
            .next("reduce it first"),
        Error::Blank { path, width, height } => data("there is nothing in the picture")
            .at(format_args!(
                "{}: all {width} x {height} pixels are within 5% of the corner's colour",
                path.display()
            ))
            .next("choose one whose object stands out from its background"),
        other => data(other).next("try another picture"),
    }
}

fn data(what: impl std::fmt::Display) -> Failure {
    Failure::new(Code::Data, what)
}
