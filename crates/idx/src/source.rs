//! Where the bytes come from: read, mapped, or handed over.

use crate::error::Error;
use crate::header::Header;
use crate::view::Idx;
use memmap2::Mmap;
use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A checked IDX file with its bytes.
///
/// ```no_run
/// let file = idx::IdxFile::read("train-images-idx3-ubyte")?;
/// println!("{}: {} {:?}", file.path().display(), file.view().dtype(), file.view().dims());
/// # Ok::<(), idx::Error>(())
/// ```
#[derive(Debug)]
pub struct IdxFile {
    path: PathBuf,
    bytes: Bytes,
    header: Header,
}

enum Bytes {
    Owned(Cow<'static, [u8]>),
    Mapped(Mmap),
}

/// How many, and where: nobody wants to see the bytes of a data set in a message.
impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = if matches!(self, Bytes::Mapped(_)) { "mapped" } else { "in memory" };
        write!(f, "{} bytes {place}", self.get().len())
    }
}

impl Bytes {
    fn get(&self) -> &[u8] {
        match self {
            Bytes::Owned(bytes) => bytes,
            Bytes::Mapped(map) => map,
        }
    }
}

impl IdxFile {
    /// Reads a file into memory.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Format`] if it is not IDX.
    pub fn read(path: impl AsRef<Path>) -> Result<IdxFile, Error> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| io(path, source))?;
        IdxFile::from_bytes(bytes, path)
    }

    /// Takes bytes that are in memory; `name` stands for the path in messages.
    ///
    /// # Errors
    /// [`Error::Format`] if they are not IDX.
    pub fn from_bytes(
        bytes: impl Into<Cow<'static, [u8]>>,
        name: impl AsRef<Path>,
    ) -> Result<IdxFile, Error> {
        IdxFile::new(Bytes::Owned(bytes.into()), name.as_ref())
    }

    /// Maps a file, so that its bytes are read where the system keeps them and only when they are used.
    /// Where mapping fails (an empty file, some file systems) the file is read instead.
    ///
    /// # Safety
    /// Nobody may change or truncate the file while the value lives: the bytes are handed out as `&[u8]`, and bytes that
    /// change under a reference are undefined behaviour. If the file is made shorter, touching what is gone
    /// ends the process with SIGBUS. Replacing the file by renaming another over it is fine: the map keeps
    /// the old one.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be opened, [`Error::Format`] if it is not IDX.
    #[expect(unsafe_code, reason = "a map can be no safer than its file: see the contract")]
    pub unsafe fn map(path: impl AsRef<Path>) -> Result<IdxFile, Error> {
        let path = path.as_ref();
        let mut file = File::open(path).map_err(|source| io(path, source))?;
        // SAFETY: the caller promises that the file is not changed while the map lives.
        let map = unsafe { Mmap::map(&file) };
        // Some special files claim to be empty and are not: an empty map proves nothing.
        if let Some(map) = map.ok().filter(|map| !map.is_empty()) {
            // What is not in memory yet is then read in large pages. A system that has none says so; it is only a wish.
            #[cfg(target_os = "linux")]
            let _ = map.advise(memmap2::Advice::HugePage);
            return IdxFile::new(Bytes::Mapped(map), path);
        }
        // From the same handle: a pipe cannot be opened twice.
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|source| io(path, source))?;
        IdxFile::from_bytes(bytes, path)
    }

    fn new(bytes: Bytes, path: &Path) -> Result<IdxFile, Error> {
        let header = Header::parse(bytes.get())
            .map_err(|source| Error::Format { path: path.to_owned(), source })?;
        Ok(IdxFile { path: path.to_owned(), bytes, header })
    }

    /// The file, or the name that stands for it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file holds, without a copy.
    pub fn view(&self) -> Idx<'_> {
        Idx::with_header(Cow::Borrowed(&self.header), self.bytes.get())
    }

    /// Type and dimensions.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The bytes of the elements.
    pub fn payload(&self) -> &[u8] {
        self.bytes.get().get(self.header.start()..).unwrap_or(&[])
    }
}

fn io(path: &Path, source: std::io::Error) -> Error {
    Error::Io { path: path.to_owned(), source }
}
