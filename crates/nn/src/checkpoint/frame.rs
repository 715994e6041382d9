//! The frame of a model file, which is safetensors: eight bytes with the length of a header, the header in JSON, and the
//! tensors one after the other. What is wrong with one, and where.

use super::bad;
use crate::error::Error;
use safetensors::SafeTensorError;
use safetensors::tensor::{Metadata, SafeTensors};
use serde_json::Value;

/// Bytes of the header's length.
pub(super) const LENGTH: usize = 8;

/// The tensors of a file.
pub(super) fn tensors(file: &[u8]) -> Result<SafeTensors<'_>, Error> {
    SafeTensors::deserialize(file).map_err(|e| wrong(file, &e))
}

/// The length of a file's header, and what it says.
pub(super) fn header(file: &[u8]) -> Result<(usize, Metadata), Error> {
    SafeTensors::read_metadata(file).map_err(|e| wrong(file, &e))
}

/// Where a file stops making sense, what should be there, and what is.
fn wrong(file: &[u8], error: &SafeTensorError) -> Error {
    use SafeTensorError as E;
    let length = file.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let (offset, expected, found) = match error {
        E::HeaderTooSmall => {
            (0, "the length of a header in 8 bytes".to_owned(), format!("{} bytes", file.len()))
        }
        E::HeaderTooLarge => {
            (0, "the length of a header, at most 100000000".to_owned(), length.to_string())
        }
        E::InvalidHeaderLength => {
            let rest = file.len() - LENGTH;
            (LENGTH, format!("a header of {length} bytes"), format!("{rest} bytes"))
        }
        E::InvalidHeader(e) => {
            (LENGTH + e.valid_up_to(), "a header in UTF-8".to_owned(), e.to_string())
        }
        E::InvalidHeaderDeserialization(e) => {
            // The header is one line, as a rule.
            let column = if e.line() == 1 { e.column().saturating_sub(1) } else { 0 };
            (LENGTH + column, "a header in JSON".to_owned(), e.to_string())
        }
        E::MetadataIncompleteBuffer => {
            // What the header says may be anything.
            let end = end_of_tensors(file).unwrap_or(0);
            let all = end.saturating_add(length).saturating_add(LENGTH as u64);
            (file.len(), format!("an end after {all} bytes"), format!("one after {}", file.len()))
        }
        other => (LENGTH, "a header whose tensors follow each other".to_owned(), other.to_string()),
    };
    bad(format!("at byte {offset}: expected {expected}, found {found}"))
}

/// Where the last tensor ends behind the header, as that has it.
fn end_of_tensors(file: &[u8]) -> Option<u64> {
    let (length, rest) = file.split_first_chunk()?;
    let header = rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let header: Value = serde_json::from_slice(header).ok()?;
    let ends = header.as_object()?.values().filter_map(|tensor| tensor["data_offsets"][1].as_u64());
    ends.max()
}
