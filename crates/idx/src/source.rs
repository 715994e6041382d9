//! Where the bytes come from: read, mapped, or handed over.

use crate::error::Error;
use crate::header::Header;
use crate::view::Idx;
use memmap2::Mmap;
use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A checked IDX file with its bytes.
#[derive(Debug)]
pub struct IdxFile {
    path: PathBuf,
    bytes: Bytes,
    header: Header,
}

#[derive(Debug)]
enum Bytes {
    Owned(Cow<'static, [u8]>),
    Mapped(Mmap),
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
    /// Nobody may change the file while the value lives: the bytes are handed out as `&[u8]`, and bytes that
    /// change under a reference are undefined behaviour. If the file is made shorter, touching what is gone
    /// ends the process with SIGBUS. Replacing the file by renaming another over it is fine: the map keeps
    /// the old one.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be opened, [`Error::Format`] if it is not IDX.
    #[expect(unsafe_code, reason = "a map can be no safer than its file: see the contract")]
    pub unsafe fn map(path: impl AsRef<Path>) -> Result<IdxFile, Error> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| io(path, source))?;
        // SAFETY: the caller promises that the file is not changed while the map lives.
        match unsafe { Mmap::map(&file) } {
            Ok(map) => IdxFile::new(Bytes::Mapped(map), path),
            Err(_) => IdxFile::read(path),
        }
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

    /// What the file holds.
    pub fn view(&self) -> Idx<'_> {
        Idx::with_header(self.header.clone(), self.bytes.get())
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
