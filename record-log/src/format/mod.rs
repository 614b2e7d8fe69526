//! The bytes of a log's files. All integers are little-endian; every checksum is a CRC32C.
//!
//! ```text
//! slots              who the log and this copy are, and its vote   [slots]
//! segment-000000000001, segment-000000000002, ...
//!     header         block aligned, with the whole small state     [header], its sections [sections], [schema]
//!     batches        back to back                                  [batch], [entry]
//!     footer         block aligned, once the segment was closed    [footer]
//! spare              an expired segment that waits to be used again
//! ```
//!
//! Checksums, lengths and feature masks lie where no version moves them. So each structure is one of three: as it was
//! written, not what was written ([`Invalid`]: torn, or corrupt), or written by a newer version with features that this
//! one does not know ([`Newer`]). What a version may ignore, it ignores: unknown sections of a header, unknown fields of a
//! message, what follows the known part of a slot.

pub mod batch;
pub mod entry;
pub mod features;
pub mod footer;
#[cfg(test)]
mod golden;
pub mod header;
pub mod index;
mod schema;
pub mod sections;
mod shards;
#[cfg(feature = "version-skew")]
pub mod skew;
pub mod slots;

use crate::disk::BLOCK_BYTES;

pub use features::{Features, Newer, Unknown, Version};

/// Why bytes are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub &'static str);

/// Why a structure cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not what was written.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A newer version wrote it.
    #[error(transparent)]
    Newer(#[from] Newer),
}

/// The name of the file with the slots.
pub const SLOTS: &str = "slots";
/// The name of the segment that waits to be used.
pub const SPARE: &str = "spare";
const SEGMENT: &str = "segment-";
const SEQUENCE_DIGITS: usize = 12;

/// The name of a segment's file; its sequence number counts from 1.
#[must_use]
pub fn segment_name(sequence: u64) -> String {
    format!("{SEGMENT}{sequence:0SEQUENCE_DIGITS$}")
}

/// The sequence number of the segment with this name; nothing if it is no segment's.
#[must_use]
pub fn sequence_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(SEGMENT)?;
    let sequence = digits.parse().ok()?;
    (sequence > 0 && segment_name(sequence) == name).then_some(sequence)
}

/// The first block's beginning at or behind a position.
#[must_use]
pub fn block_ceil(position: u64) -> u64 {
    position.next_multiple_of(BLOCK_BYTES as u64)
}

/// The last block's beginning at or before a position.
#[must_use]
pub fn block_floor(position: u64) -> u64 {
    position - position % BLOCK_BYTES as u64
}

/// The checksum with which all others of a segment begin, so that nothing of a segment's former life passes for new.
#[must_use]
pub fn seed_of(nonce: u64) -> u32 {
    crc32c::crc32c(&nonce.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_a_segment_gives_its_sequence_and_no_other_name_does() {
        assert_eq!(sequence_of(&segment_name(42)), Some(42));
        for name in ["slots", "spare", "segment-1", "segment-000000000000", "segment-00000000000x"] {
            assert_eq!(sequence_of(name), None, "{name}");
        }
    }
}
