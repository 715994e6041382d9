//! Fetching, from a server of our own on this machine that behaves as badly as servers do.

mod server;

use app::datasets::fetch::{PackageStep, Sources, fetch};
use app::datasets::manifest::{Entry, sha256, sha256_of};
use app::datasets::{Error, Patience, Progress};
use server::{Mood, Server, gzip, serve};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

/// Content that does not compress: the upper bytes of a linear congruential generator.
fn content() -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..200_000).map(|_| next()).collect()
}

fn entry(name: &str) -> Entry {
    let sha256 = sha256(&content()[..]).expect("hashed in memory");
    let (name, bytes) = (name.to_owned(), content().len() as u64);
    Entry { name, bytes, sha256: Some(sha256), gz: None }
}

/// Sources that lose patience soon enough for a test.
fn sources(mirrors: &[&Server]) -> Sources {
    let soon = Duration::from_millis(300);
    Sources {
        files: vec![entry("file")],
        mirrors: mirrors.iter().map(|s| s.url.clone()).collect(),
        patience: Patience { connect: soon, answer: soon, pause: soon, least: (2000, soon) },
        ..Sources::default()
    }
}

fn from_mirrors(mirrors: &[&Server], folder: &Path) -> Result<(), Error> {
    fetch(&sources(mirrors), folder, &mut |_| {})
}

fn assert_there(folder: &Path) {
    let found = sha256_of(&folder.join("file")).expect("the file is there");
    assert_eq!(Some(found), entry("file").sha256);
    let parts = fs::read_dir(folder).expect("a folder").flatten();
    let left = parts.filter(|e| e.file_name().to_string_lossy().ends_with(".part")).count();
    assert_eq!(left, 0, "nothing half done is left");
}

#[test]
fn a_good_mirror_gives_the_file_and_says_how_far_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let gz = gzip(&content());
    let server = serve(&gz, Mood::Good);
    let mut seen = Vec::new();
    fetch(&sources(&[&server]), folder.path(), &mut |progress| match progress {
        Progress::Bytes { file, done, total } => {
            assert_eq!((file, total), ("file", Some(gz.len() as u64)));
            seen.push(done);
        }
        Progress::Trying(source) => assert_eq!(source, server.url),
    })
    .expect("fetched");
    assert_there(folder.path());
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!((seen.first(), seen.last()), (Some(&0), Some(&(gz.len() as u64))));
    from_mirrors(&[&server], folder.path()).expect("nothing left to fetch");
    assert_eq!(server.ranges().len(), 1, "what is there is not fetched again");
}

#[test]
fn bad_mirrors_are_passed_over() {
    let gz = gzip(&content());
    for mood in [Mood::OtherBytes, Mood::Page, Mood::Forbidden, Mood::Nothing] {
        let folder = tempfile::tempdir().expect("a folder");
        let (bad, good) = (serve(&gz, mood), serve(&gz, Mood::Good));
        from_mirrors(&[&bad, &good], folder.path()).expect("fetched from the second");
        assert_there(folder.path());
    }
}

#[test]
fn slow_mirrors_are_given_up() {
    let gz = gzip(&content());
    for mood in [Mood::Silent, Mood::Stalls, Mood::Dribbles, Mood::Trickles] {
        let folder = tempfile::tempdir().expect("a folder");
        let (slow, good) = (serve(&gz, mood), serve(&gz, Mood::Good));
        let start = Instant::now();
        from_mirrors(&[&slow, &good], folder.path()).expect("fetched from the second");
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
        assert_there(folder.path());
    }
}

#[test]
fn a_server_that_trickles_is_cut_off_once_and_what_came_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(&gzip(&content()), Mood::Trickles);
    let error = from_mirrors(&[&server], folder.path()).expect_err("too slow").to_string();
    assert!(error.contains("too slow"), "{error}");
    assert_eq!(server.ranges().len(), 1, "it is not asked again");
    let kept = fs::metadata(folder.path().join(".file.gz.part")).expect("a part").len();
    assert!((100..10_000).contains(&kept), "{kept}");
    assert_eq!(Patience::default().least, (300_000, Duration::from_secs(30)), "10 KB a second");
}

#[test]
fn what_an_interrupted_fetch_left_is_removed_by_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(&gzip(&content()), Mood::Good);
    let left = folder.path().join(".weft-a1b2c3");
    for asked in [1, 1] {
        fs::write(&left, "half of a file").expect("written");
        from_mirrors(&[&server], folder.path()).expect("fetched, or in place");
        assert!(!left.exists());
        assert_eq!(server.ranges().len(), asked);
        assert_there(folder.path());
    }
}

#[test]
fn a_broken_connection_goes_on_where_it_broke() {
    let folder = tempfile::tempdir().expect("a folder");
    let gz = gzip(&content());
    let (cut, good) = (serve(&gz, Mood::HangsUp), serve(&gz, Mood::Good));
    from_mirrors(&[&cut, &good], folder.path()).expect("fetched in parts");
    assert_there(folder.path());
    let ranges = cut.ranges();
    assert_eq!(ranges[..2], [None, Some(gz.len() / 3 + 1)], "each asks for the rest");
    assert!((2..10).contains(&ranges.len()), "and not for ever: {ranges:?}");
    let last = good.ranges();
    assert!(last[0] > *ranges.last().expect("a range"), "the next mirror sends the rest");
}

#[test]
fn a_part_of_other_bytes_does_not_spoil_the_file() {
    let gz = gzip(&content());
    for left in [&b"what another source sent"[..], &vec![7; gz.len()], &vec![7; gz.len() + 9]] {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(".file.gz.part"), left).expect("written");
        let server = serve(&gz, Mood::Good);
        from_mirrors(&[&server], folder.path()).expect("fetched from the beginning");
        assert_there(folder.path());
        assert_eq!(server.ranges(), [Some(left.len()), None]);
    }
}

#[test]
fn a_part_that_cannot_be_removed_does_not_make_it_go_on_for_ever() {
    let folder = tempfile::tempdir().expect("a folder");
    // Longer than what the server has, so that nothing is left to send, and no file that could be removed.
    fs::create_dir(folder.path().join(".file.gz.part")).expect("a folder in the way");
    let server = serve(&gzip(b""), Mood::Good);
    let url = server.url.clone();
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(from_mirrors(&[&server], folder.path())));
    let fetched = wait.recv_timeout(Duration::from_secs(5)).expect("it comes to an end");
    let error = fetched.expect_err("the folder is in the way").to_string();
    assert!(error.contains(&url), "{error}");
}

#[test]
fn a_server_that_sends_no_parts_sends_the_whole() {
    let gz = gzip(&content());
    for left in [1000, gz.len() + 1000] {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(".file.gz.part"), vec![7; left]).expect("written");
        let server = serve(&gz, Mood::Whole);
        from_mirrors(&[&server], folder.path()).expect("fetched");
        assert_there(folder.path());
        assert_eq!(server.ranges(), [Some(left)], "once is enough");
    }
}

#[test]
fn a_part_that_was_not_asked_for_is_not_taken() {
    let gz = gzip(&content());
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(".file.gz.part"), &gz[..1000]).expect("written");
    let (odd, good) = (serve(&gz, Mood::OtherPart), serve(&gz, Mood::Good));
    from_mirrors(&[&odd, &good], folder.path()).expect("fetched");
    assert_there(folder.path());
    assert_eq!(good.ranges(), [Some(1000)], "what was there is still right");
}

#[test]
fn a_file_that_is_too_long_is_cut_off() {
    let gz = gzip(&content());
    for mood in [Mood::TooLong, Mood::Endless] {
        let folder = tempfile::tempdir().expect("a folder");
        let server = serve(&gz, mood);
        let error = from_mirrors(&[&server], folder.path()).expect_err("too long").to_string();
        assert!(error.contains("more than the file can have"), "{error}");
        let kept = fs::metadata(folder.path().join(".file.gz.part")).map_or(0, |m| m.len());
        assert!(kept < 210_000, "{kept} bytes were written");
        assert_eq!(server.ranges().len(), 1, "and it is not asked again");
    }
}

#[test]
fn a_server_that_brings_nothing_is_not_asked_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(&gzip(&content()), Mood::Nothing);
    let error = from_mirrors(&[&server], folder.path()).expect_err("nothing came").to_string();
    assert!(error.contains("after 0 "), "{error}");
    assert_eq!(server.ranges().len(), 1);
}

#[test]
fn each_file_comes_from_the_first_mirror_that_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let gz = gzip(&content());
    let (first, second) = (serve(&gz, Mood::Only("file")), serve(&gz, Mood::Good));
    let mut sources = sources(&[&first, &second]);
    sources.files.push(entry("other"));
    fetch(&sources, folder.path(), &mut |_| {}).expect("fetched from both");
    assert_there(folder.path());
    assert_eq!(second.ranges().len(), 1, "what the first had is not fetched again");
}

#[test]
fn a_file_in_place_with_other_bytes_is_fetched_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(&gzip(&content()), Mood::Good);
    from_mirrors(&[&server], folder.path()).expect("fetched");
    let mut bytes = content();
    bytes[77] ^= 1;
    fs::write(folder.path().join("file"), &bytes).expect("damaged: same size, other bytes");
    from_mirrors(&[&server], folder.path()).expect("fetched again");
    assert_there(folder.path());
    assert_eq!(server.ranges().len(), 2);
}

#[test]
fn two_that_fetch_at_once_download_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(&gzip(&content()), Mood::Good);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| from_mirrors(&[&server], folder.path()).expect("fetched"));
        }
    });
    assert_there(folder.path());
    assert_eq!(server.ranges().len(), 1);
}

#[test]
fn when_nothing_works_the_error_says_what_was_tried_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let gz = gzip(&content());
    let moods = [Mood::OtherBytes, Mood::Page, Mood::Forbidden, Mood::Silent];
    let servers = moods.map(|mood| serve(&gz, mood));
    let mut sources = sources(&servers.each_ref());
    sources.package = Some(Box::new(|_| Err("no such package".to_owned())));
    let error = fetch(&sources, folder.path(), &mut |_| {}).expect_err("nothing works");
    let Error::Unreachable { tried, .. } = &error else { panic!("{error}") };
    assert_eq!(tried.len(), 5, "{error}");
    let reasons =
        ["expected 200000 bytes, found 29", "a web page", "403", "timeout", "no such package"];
    for (line, reason) in tried.iter().zip(reasons) {
        assert!(line.contains(reason), "`{reason}` is not in: {line}");
    }
    for (server, line) in servers.iter().zip(tried) {
        assert!(line.starts_with(&server.url), "{line}");
    }
    for next in ["--data FOLDER", "train-images-idx3-ubyte", "--dataset sample"] {
        assert!(error.to_string().contains(next), "`{next}` is not in: {error}");
    }
    assert!(!folder.path().join("file").exists(), "no wrong file is left in place");
}

#[test]
fn a_package_serves_where_mirrors_do_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let package: PackageStep = Box::new(|below| {
        fs::write(below.join("file.gz"), gzip(&content())).map_err(|e| e.to_string())?;
        Ok(below.to_owned())
    });
    // The port is free again, so nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let mirrors = vec![format!("http://{nobody}/")];
    let sources = Sources { mirrors, package: Some(package), ..sources(&[]) };
    fetch(&sources, folder.path(), &mut |_| {}).expect("from the package");
    assert_there(folder.path());
}

#[test]
fn what_the_package_installed_is_used_before_any_server_unless_it_is_wrong() {
    let (folder, place) = (tempfile::tempdir(), tempfile::tempdir());
    let (folder, place) = (folder.expect("a folder"), place.expect("a folder"));
    let server = serve(&gzip(&content()), Mood::Good);
    let installed = Some(place.path().to_owned());
    let sources = Sources { installed, ..sources(&[&server]) };
    for (installed, asked) in [(content(), 0), (vec![1; 200_000], 1)] {
        fs::write(place.path().join("file.gz"), gzip(&installed)).expect("written");
        fetch(&sources, folder.path(), &mut |_| {}).expect("fetched");
        assert_there(folder.path());
        assert_eq!(server.ranges().len(), asked);
        fs::remove_file(folder.path().join("file")).expect("removed");
    }
}

#[test]
fn a_gzip_bomb_is_cut_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(&gzip(&vec![0; 20_000_000]), Mood::Good);
    let error = from_mirrors(&[&server], folder.path()).expect_err("too long").to_string();
    assert!(error.contains("found more than 200000"), "{error}");
    assert!(!folder.path().join("file").exists());
}

#[test]
fn a_hash_of_the_compressed_file_will_do() {
    let gz = gzip(&content());
    let right = Some(sha256(&gz[..]).expect("a hash"));
    let known = |gz| Entry { sha256: None, gz, ..entry("file") };
    let server = serve(&gz, Mood::Good);
    for (hash, fits) in [(right, true), (Some("0".repeat(64)), false)] {
        let folder = tempfile::tempdir().expect("a folder");
        let sources = Sources { files: vec![known(hash)], ..sources(&[&server]) };
        let fetched = fetch(&sources, folder.path(), &mut |_| {});
        assert_eq!(fetched.is_ok(), fits);
        assert_eq!(folder.path().join("file").exists(), fits);
    }
}
