//! From a `.gz` to a verified file in its place.

use super::Error;
use super::manifest::{Entry, hex};
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

/// What every gzip file begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The most that a file of no known size may hold, unpacked: far above any set of this kind, far below a disk.
const MOST: u64 = 4 << 30;

/// Decompresses a file of the set into `folder`, where it appears only if size and SHA-256 are those of the
/// manifest. Never writes more than the manifest's size, whatever the stream claims to hold.
///
/// # Errors
/// [`Error::Corrupt`] if the bytes are not the file's, [`Error::Io`] if the system fails.
pub fn unpack(gz: impl Read, entry: &Entry, folder: &Path, source: &str) -> Result<(), Error> {
    unpack_as(&entry.name, Some(entry), gz, folder, source).map(drop)
}

/// Decompresses a file that no manifest describes; returns its SHA-256. The checksum inside the gzip file is
/// all there is to check, and four gigabytes are the most that is written.
///
/// # Errors
/// As [`unpack`].
pub fn unpack_any(gz: impl Read, name: &str, folder: &Path, source: &str) -> Result<String, Error> {
    unpack_as(name, None, gz, folder, source)
}

fn unpack_as(
    name: &str,
    entry: Option<&Entry>,
    gz: impl Read,
    folder: &Path,
    source: &str,
) -> Result<String, Error> {
    let path = folder.join(name);
    // Said apart from errors of the system, which come out of the same calls.
    let mut found = Err(String::new());
    let written = crate::store::write_atomic(&path, |to| {
        found = copy(gz, entry, to)?;
        found.as_ref().map(drop).map_err(|what| io::Error::other(what.clone()))
    });
    let corrupt = |what: String| Error::Corrupt {
        file: name.to_owned(),
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

/// Decompresses and hashes. The inner error says what is wrong with the bytes, the outer one that they could not
/// be written.
fn copy(
    from: impl Read,
    entry: Option<&Entry>,
    to: &mut dyn Write,
) -> io::Result<Result<String, String>> {
    let most = entry.map_or(MOST, |e| e.bytes);
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
    let mut stream = unpacked.take(most.saturating_add(1));
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
        hash.update(&buffer[..n]);
        to.write_all(&buffer[..n])?;
    }
    let found = hex(&hash.finalize());
    Ok(match entry {
        Some(e) if bytes != e.bytes => Err(format!("expected {} bytes, found {bytes}", e.bytes)),
        Some(e) if found != e.sha256 => {
            Err(format!("expected SHA-256 {}, found {found}", e.sha256))
        }
        _ => Ok(found),
    })
}

/// What bytes are that do not begin as a gzip file does.
fn disguise(start: &[u8]) -> String {
    match start.trim_ascii_start() {
        _ if start.is_empty() => "nothing".to_owned(),
        [b'<', ..] => "a web page".to_owned(),
        _ => format!("bytes that begin {:02x?}", &start[..start.len().min(4)]),
    }
}
