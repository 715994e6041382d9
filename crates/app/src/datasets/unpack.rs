//! From a `.gz` to a verified file in its place.

use super::Error;
use super::manifest::{Entry, hex};
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};
use std::path::Path;

/// Decompresses a file of the set into `folder`, where it appears only if size and SHA-256 are those of the
/// manifest. Never writes more than the manifest's size, whatever the stream claims to hold.
///
/// # Errors
/// [`Error::Corrupt`] if the bytes are not the file's, [`Error::Io`] if the system fails.
pub fn unpack(gz: impl Read, entry: &Entry, folder: &Path, source: &str) -> Result<(), Error> {
    let corrupt = |what: String| Error::Corrupt {
        file: entry.name.clone(),
        source_name: source.to_owned(),
        what,
    };
    let path = folder.join(&entry.name);
    let mut wrong = None;
    let written = crate::store::write_atomic(&path, |to| {
        wrong = copy(gz, entry, to)?;
        match &wrong {
            None => Ok(()),
            Some(what) => Err(io::Error::new(io::ErrorKind::InvalidData, what.clone())),
        }
    });
    match (written, wrong) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(what)) => Err(corrupt(what)),
        (Err(e), None) if is_stream_error(&e) => {
            Err(corrupt(format!("not a whole gzip file: {e}")))
        }
        (Err(e), None) => Err(Error::Io { path, source: e }),
    }
}

/// Errors that the decoder makes of bad bytes.
fn is_stream_error(e: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(e.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

/// Decompresses and hashes; says what is wrong with the bytes, if something is.
fn copy(gz: impl Read, entry: &Entry, to: &mut dyn Write) -> io::Result<Option<String>> {
    let mut stream = MultiGzDecoder::new(gz).take(entry.bytes + 1);
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
        to.write_all(&buffer[..n])?;
        bytes += n as u64;
    }
    if bytes != entry.bytes {
        let more = if bytes > entry.bytes { "more than " } else { "" };
        let n = bytes.min(entry.bytes);
        return Ok(Some(format!("expected {} bytes, found {more}{n}", entry.bytes)));
    }
    let found = hex(&hash.finalize());
    Ok((found != entry.sha256).then(|| format!("expected SHA-256 {}, found {found}", entry.sha256)))
}
