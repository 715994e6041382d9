//! Fetching: mirrors first, then the distribution's package.

use super::manifest::{Entry, Manifest, Package};
use super::unpack::unpack;
use super::{Error, Progress};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How to get the files; tests put their own in.
pub struct Sources {
    /// The files.
    pub files: Vec<Entry>,
    /// Places that have `NAME.gz`, best first, each ending in `/`.
    pub mirrors: Vec<String>,
    /// Unpacks the distribution's package below a folder and says where the files are in it.
    pub package: Option<PackageStep>,
}

/// Unpacks a package below a folder, says where the files are, or why not.
pub type PackageStep = Box<dyn Fn(&Path) -> Result<PathBuf, String>>;

impl From<Manifest> for Sources {
    fn from(manifest: Manifest) -> Sources {
        let Manifest { files, mirrors, package } = manifest;
        let package = package.map(|p| -> PackageStep { Box::new(move |below| apt(&p, below)) });
        Sources { files, mirrors, package }
    }
}

/// Fetches all files into `folder`: one source after the other until one has them all. Files that are already
/// in place are kept. What came of a file before a connection broke is used again.
///
/// # Errors
/// [`Error::Unreachable`] with what was tried and why each failed, [`Error::Io`] if the folder cannot be
/// written.
pub fn fetch(
    sources: &Sources,
    folder: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), Error> {
    let io = |source| Error::Io { path: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(io)?;
    // Two processes that fetch at once take turns; the second finds everything in place.
    let lock = File::create(folder.join(".lock")).map_err(io)?;
    lock.lock().map_err(io)?;
    let missing =
        |e: &&Entry| fs::metadata(folder.join(&e.name)).map_or(true, |m| m.len() != e.bytes);
    let wanted: Vec<&Entry> = sources.files.iter().filter(missing).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let mut tried = Vec::new();
    for mirror in &sources.mirrors {
        progress(Progress::Trying(mirror));
        let all = wanted.iter().try_for_each(|e| download(mirror, e, folder, progress));
        match all {
            Ok(()) => return Ok(()),
            Err(why) => tried.push(format!("{mirror}: {why}")),
        }
    }
    if let Some(package) = &sources.package {
        progress(Progress::Trying("the distribution's package"));
        let temporary = tempfile::tempdir().map_err(io)?;
        let from_package = package(temporary.path()).and_then(|place| {
            wanted.iter().try_for_each(|e| {
                let gz = place.join(format!("{}.gz", e.name));
                let file = File::open(&gz).map_err(|why| format!("{}: {why}", e.name))?;
                unpack(file, e, folder, "the package").map_err(|e| e.to_string())
            })
        });
        match from_package {
            Ok(()) => return Ok(()),
            Err(why) => tried.push(format!("the distribution's package: {why}")),
        }
    }
    Err(Error::Unreachable { folder: folder.to_owned(), tried })
}

/// Downloads one file and puts it in place.
fn download(
    mirror: &str,
    entry: &Entry,
    folder: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), String> {
    let url = format!("{mirror}{}.gz", entry.name);
    let part = folder.join(format!(".{}.gz.part", entry.name));
    let result = transfer(&url, &part, &entry.name, progress).and_then(|()| {
        let file = File::open(&part).map_err(|e| e.to_string())?;
        unpack(file, entry, folder, mirror).map_err(|e| {
            // Whole but wrong: of no use to another attempt.
            let _ = fs::remove_file(&part);
            e.to_string()
        })
    });
    if result.is_ok() {
        let _ = fs::remove_file(&part);
    }
    result
}

/// Downloads a URL into a file, going on where the file ends; tries again a few times if the connection breaks.
fn transfer(
    url: &str,
    part: &Path,
    name: &str,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), String> {
    const ATTEMPTS: usize = 3;
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(5)))
        .timeout_recv_response(Some(Duration::from_secs(15)))
        .http_status_as_error(false)
        .build()
        .into();
    let mut broken = String::new();
    for _ in 0..ATTEMPTS {
        match attempt(&agent, url, part, name, progress) {
            Ok(()) => return Ok(()),
            Err(Attempt::Final(why)) => return Err(why),
            Err(Attempt::Broken(why)) => broken = why,
        }
    }
    Err(broken)
}

/// Why an attempt ended.
enum Attempt {
    /// Another attempt may do better.
    Broken(String),
    /// It will not.
    Final(String),
}

fn attempt(
    agent: &ureq::Agent,
    url: &str,
    part: &Path,
    name: &str,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), Attempt> {
    let there = fs::metadata(part).map_or(0, |m| m.len());
    let mut request = agent.get(url);
    if there > 0 {
        request = request.header("Range", format!("bytes={there}-"));
    }
    let response = request.call().map_err(|e| Attempt::Final(e.to_string()))?;
    let status = response.status().as_u16();
    let resumed = match status {
        206 if there > 0 => true,
        200 => false,
        416 => {
            // Nothing is left to send: the part is whole, or of something else.
            return Ok(());
        }
        _ => return Err(Attempt::Final(format!("the server answered {status}"))),
    };
    let length =
        response.headers().get("content-length").and_then(|v| v.to_str().ok()?.parse().ok());
    let start = if resumed { there } else { 0 };
    let total: Option<u64> = length.map(|n: u64| n + start);
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .append(resumed)
        .truncate(!resumed)
        .open(part)
        .map_err(|e| Attempt::Final(format!("{}: {e}", part.display())))?;
    let mut body = response.into_body().into_reader();
    let mut buffer = vec![0; 1 << 16];
    let mut done = start;
    loop {
        match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                file.write_all(&buffer[..n]).map_err(|e| Attempt::Final(e.to_string()))?;
                done += n as u64;
                progress(Progress::Bytes { file: name, done, total });
            }
            Err(e) => return Err(Attempt::Broken(format!("after {done} bytes: {e}"))),
        }
    }
    match total {
        Some(n) if done < n => {
            Err(Attempt::Broken(format!("the connection ended after {done} of {n} bytes")))
        }
        _ => Ok(()),
    }
}

/// Downloads a package with apt and unpacks it below a folder, without root.
fn apt(package: &Package, below: &Path) -> Result<PathBuf, String> {
    let run = |command: &mut Command| {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = command.output().map_err(|e| format!("{name}: {e}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last =
            said.lines().rfind(|l| !l.trim().is_empty()).unwrap_or("no reason given").to_owned();
        Err(format!("{name} failed: {last}"))
    };
    run(Command::new("apt-get").args(["download", &package.name]).current_dir(below))?;
    let entries = fs::read_dir(below).map_err(|e| e.to_string())?;
    let deb =
        entries.flatten().map(|e| e.path()).find(|p| p.extension().is_some_and(|x| x == "deb"));
    let deb = deb.ok_or("apt-get downloaded nothing")?;
    let root = below.join("root");
    run(Command::new("dpkg-deb").arg("-x").arg(deb).arg(&root))?;
    Ok(root.join(&package.folder))
}
