//! Finding, fetching and opening data, with a server of our own on this machine.

use app::datasets::fetch::{Sources, fetch};
use app::datasets::manifest::{Entry, Manifest, sha256, sha256_of};
use app::datasets::{Dataset, Error, Half, Options, locate};
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// How the server answers.
#[derive(Clone, Copy)]
enum Mood {
    Good,
    OtherBytes,
    Page,
    Forbidden,
    /// Sends half, then hangs up; the rest when asked for the rest.
    HangsUp,
}

/// A server that has one file, and what it was asked.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

fn serve(gz: Vec<u8>, mood: Mood) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream, &gz, mood, &log);
        }
    });
    Server { url, requests }
}

fn answer(
    mut stream: TcpStream,
    gz: &[u8],
    mood: Mood,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut request = String::new();
    let mut lines = BufReader::new(stream.try_clone()?);
    while !request.ends_with("\r\n\r\n") {
        lines.read_line(&mut request)?;
    }
    let lower = request.to_lowercase();
    let start = lower.split("range: bytes=").nth(1).and_then(|r| r.split('-').next()?.parse().ok());
    log.lock().expect("a log").push(request);
    let mut send = |status: &str, body: &[u8], length: usize| {
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)
    };
    match (mood, start) {
        (Mood::Good, None) => send("200 OK", gz, gz.len()),
        (Mood::Good | Mood::HangsUp, Some(n)) => {
            send("206 Partial Content", &gz[n..], gz.len() - n)
        }
        (Mood::HangsUp, None) => send("200 OK", &gz[..gz.len() / 2], gz.len()),
        (Mood::OtherBytes, _) => {
            let other = gzip(b"something else of some length");
            send("200 OK", &other, other.len())
        }
        (Mood::Page, _) => send("200 OK", b"<!DOCTYPE html><html>Hello</html>", 33),
        (Mood::Forbidden, _) => send("403 Forbidden", b"no", 2),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(bytes).expect("compressed in memory");
    gz.finish().expect("compressed in memory")
}

/// Content that does not compress away, and its entry.
fn content() -> (Vec<u8>, Entry) {
    let bytes: Vec<u8> =
        (0..200_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let sha256 = sha256(&bytes[..]).expect("hashed in memory");
    (bytes.clone(), Entry { name: "file".to_owned(), bytes: bytes.len() as u64, sha256 })
}

fn from_mirrors(mirrors: &[&Server], folder: &Path) -> Result<(), Error> {
    let mirrors = mirrors.iter().map(|s| s.url.clone()).collect();
    let sources = Sources { files: vec![content().1], mirrors, package: None };
    fetch(&sources, folder, &mut |_| {})
}

fn assert_there(folder: &Path) {
    assert_eq!(sha256_of(&folder.join("file")).expect("the file is there"), content().1.sha256);
    let parts = fs::read_dir(folder).expect("a folder").flatten();
    let left = parts.filter(|e| e.file_name().to_string_lossy().ends_with(".part")).count();
    assert_eq!(left, 0, "nothing half done is left");
}

#[test]
fn a_good_mirror_gives_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(gzip(&content().0), Mood::Good);
    from_mirrors(&[&server], folder.path()).expect("fetched");
    assert_there(folder.path());
    from_mirrors(&[&server], folder.path()).expect("nothing left to fetch");
    assert_eq!(
        server.requests.lock().expect("a log").len(),
        1,
        "what is there is not fetched again"
    );
}

#[test]
fn bad_mirrors_are_passed_over() {
    let gz = gzip(&content().0);
    for mood in [Mood::OtherBytes, Mood::Page, Mood::Forbidden] {
        let folder = tempfile::tempdir().expect("a folder");
        let (bad, good) = (serve(gz.clone(), mood), serve(gz.clone(), Mood::Good));
        from_mirrors(&[&bad, &good], folder.path()).expect("fetched from the second");
        assert_there(folder.path());
    }
}

#[test]
fn a_broken_connection_goes_on_where_it_broke() {
    let folder = tempfile::tempdir().expect("a folder");
    let gz = gzip(&content().0);
    let half = gz.len() / 2;
    let server = serve(gz, Mood::HangsUp);
    from_mirrors(&[&server], folder.path()).expect("fetched in two parts");
    assert_there(folder.path());
    let requests = server.requests.lock().expect("a log");
    assert_eq!(requests.len(), 2);
    assert!(
        requests[1].to_lowercase().contains(&format!("range: bytes={half}-")),
        "{}",
        requests[1]
    );
}

#[test]
fn when_nothing_works_the_error_says_what_was_tried_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let gz = gzip(&content().0);
    let moods = [Mood::OtherBytes, Mood::Page, Mood::Forbidden];
    let servers = moods.map(|mood| serve(gz.clone(), mood));
    let package: app::datasets::fetch::PackageStep =
        Box::new(|_| Err("no such package".to_owned()));
    let mirrors = servers.iter().map(|s| s.url.clone()).collect();
    let sources = Sources { files: vec![content().1], mirrors, package: Some(package) };
    let error = fetch(&sources, folder.path(), &mut |_| {}).expect_err("nothing works").to_string();
    let expected =
        ["expected 200000 bytes", "gzip", "403", "no such package", "--data", "--dataset sample"];
    for part in expected {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
    assert!(!folder.path().join("file").exists(), "no wrong file is left in place");
}

#[test]
fn a_package_serves_where_mirrors_do_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let package: app::datasets::fetch::PackageStep = Box::new(|below| {
        fs::write(below.join("file.gz"), gzip(&content().0)).map_err(|e| e.to_string())?;
        Ok(below.to_owned())
    });
    let dead = "http://127.0.0.1:9/".to_owned();
    let sources = Sources { files: vec![content().1], mirrors: vec![dead], package: Some(package) };
    fetch(&sources, folder.path(), &mut |_| {}).expect("from the package");
    assert_there(folder.path());
}

#[test]
fn a_gzip_bomb_is_cut_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(gzip(&vec![0; 50_000_000]), Mood::Good);
    let error = from_mirrors(&[&server], folder.path()).expect_err("too long").to_string();
    assert!(error.contains("found more than 200000"), "{error}");
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
    assert_eq!(sample().hash().expect("a hash").len(), 64);
}

/// The full set, if it is on this machine.
fn full() -> Option<PathBuf> {
    let places = app::datasets::places(&Options::default());
    let found = places
        .into_iter()
        .find(|(_, p, there)| *there && p.join("train-images-idx3-ubyte").exists());
    found.map(|(_, p, _)| p)
}

#[test]
fn the_sample_is_the_first_of_each_class() {
    // Only where the full set is: CI fetches it in its last step.
    let Some(folder) = full() else { return };
    let options = Options { data: Some(folder), ..Options::default() };
    let set = locate(&options, &mut |_| {}).expect("it is there");
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
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options { data: Some(folder.path().to_owned()), ..Options::default() };
    let error = locate(&options, &mut |_| {}).expect_err("an empty folder").to_string();
    assert!(
        error.contains("train-images-idx3-ubyte") && error.contains("four IDX files"),
        "{error}"
    );
}

#[test]
fn any_folder_with_four_files_will_do_mapped_or_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let sample_folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/sample");
    for file in fs::read_dir(sample_folder).expect("the sample").flatten() {
        fs::copy(file.path(), folder.path().join(file.file_name())).expect("a copy");
    }
    let data = Some(folder.path().to_owned());
    for no_mmap in [false, true] {
        let options = Options { data: data.clone(), no_mmap, sample: false };
        let set = locate(&options, &mut |_| {}).expect("four files");
        assert_eq!(set.open(Half::Test).expect("the test half").len(), 200);
        assert_eq!(set.hash().expect("a hash"), sample().hash().expect("a hash"));
    }
}

#[test]
fn the_manifest_names_four_files_mirrors_over_tls_and_a_package() {
    let manifest = Manifest::fashion_mnist();
    assert_eq!(manifest.files.len(), 4);
    assert_eq!(manifest.files.iter().map(|f| f.bytes).sum::<u64>(), 54_950_048);
    assert!(manifest.files.iter().all(|f| f.sha256.len() == 64));
    assert!(
        !manifest.mirrors.is_empty() && manifest.mirrors.iter().all(|m| m.starts_with("https://"))
    );
    assert!(manifest.package.is_some());
}
