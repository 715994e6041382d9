//! One file over HTTP: what came before a connection broke is kept, and asked for no more.

use super::Progress;
use super::manifest::Entry;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Connections made for one file, at most.
const CONNECTIONS: usize = 6;

/// How long to wait for a server.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until its name is found, and again until it is connected.
    pub connect: Duration,
    /// Until it answers.
    pub answer: Duration,
    /// Between any two pieces of the file.
    pub pause: Duration,
    /// The least that must come in any time of this length: bytes, and the time.
    pub least: (u64, Duration),
}

impl Default for Patience {
    fn default() -> Patience {
        let seconds = Duration::from_secs;
        // 10 KB a second.
        let least = (300_000, seconds(30));
        Patience { connect: seconds(5), answer: seconds(15), pause: seconds(15), least }
    }
}

/// Why a transfer ended.
enum Failed {
    /// Another connection may do better.
    Broken(String),
    /// It will not.
    Final(String),
}

/// Downloads files, one after the other.
pub(super) struct Transfer {
    agent: ureq::Agent,
    patience: Patience,
}

impl Transfer {
    pub(super) fn new(patience: Patience) -> Transfer {
        let config = ureq::Agent::config_builder()
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.answer))
            .timeout_per_read(Some(patience.pause))
            .http_status_as_error(false)
            .build();
        Transfer { agent: config.into(), patience }
    }

    /// Downloads a URL into the file `part`, going on where that ends; connects again as long as connections
    /// break and bring something.
    pub(super) fn get(
        &self,
        url: &str,
        part: &Path,
        entry: &Entry,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), String> {
        let mut most = 0;
        let mut broken = String::new();
        for _ in 0..CONNECTIONS {
            match self.connect(url, part, entry, progress) {
                Ok(()) => return Ok(()),
                Err(Failed::Final(why)) => return Err(why),
                Err(Failed::Broken(why)) => broken = why,
            }
            let there = length(part);
            if there <= most {
                break;
            }
            most = there;
        }
        Err(broken)
    }

    fn connect(
        &self,
        url: &str,
        part: &Path,
        entry: &Entry,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), Failed> {
        let there = length(part);
        let mut request = self.agent.get(url);
        if there > 0 {
            request = request.header("Range", format!("bytes={there}-"));
        }
        let response = request.call().map_err(|e| Failed::Final(e.to_string()))?;
        let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok());
        let start = match response.status().as_u16() {
            206 if header("content-range").and_then(range_start) == Some(there) => there,
            206 => return Err(Failed::Final("the server sent another part of the file".into())),
            200 => 0,
            // Nothing is left to send: the part is whole, or of something else.
            416 if there > 0 => return Ok(()),
            status => return Err(Failed::Final(format!("the server answered {status}"))),
        };
        let length: Option<u64> = header("content-length").and_then(|v| v.parse().ok());
        let mut file = open(part, start > 0)
            .map_err(|e| Failed::Final(format!("cannot write {}: {e}", part.display())))?;
        let total = length.map(|n| n.saturating_add(start));
        let body = response.into_body().into_reader();
        let body = Paced::new(body, self.patience);
        receive(body, &mut file, start, total, entry, progress)
    }
}

/// A body that ends in an error when too little comes: a server that dribbles would hold us for hours.
struct Paced<R> {
    body: R,
    least: (u64, Duration),
    /// When the time that is counted began, and what has come since.
    begun: Instant,
    came: u64,
}

/// Too little came.
#[derive(Debug, thiserror::Error)]
#[error("only {came} bytes came in {} s: the server is too slow", time.as_secs_f32().round())]
struct TooSlow {
    came: u64,
    time: Duration,
}

impl<R> Paced<R> {
    fn new(body: R, patience: Patience) -> Paced<R> {
        Paced { body, least: patience.least, begun: Instant::now(), came: 0 }
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.body.read(buffer)?;
        self.came += n as u64;
        let (least, time) = self.least;
        // The end of a file may be as small as it likes.
        if n > 0 && self.begun.elapsed() >= time {
            if self.came < least {
                let (came, time) = (self.came, self.begun.elapsed());
                return Err(io::Error::other(TooSlow { came, time }));
            }
            (self.begun, self.came) = (Instant::now(), 0);
        }
        Ok(n)
    }
}

/// Writes what comes; a body that is shorter than announced, or longer than can be, is an error.
fn receive(
    mut body: impl Read,
    file: &mut File,
    start: u64,
    total: Option<u64>,
    entry: &Entry,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), Failed> {
    // What gzip cannot make smaller grows by a few bytes in every block.
    let most = entry.bytes + entry.bytes / 1000 + 1024;
    let too_long = |n: u64| Failed::Final(format!("{n} bytes are more than the file can have"));
    if let Some(n) = total.filter(|n| *n > most) {
        return Err(too_long(n));
    }
    let mut buffer = vec![0; 1 << 16];
    let mut done = start;
    progress(Progress::Bytes { file: &entry.name, done, total });
    loop {
        let n = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) => {
                let why = format!("after {done} bytes: {e}");
                // The next connection to a slow server would be no faster.
                let slow = e.get_ref().is_some_and(|e| e.is::<TooSlow>());
                return Err(if slow { Failed::Final(why) } else { Failed::Broken(why) });
            }
        };
        done += n as u64;
        if done > most {
            return Err(too_long(done));
        }
        file.write_all(&buffer[..n])
            .map_err(|e| Failed::Final(format!("cannot keep what came: {e}")))?;
        progress(Progress::Bytes { file: &entry.name, done, total });
    }
    match total.filter(|n| done < *n) {
        Some(n) => Err(Failed::Broken(format!("the connection ended after {done} of {n} bytes"))),
        None => Ok(()),
    }
}

fn open(part: &Path, append: bool) -> std::io::Result<File> {
    OpenOptions::new().create(true).write(true).append(append).truncate(!append).open(part)
}

pub(super) fn length(part: &Path) -> u64 {
    fs::metadata(part).map_or(0, |m| m.len())
}

/// The first byte of `bytes 100-199/200`.
fn range_start(range: &str) -> Option<u64> {
    range.trim().strip_prefix("bytes")?.trim_start().split('-').next()?.parse().ok()
}
