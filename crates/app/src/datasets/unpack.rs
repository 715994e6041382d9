//! From a `.gz` to a verified file in its place.

use super::Error;
use super::layout::{Layout, Upright};
use super::manifest::{Entry, hex};
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

/// What every gzip file begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The most that a file of no known size may hold, unpacked: far above any set of this kind, far below a disk.
const MOST: u64 = 4 << 30;

/// What is known of a file before it comes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected<'e> {
    /// Name without `.gz`, here.
    pub name: &'e str,
    /// Bytes, decompressed, if they are known.
    pub bytes: Option<u64>,
    /// SHA-256 of the decompressed bytes, if it is known.
    pub sha256: Option<&'e str>,
    /// SHA-256 of the file that this becomes, if one was here before.
    pub kept: Option<&'e str>,
    /// What is to be put right on the way.
    pub layout: Layout,
}

impl<'e> Expected<'e> {
    /// A file of a set.
    pub fn of(entry: &'e Entry, layout: Layout) -> Expected<'e> {
        let sha256 = entry.sha256.as_deref();
        Expected { name: &entry.name, bytes: Some(entry.bytes), sha256, kept: None, layout }
    }
}

/// Decompresses a file of a set into `folder`, where it appears only if it is what was expected; returns its
/// SHA-256. Never writes more than the expected size, whatever the stream claims to hold, and four gigabytes
/// where no size is known. If nothing is known, the checksum inside the gzip file is all there is to check.
///
/// # Errors
/// [`Error::Corrupt`] if the bytes are not the file's, [`Error::Io`] if the system fails.
pub fn unpack(
    gz: impl Read,
    expected: Expected<'_>,
    folder: &Path,
    source: &str,
) -> Result<String, Error> {
    let path = folder.join(expected.name);
    // Said apart from errors of the system, which come out of the same calls.
    let mut found = Err(String::new());
    let written = crate::store::write_atomic(&path, |to| {
        found = copy(gz, expected, to)?;
        found.as_ref().map(drop).map_err(|what| io::Error::other(what.clone()))
    });
    let corrupt = |what: String| Error::Corrupt {
        file: expected.name.to_owned(),
        source_name: source.to_owned(),
        what,
    };
    match (written, found) {
        (Ok(()), Ok(sha256)) => Ok(sha256),
        (_, Err(what)) if !what.is_empty() => Err(corrupt(what)),
        (Err(e), _) => Err(Error::Io { path, source: e }),
        (Ok(()), Err(_)) => Err(corrupt("nothing was read".to_owned())),
    }
}

/// Decompresses, hashes and puts right; returns the SHA-256 of what was written. The inner error says what is wrong
/// with the bytes, the outer one that they could not be written.
fn copy(
    from: impl Read,
    expected: Expected<'_>,
    to: &mut dyn Write,
) -> io::Result<Result<String, String>> {
    let mut from = BufReader::with_capacity(1 << 16, from);
    let start = match from.fill_buf() {
        Ok(start) => start,
        Err(e) => return Ok(Err(format!("cannot be read: {e}"))),
    };
    let unpacked: Box<dyn Read> = match start {
        start if start.starts_with(&GZIP) => Box::new(MultiGzDecoder::new(from)),
        // Browsers and servers like to unpack on the way and leave the name.
        [0, 0, ..] => Box::new(from),
        other => return Ok(Err(format!("expected a gzip file, found {}", disguise(other)))),
    };
    let mut to = Hashed { to, hash: Sha256::new() };
    let bytes = if expected.layout.changes() {
        let mut upright = Upright::new(expected.layout, &mut to);
        let bytes = pump(unpacked, expected, &mut upright)?;
        match bytes.map(|all| (all, upright.finish())) {
            Ok((all, Ok(()))) => Ok(all),
            Ok((_, Err(e))) => Err(e.to_string()),
            Err(what) => Err(what),
        }
    } else {
        // What comes is what is written, and hashed there.
        pump(unpacked, Expected { sha256: None, ..expected }, &mut to)?
    };
    let kept = hex(&to.hash.finalize());
    let same = expected.sha256.filter(|_| !expected.layout.changes());
    Ok(bytes.and_then(|()| match (same, expected.kept) {
        (Some(sha256), _) if sha256 != kept => Err(different(sha256, &kept)),
        (None, Some(first)) if first != kept => Err(format!(
            "{}; the first is that of the file that was fetched first (SHA256SUMS)",
            different(first, &kept)
        )),
        _ => Ok(kept),
    }))
}

/// Writes all that comes, if it is what is expected.
fn pump(
    from: impl Read,
    expected: Expected<'_>,
    to: &mut dyn Write,
) -> io::Result<Result<(), String>> {
    let most = expected.bytes.unwrap_or(MOST);
    let mut stream = from.take(most.saturating_add(1));
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Ok(Err(format!("not a whole gzip file: {e}"))),
        };
        bytes += n as u64;
        if bytes > most {
            return Ok(Err(format!("expected {most} bytes, found more than {most}")));
        }
        if expected.sha256.is_some() {
            hash.update(&buffer[..n]);
        }
        match to.write_all(&buffer[..n]) {
            Err(e) if e.kind() == io::ErrorKind::InvalidData => return Ok(Err(e.to_string())),
            written => written?,
        }
    }
    let found = hex(&hash.finalize());
    Ok(match (expected.bytes, expected.sha256) {
        (Some(n), _) if bytes != n => Err(format!("expected {n} bytes, found {bytes}")),
        (_, Some(sha256)) if found != sha256 => Err(different(sha256, &found)),
        _ => Ok(()),
    })
}

fn different(expected: &str, found: &str) -> String {
    format!("expected SHA-256 {expected}, found {found}")
}

/// Hashes what it writes.
struct Hashed<'w> {
    to: &'w mut dyn Write,
    hash: Sha256,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// What bytes are that do not begin as a gzip file does.
fn disguise(start: &[u8]) -> String {
    match start.trim_ascii_start() {
        _ if start.is_empty() => "nothing".to_owned(),
        [b'<', ..] => "a web page".to_owned(),
        _ => format!("bytes that begin {:02x?}", &start[..start.len().min(4)]),
    }
}
