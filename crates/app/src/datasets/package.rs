//! The distribution's package as a source: downloaded with apt, unpacked without root.

use super::manifest::Package;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The programs; tests put their own in.
#[derive(Clone, Debug)]
pub struct Apt {
    /// Downloads.
    pub apt_get: OsString,
    /// Unpacks.
    pub dpkg_deb: OsString,
}

impl Default for Apt {
    fn default() -> Apt {
        Apt { apt_get: "apt-get".into(), dpkg_deb: "dpkg-deb".into() }
    }
}

/// What both downloads are told: a server that does not answer is given up soon.
const SOON: [&str; 6] = [
    "-o",
    "Acquire::http::Timeout=15",
    "-o",
    "Acquire::https::Timeout=15",
    "-o",
    "Acquire::Retries=1",
];

/// How apt words that its lists of packages are missing or too old.
const STALE: [&str; 5] = [
    "Unable to locate package",
    "No packages found",
    "Can't find a source to download",
    "no installation candidate",
    "404 ",
];

impl Apt {
    /// Downloads a package and unpacks it below a folder; returns the folder that has the files.
    ///
    /// A machine that has never updated its lists of packages knows none, and updating them takes root. Then
    /// lists of our own are made below the folder.
    ///
    /// # Errors
    /// What the programs say, in a line.
    pub fn unpack(&self, package: &Package, below: &Path) -> Result<PathBuf, String> {
        let first = self.download(&package.name, below, &[]);
        if let Err(why) = first {
            if !why.stale {
                return Err(why.said);
            }
            let own = own_lists(below).map_err(|e| e.to_string())?;
            let update = self.apt_get(below, &own, &["update"]);
            let again = update.and_then(|()| self.download(&package.name, below, &own));
            again.map_err(|e| format!("{}; with new lists of packages: {}", why.said, e.said))?;
        }
        let deb = fs::read_dir(below)
            .map_err(|e| e.to_string())?
            .flatten()
            .map(|e| e.path())
            .find(|p| p.extension().is_some_and(|x| x == "deb"))
            .ok_or("apt-get downloaded nothing")?;
        let root = below.join("root");
        let mut unpack = Command::new(&self.dpkg_deb);
        run(unpack.arg("-x").arg(deb).arg(&root)).map_err(|e| e.said)?;
        Ok(root.join(&package.folder))
    }

    fn download(&self, name: &str, below: &Path, options: &[OsString]) -> Result<(), Failed> {
        self.apt_get(below, options, &["download", name])
    }

    fn apt_get(&self, below: &Path, options: &[OsString], args: &[&str]) -> Result<(), Failed> {
        let mut command = Command::new(&self.apt_get);
        run(command.args(SOON).args(options).args(args).current_dir(below))
    }
}

/// Options that have apt keep its lists below a folder.
fn own_lists(below: &Path) -> io::Result<Vec<OsString>> {
    let mut options = Vec::new();
    for (key, name) in [("Dir::State::lists", "lists"), ("Dir::Cache", "cache")] {
        let folder = below.join(name);
        let partial = if name == "lists" { "partial" } else { "archives/partial" };
        fs::create_dir_all(folder.join(partial))?;
        let mut option = OsString::from(format!("{key}="));
        option.push(folder);
        options.extend(["-o".into(), option]);
    }
    Ok(options)
}

/// Why a program failed.
struct Failed {
    said: String,
    /// Whether the lists of packages are missing or too old.
    stale: bool,
}

/// Runs a program to its end, without a word to the user.
fn run(command: &mut Command) -> Result<(), Failed> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output().map_err(|e| {
        let why = match e.kind() {
            io::ErrorKind::NotFound => "is not on this machine".to_owned(),
            _ => e.to_string(),
        };
        Failed { said: format!("{name} {why}"), stale: false }
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines = || said.lines().map(str::trim).filter(|l| !l.is_empty());
    // apt warns first and last, and marks what was fatal.
    let why = lines().find(|l| l.starts_with("E:")).or_else(|| lines().next_back());
    let stale = STALE.iter().any(|s| said.contains(s));
    let said = format!("{name} failed: {}", why.unwrap_or("no reason given"));
    Err(Failed { said, stale })
}
