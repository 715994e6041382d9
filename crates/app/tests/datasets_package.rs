//! The distribution's package: programs that pretend to be apt, and the real one.
#![cfg(unix)]

use app::datasets::fetch::{Sources, fetch};
use app::datasets::manifest::{Manifest, Package};
use app::datasets::package::Apt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One test at a time: a program that is still open for writing, here or in a process that another test is just
/// starting, cannot be run.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder with programs; each is the text of a shell script.
fn programs(apt_get: &str, dpkg_deb: &str) -> (tempfile::TempDir, Apt) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
        path.into_os_string()
    };
    let apt = Apt { apt_get: path("apt-get", apt_get), dpkg_deb: path("dpkg-deb", dpkg_deb) };
    (folder, apt)
}

fn unpack(apt: &Apt, below: &Path) -> Result<std::path::PathBuf, String> {
    let package = Package { name: "clothes".to_owned(), folder: "usr/share/clothes".to_owned() };
    apt.unpack(&package, below)
}

/// Unpacks nothing but a mark of the package's name.
const UNPACKS: &str =
    r#"mkdir -p "$3/usr/share/clothes"; basename "$2" >"$3/usr/share/clothes/from""#;

#[test]
fn a_package_is_downloaded_and_unpacked_below_the_folder() {
    let _turn = turn();
    let (_programs, apt) = programs(r#"echo "$*" >said; touch clothes_1_all.deb"#, UNPACKS);
    let below = tempfile::tempdir().expect("a folder");
    let place = unpack(&apt, below.path()).expect("unpacked");
    assert_eq!(place, below.path().join("root/usr/share/clothes"));
    assert_eq!(fs::read_to_string(place.join("from")).expect("there"), "clothes_1_all.deb\n");
    let said = fs::read_to_string(below.path().join("said")).expect("there");
    assert!(said.ends_with("download clothes\n"), "{said}");
}

#[test]
fn a_machine_without_lists_of_packages_makes_its_own() {
    let _turn = turn();
    let ways = [
        "E: Unable to locate package clothes",
        "E: Can't find a source to download version '1' of 'clothes:amd64'",
        "E: Failed to fetch clothes_1_all.deb  404  Not Found",
    ];
    for said in ways {
        // Knows the package only when it is told of lists that were updated before.
        let apt_get = format!(
            r#"case "$*" in
            *Dir::State::lists=*update) touch updated ;;
            *Dir::State::lists=*download*) [ -e updated ] && touch clothes_1_all.deb ;;
            *) echo "W: something" >&2; echo "{said}" >&2; exit 100 ;;
            esac"#
        );
        let (_programs, apt) = programs(&apt_get, UNPACKS);
        let below = tempfile::tempdir().expect("a folder");
        assert!(unpack(&apt, below.path()).expect("unpacked").join("from").exists());
    }
}

#[test]
fn what_apt_says_is_passed_on() {
    let _turn = turn();
    let failing =
        r#"echo "W: sandbox" >&2; echo "E: the disk is full" >&2; echo "W: bye" >&2; exit 100"#;
    let below = tempfile::tempdir().expect("a folder");
    let (_programs, apt) = programs(failing, UNPACKS);
    let why = unpack(&apt, below.path()).expect_err("it fails");
    assert!(why.ends_with("apt-get failed: E: the disk is full"), "{why}");

    let (_programs, apt) = programs("touch clothes.deb", "echo not a package >&2; exit 2");
    let why = unpack(&apt, below.path()).expect_err("it fails");
    assert!(why.ends_with("dpkg-deb failed: not a package"), "{why}");

    let (_programs, apt) = programs("true", UNPACKS);
    let empty = tempfile::tempdir().expect("a folder");
    assert_eq!(unpack(&apt, empty.path()).expect_err("nothing"), "apt-get downloaded nothing");

    let apt = Apt { apt_get: "/no/such/apt-get".into(), ..Apt::default() };
    let why = unpack(&apt, empty.path()).expect_err("no apt");
    assert_eq!(why, "/no/such/apt-get is not on this machine");
}

#[test]
#[ignore = "downloads 31 MB with the apt of this machine"]
fn the_real_package_has_the_real_files() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let real = Sources::from(fashion_mnist());
    let sources = Sources { mirrors: Vec::new(), installed: None, ..real };
    fetch(&sources, folder.path(), &mut |_| {}).expect("fetched with apt");
    for entry in fashion_mnist().files {
        let bytes = fs::metadata(folder.path().join(&entry.name)).expect("in place").len();
        assert_eq!(bytes, entry.bytes, "{}", entry.name);
    }
}

fn fashion_mnist() -> Manifest {
    Manifest::named("fashion-mnist").expect("it is in the manifest")
}
