//! Finding, unpacking and opening data sets.

use app::datasets::fetch::Sources;
use app::datasets::manifest::{Entry, Manifest, sha256_of};
use app::datasets::{CLASS_NAMES, Dataset, Error, Half, Options, Search, locate};
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

const NAMES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// A machine of its own: a cache, and nothing anywhere else.
struct Room {
    folder: tempfile::TempDir,
    search: Search,
}

impl Room {
    fn new() -> Room {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Some(folder.path().join("cache"));
        Room { search: Search { cache, ..Search::default() }, folder }
    }

    /// A folder of the room.
    fn folder(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(&path).expect("a folder");
        path
    }

    fn locate(&self, options: &Options) -> Result<Dataset, Error> {
        self.search.locate(options, &mut |_| {})
    }

    fn data(&self, folder: &Path) -> Result<Dataset, Error> {
        self.locate(&Options { data: Some(folder.to_owned()), ..Options::default() })
    }
}

fn sample_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/sample").join(name)
}

fn put_sample(folder: &Path) {
    for name in NAMES {
        fs::copy(sample_file(name), folder.join(name)).expect("a copy");
    }
}

/// A set of as many images as there are labels, all pixels of one grey.
fn put_set(folder: &Path, grey: u8, labels: &[u8]) {
    let n = labels.len();
    for (i, name) in NAMES.iter().enumerate() {
        let mut bytes = Vec::new();
        let written = match i % 2 {
            0 => idx::write(&mut bytes, &[n, 2, 2], &vec![grey; n * 4]),
            _ => idx::write(&mut bytes, &[n], labels),
        };
        written.expect("written in memory");
        fs::write(folder.join(name), bytes).expect("written");
    }
}

/// Compresses all files of a folder.
fn compress(folder: &Path) {
    for name in NAMES {
        let bytes = fs::read(folder.join(name)).expect("a file");
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(&bytes).expect("compressed in memory");
        let gz = gz.finish().expect("compressed in memory");
        fs::write(folder.join(format!("{name}.gz")), gz).expect("written");
        fs::remove_file(folder.join(name)).expect("removed");
    }
}

/// Where a data set's test images are seen to come from.
fn grey(set: &Dataset) -> u8 {
    set.open(Half::Test).expect("a test half").images()[0]
}

fn sample() -> Dataset {
    let options = Options { sample: true, ..Options::default() };
    locate(&options, &mut |_| {}).expect("built in")
}

#[test]
fn the_sample_has_every_class_equally_often() {
    for (half, each) in [(Half::Train, 100), (Half::Test, 20)] {
        let data = sample().open(half).expect("built in");
        assert_eq!((data.len(), data.shape()), (10 * each, (28, 28)));
        for class in 0..10 {
            assert_eq!(data.labels().iter().filter(|l| **l == class).count(), each);
        }
    }
    assert_eq!(sample().class_names, CLASS_NAMES);
}

#[test]
fn the_sample_in_git_takes_a_megabyte_at_most_and_has_its_licence() {
    let files = fs::read_dir(sample_file("")).expect("the sample").flatten();
    let bytes: u64 = files.map(|f| f.metadata().expect("a file").len()).sum();
    assert!(bytes <= 1_000_000, "{bytes}");
    let licence = fs::read_to_string(sample_file("LICENSE")).expect("a licence");
    assert!(licence.contains("Copyright (c) 2017 Zalando SE, https://tech.zalando.com"));
}

/// The full set, if it is on this machine.
fn full() -> Option<Dataset> {
    let here = Search::here();
    let places = here.places(&Options::default()).into_iter();
    let folder = places.map(|(_, p, _)| p).find(|p| NAMES.iter().all(|n| p.join(n).exists()))?;
    // Without its sources, so that nothing is ever downloaded by a test.
    let search = Search { sources: Sources::default(), ..here };
    let options = Options { data: Some(folder), ..Options::default() };
    search.locate(&options, &mut |_| {}).ok().filter(|set| set.name == "fashion-mnist")
}

#[test]
fn the_sample_is_the_first_of_each_class() {
    // Only where the full set is: CI fetches it in its last step.
    let Some(set) = full() else { return };
    assert_eq!(set.class_names, CLASS_NAMES);
    for (half, each) in [(Half::Train, 100), (Half::Test, 20)] {
        let (all, few) = (set.open(half).expect("the set"), sample().open(half).expect("built in"));
        let mut seen = [0; 10];
        let mut picked = 0;
        for i in 0..all.len() {
            let class = usize::from(all.labels()[i]);
            if seen[class] < each {
                seen[class] += 1;
                assert_eq!(few.image(picked), all.image(i), "image {picked} of the sample");
                assert_eq!(few.label(picked), all.label(i));
                picked += 1;
            }
        }
        assert_eq!(picked, few.len());
    }
}

#[test]
fn a_folder_without_the_files_is_an_error_that_names_them() {
    let room = Room::new();
    let empty = room.folder("empty");
    let error = room.data(&empty).expect_err("an empty folder").to_string();
    for name in NAMES {
        assert!(error.contains(name), "{error}");
    }
    assert!(error.contains(&empty.display().to_string()), "{error}");
}

#[test]
fn any_folder_with_four_files_will_do_mapped_or_read() {
    let room = Room::new();
    let folder = room.folder("clothes");
    put_sample(&folder);
    for no_mmap in [false, true] {
        let options = Options { data: Some(folder.clone()), no_mmap, ..Options::default() };
        let set = room.locate(&options).expect("four files");
        assert_eq!(set.open(Half::Test).expect("the test half").len(), 200);
        assert_eq!(set.hash().expect("a hash"), sample().hash().expect("a hash"));
        assert_eq!((set.name.as_str(), &set.class_names), ("sample", &sample().class_names));
        assert_eq!(set.place(), folder.display().to_string());
    }
    let names = fs::read_dir(&folder).expect("a folder").count();
    assert_eq!(names, 4, "nothing is written into a folder that is only read");
}

#[test]
fn another_set_has_its_own_name_classes_and_hash() {
    let room = Room::new();
    let folder = room.folder("digits");
    put_set(&folder, 5, &[0, 3, 11]);
    let set = room.data(&folder).expect("four files");
    assert_eq!(set.name, "digits");
    let numbers: Vec<String> = (0..=11).map(|n| n.to_string()).collect();
    assert_eq!(set.class_names, numbers);
    assert_eq!(set.open(Half::Train).expect("a train half").labels(), [0, 3, 11]);
    assert_ne!(set.hash().expect("a hash"), sample().hash().expect("a hash"));

    fs::write(folder.join("classes.txt"), "zero\n one \n\ntwo\nthree\n").expect("written");
    let set = room.data(&folder).expect("four files");
    assert_eq!(set.class_names, ["zero", "one", "two", "three"]);
    let error = set.open(Half::Train).expect_err("label 11 of 4 classes").to_string();
    assert!(error.contains("label 11") && error.contains("4 classes"), "{error}");
}

#[test]
fn a_file_that_changes_changes_the_hash() {
    let room = Room::new();
    let folder = room.folder("digits");
    put_set(&folder, 5, &[0, 1]);
    let before = room.data(&folder).and_then(|set| set.hash()).expect("a hash");
    assert_eq!(room.data(&folder).and_then(|set| set.hash()).expect("a hash"), before);
    put_set(&folder, 6, &[0, 1]);
    let after = room.data(&folder).and_then(|set| set.hash()).expect("a hash");
    assert_ne!(before, after);
}

#[test]
fn bad_labels_are_an_error_with_their_path() {
    let room = Room::new();
    let folder = room.folder("bad");
    put_set(&folder, 5, &[0, 1]);
    fs::write(folder.join(NAMES[3]), "<!DOCTYPE html>").expect("written");
    let error = room.data(&folder).expect_err("a web page").to_string();
    assert!(error.contains(NAMES[3]) && error.contains("HTML"), "{error}");
}

#[test]
fn compressed_sets_of_the_same_sizes_are_not_mixed_up() {
    let room = Room::new();
    let (one, two) = (room.folder("one"), room.folder("two"));
    put_set(&one, 1, &[0, 1]);
    put_set(&two, 2, &[0, 1]);
    let plain = room.data(&one).and_then(|set| set.hash()).expect("a hash");
    compress(&one);
    compress(&two);
    for _ in 0..2 {
        for (folder, name, value) in [(&one, "one", 1), (&two, "two", 2)] {
            let set = room.data(folder).expect("unpacked");
            assert_eq!((set.name.as_str(), grey(&set)), (name, value));
            assert_eq!(set.place(), folder.display().to_string());
        }
    }
    assert_eq!(room.data(&one).and_then(|set| set.hash()).expect("a hash"), plain);
    assert_eq!(fs::read_dir(&one).expect("a folder").count(), 4, "nothing is written there");
}

#[test]
fn what_is_unpacked_is_used_until_either_side_changes() {
    let room = Room::new();
    let (one, two) = (room.folder("one"), room.folder("two"));
    for (folder, value) in [(&one, 1), (&two, 2)] {
        put_set(folder, value, &[0, 1]);
        compress(folder);
    }
    // A file that has just changed is not trusted to have stopped changing.
    std::thread::sleep(std::time::Duration::from_millis(3100));
    let unpacked = || -> Vec<_> {
        let folders = fs::read_dir(room.folder("cache/unpacked")).expect("a folder").flatten();
        let files = folders.map(|f| f.path().join(NAMES[2]));
        files.map(|f| (f.metadata().and_then(|m| m.modified()).expect("a time"), f)).collect()
    };
    let both = || [&one, &two].map(|folder| grey(&room.data(folder).expect("unpacked")));
    assert_eq!(both(), [1, 2]);
    let first = unpacked();
    assert_eq!(both(), [1, 2]);
    assert_eq!((first.len(), &unpacked()), (2, &first), "used again");

    for (_, file) in &first {
        fs::write(file, "damaged").expect("written");
    }
    assert_eq!(both(), [1, 2], "mended");
    for (_, file) in &first {
        fs::remove_file(file).expect("removed");
    }
    assert_eq!(both(), [1, 2], "mended");
    put_set(&one, 3, &[0, 1]);
    compress(&one);
    assert_eq!(grey(&room.data(&one).expect("unpacked anew")), 3);
    assert_eq!(grey(&room.data(&two).expect("as it was")), 2);
}

#[test]
fn a_compressed_file_that_is_none_is_an_error_that_names_it() {
    let room = Room::new();
    let folder = room.folder("set");
    put_set(&folder, 1, &[0, 1]);
    compress(&folder);
    let last = folder.join(format!("{}.gz", NAMES[3]));
    let whole = fs::read(&last).expect("a file");
    let cases = [
        (&b"<!DOCTYPE html>"[..], "a web page"),
        (&b""[..], "found nothing"),
        (&b"PK\x03\x04"[..], "50, 4b"),
        (&whole[..whole.len() - 5], "not a whole gzip file"),
    ];
    for (bytes, reason) in cases {
        fs::write(&last, bytes).expect("written");
        let error = room.data(&folder).expect_err("no gzip file").to_string();
        assert!(error.contains(reason) && error.contains(NAMES[3]), "`{reason}`: {error}");
    }
    let mut plain = Vec::new();
    idx::write(&mut plain, &[2], &[1u8, 1]).expect("written in memory");
    fs::write(&last, &plain).expect("written");
    let set = room.data(&folder).expect("unpacked by a browser, that left the name");
    assert_eq!(set.open(Half::Test).expect("a test half").labels(), [1, 1]);
}

/// A machine where a small set of four files is what Fashion-MNIST is elsewhere, installed by a package.
fn with_package(room: &mut Room) {
    let place = room.folder("installed");
    put_set(&place, 9, &[0, 1]);
    let entry = |name: &&str| {
        let path = place.join(name);
        let bytes = fs::metadata(&path).expect("a file").len();
        let sha256 = Some(sha256_of(&path).expect("a hash"));
        Entry { name: (*name).to_owned(), bytes, sha256, gz: None }
    };
    let files = NAMES.iter().map(entry).collect();
    compress(&place);
    room.search.sources = Sources { files, installed: Some(place), ..Sources::default() };
}

#[test]
fn places_are_looked_at_in_order() {
    let mut room = Room::new();
    with_package(&mut room);
    let set = room.locate(&Options::default()).expect("from the package");
    assert_eq!((grey(&set), set.place()), (9, room.search.home().display().to_string()));

    let (near, nearer) = (room.folder("near"), room.folder("nearer"));
    room.search.near = vec![nearer.clone(), near.clone()];
    assert_eq!(grey(&room.locate(&Options::default()).expect("from the cache")), 9);
    for (value, folder) in [(1, &near), (2, &nearer)] {
        put_set(folder, value, &[0, 1]);
        assert_eq!(grey(&room.locate(&Options::default()).expect("near")), value);
    }
    let (variable, named) = (room.folder("variable"), room.folder("named"));
    room.search.variable = Some(variable.clone());
    room.locate(&Options::default()).expect_err("the variable's folder is empty");
    put_set(&variable, 3, &[0, 1]);
    assert_eq!(grey(&room.locate(&Options::default()).expect("the variable's")), 3);
    room.data(&named).expect_err("the named folder is empty");
    put_set(&named, 4, &[0, 1]);
    assert_eq!(grey(&room.data(&named).expect("the named one")), 4);

    // What is named is looked at and nothing else.
    let options = Options { data: Some(named.clone()), ..Options::default() };
    assert_eq!(room.search.places(&options), [("--data".to_owned(), named, true)]);
    let found = ("$WEFT_DATA".to_owned(), variable, true);
    assert_eq!(room.search.places(&Options::default()), [found]);
    room.search.variable = None;
    let all = room.search.places(&Options::default());
    let order: Vec<&str> = all.iter().map(|(what, _, _)| what.as_str()).collect();
    assert_eq!(order, ["here", "here", "cache", "package"]);
    assert!(all.iter().all(|(_, _, there)| *there), "{all:?}");
}

#[test]
fn a_wrong_file_in_the_cache_is_put_right() {
    let mut room = Room::new();
    with_package(&mut room);
    let right = room.locate(&Options::default()).and_then(|s| s.hash()).expect("a hash");
    let path = room.search.home().join(NAMES[1]);
    let mut bytes = fs::read(&path).expect("a file");
    *bytes.last_mut().expect("a label") = 0;
    fs::write(&path, bytes).expect("written: same size, another label");
    let set = room.locate(&Options::default()).expect("put right");
    assert_eq!(set.open(Half::Train).expect("a train half").labels(), [0, 1]);
    assert_eq!(set.hash().expect("a hash"), right);
}

#[test]
fn fetching_into_a_folder_does_not_replace_files_of_the_users() {
    let mut room = Room::new();
    with_package(&mut room);
    let (empty, theirs) = (room.folder("empty"), room.folder("theirs"));
    let fetch = |folder: &Path| room.search.fetch_into(Some(folder.to_owned()), &mut |_| {});
    assert_eq!(fetch(&empty).expect("fetched"), empty);
    assert_eq!(grey(&room.data(&empty).expect("a set")), 9);

    put_set(&theirs, 8, &[0, 1]);
    let error = fetch(&theirs).expect_err("files of another set").to_string();
    assert!(error.contains(NAMES[0]) && error.contains("another folder"), "{error}");
    assert_eq!(grey(&room.data(&theirs).expect("a set")), 8);
}

#[test]
fn the_manifest_names_four_files_mirrors_and_classes_of_every_set() {
    let sets = Manifest::all();
    let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
    assert_eq!(names[..3], ["fashion-mnist", "mnist", "kmnist"]);
    assert!(names[3..].iter().all(|name| name.starts_with("emnist-")), "{names:?}");
    let hex = |hash: &String| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    for set in &sets {
        let files: Vec<&str> = set.files.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(files, NAMES, "{}", set.name);
        for file in &set.files {
            // Either the bytes themselves or the file that holds them are known.
            let hash = file.sha256.as_ref().or(file.gz.as_ref());
            assert!(hash.is_some_and(hex), "{}: {}", set.name, file.name);
            let labels = if file.name.starts_with("train") { 60_000 } else { 10_000 };
            let digits = !set.name.starts_with("emnist");
            assert!(!digits || [labels + 8, labels * 784 + 16].contains(&file.bytes));
        }
        assert!(!set.mirrors.is_empty() && (2..=62).contains(&set.classes.len()), "{}", set.name);
        assert!(set.mirrors.iter().all(|m| m.starts_with("http")), "{}", set.name);
        let mut classes = set.classes.clone();
        classes.sort();
        classes.dedup();
        assert_eq!(classes.len(), set.classes.len(), "{}", set.name);
        assert!(!set.title.is_empty() && !set.about.is_empty(), "{}", set.name);
    }
    assert_eq!(sets[0].classes, CLASS_NAMES);
    assert!(sets[0].mirrors.iter().all(|m| m.starts_with("https://") && m.ends_with('/')));
    assert_eq!(sets[0].package.as_ref().expect("a package").name, "dataset-fashion-mnist");
}

#[test]
fn names_of_other_styles_are_found_by_what_they_tell() {
    let room = Room::new();
    let folder = room.folder("kaggle");
    put_set(&folder, 5, &[0, 1]);
    for name in NAMES {
        let other = name.replace("-idx", ".idx").replace("t10k", "test");
        fs::rename(folder.join(name), folder.join(other)).expect("renamed");
    }
    fs::write(folder.join("test-images.txt"), "not one of them").expect("written");
    assert_eq!(grey(&room.data(&folder).expect("four files")), 5);

    let second = folder.join("my-test-labels");
    fs::write(&second, "").expect("written");
    let error = room.data(&folder).expect_err("two files of test labels").to_string();
    assert!(error.contains("my-test-labels") && error.contains("test labels"), "{error}");
    fs::remove_file(&second).expect("removed");

    // Some compressed, some not, and an unpacked file beside its .gz.
    let gz = folder.join("train-images.idx3-ubyte.gz");
    let mut packed = GzEncoder::new(fs::File::create(&gz).expect("a file"), Compression::fast());
    let plain = folder.join("train-images.idx3-ubyte");
    packed.write_all(&fs::read(&plain).expect("a file")).expect("compressed");
    packed.finish().expect("compressed");
    assert_eq!(grey(&room.data(&folder).expect("both")), 5);
    fs::remove_file(&plain).expect("removed");
    let set = room.data(&folder).expect("only one compressed");
    assert_eq!(set.open(Half::Train).expect("a train half").len(), 2);
}

#[test]
fn four_files_can_be_named_one_by_one_and_classes_in_a_file() {
    let room = Room::new();
    let (one, two) = (room.folder("one"), room.folder("two"));
    put_set(&one, 1, &[0, 1]);
    put_set(&two, 2, &[0, 1, 2]);
    let classes = room.folder("").join("names");
    fs::write(&classes, "cat\ndog\nhen\n").expect("written");
    let files = [one.join(NAMES[0]), one.join(NAMES[1]), two.join(NAMES[2]), two.join(NAMES[3])];
    let options =
        Options { files: Some(files), classes: Some(classes.clone()), ..Options::default() };
    let set = room.locate(&options).expect("four files");
    assert_eq!((grey(&set), set.name.as_str()), (2, "one"));
    assert_eq!(set.class_names, ["cat", "dog", "hen"]);
    assert_eq!(set.open(Half::Train).expect("a train half").len(), 2);
    fs::write(&classes, "cat\n").expect("written");
    let set = room.locate(&options).expect("four files");
    let error = set.open(Half::Train).expect_err("more labels than names").to_string();
    assert!(error.contains("1 classes"), "{error}");
}

/// The files of EMNIST's letters as the source has them: columns first, labels from 1.
fn put_letters(folder: &Path) {
    for (name, n) in [("train", 3u8), ("test", 2)] {
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        let pixels: Vec<u8> = (0..n).flat_map(|i| [10 * i, 1, 2, 3]).collect();
        idx::write(&mut images, &[n.into(), 2, 2], &pixels).expect("written in memory");
        let all: Vec<u8> = (0..n).map(|i| 26 - i).collect();
        idx::write(&mut labels, &[n.into()], &all).expect("written in memory");
        let path = |what: &str| folder.join(format!("emnist-letters-{name}-{what}-ubyte"));
        fs::write(path("images-idx3"), images).expect("written");
        fs::write(path("labels-idx1"), labels).expect("written");
    }
}

#[test]
fn emnists_files_are_put_upright() {
    let room = Room::new();
    let folder = room.folder("gzip");
    put_letters(&folder);
    for _ in 0..2 {
        let set = room.data(&folder).expect("the letters");
        assert_eq!((set.name.as_str(), set.class_names.len()), ("emnist-letters", 26));
        let train = set.open(Half::Train).expect("a train half");
        assert_eq!(train.labels(), [25, 24, 23]);
        assert_eq!(train.image(1), Some(&[10, 2, 1, 3][..]), "rows and columns are swapped");
        assert_eq!(set.class_names[25], "Z");
    }
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 4, "nothing is written there");

    // Beside another set, as in the archive, its name says which is meant.
    for entry in fs::read_dir(&folder).expect("a folder").flatten() {
        let name = entry.file_name().to_string_lossy().replace("letters", "digits");
        fs::copy(entry.path(), folder.join(name)).expect("a copy");
    }
    let error = room.data(&folder).expect_err("two sets").to_string();
    assert!(error.contains("emnist-digits-train-images"), "{error}");
    let search = Search { set: "emnist-letters".to_owned(), ..Search::default() };
    let search = Search { cache: room.search.cache.clone(), ..search };
    let options = Options { data: Some(folder), ..Options::default() };
    let set = search.locate(&options, &mut |_| {}).expect("the letters");
    assert_eq!(set.name, "emnist-letters");
}
