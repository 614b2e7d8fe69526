//! The footer of a closed segment: the marks of its shards, so that a reader finds a record without looking at all of
//! it. A segment without one, or with one that this version cannot read, is read from front to back instead: a footer
//! saves time and is never the truth.
//!
//! ```text
//! at the first block behind the last batch, or, behind an accepted corrupt tail, at the end of the file
//!   marks of 24 bytes, shard by shard: first offset u64, arrival u64, position u64
//!   shards of 16 bytes: index u32, number of its marks u32, CRC32C of its marks u32 (seeded with the nonce), 0 u32
//! the last 88 bytes of the file
//!   0  8  magic "KINEFOOT"
//!   8  4  CRC32C, seeded with the nonce, of the bytes behind it and of the shards
//!  12  4  number of shards
//!  16 16  version that wrote it      }
//!  32  8  features needed to read    } [features]
//!  40  8  features needed to write   }
//!  48  8  where the footer begins
//!  56  8  where the segment was closed: the end of its last batch
//!  64  8  the nonce
//!  72  8  index of the last batch
//!  80  8  its term
//! ```

use bytes::{Buf as _, BufMut as _};
use catalog::ShardId;

use super::features::{FEATURES_BYTES, Features};
use super::{Invalid, block_ceil, seed_of};
use crate::format::index::{IndexEntry, SegmentIndex, ShardIndex};

/// Bytes of the trailer.
pub const TRAILER_BYTES: usize = 88;
const MARK_BYTES: usize = 24;
const SHARD_BYTES: usize = 16;
const MAGIC: &[u8; 8] = b"KINEFOOT";
const CRC_END: usize = 12;

/// What the end of the file says of its footer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// Who wrote it.
    pub features: Features,
    shards: u32,
    crc: u32,
    start: u64,
    /// What the segment ends with.
    pub closed: Closed,
}

/// What a closed segment ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Where it was closed.
    pub end: u64,
    /// The index of its last batch, or the one before it if it has none.
    pub index: u64,
    /// That batch's term.
    pub term: u64,
}

/// Which shards have marks in a footer, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    shards: Vec<(ShardId, Part)>,
}

/// Where the marks of one shard are in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where they begin.
    pub position: u64,
    /// How many bytes they take.
    pub bytes: usize,
    crc: u32,
}

/// The bytes of the footer of a closed segment: whole blocks, to be written at `start`, where a block begins.
#[must_use]
pub fn encode(features: &Features, nonce: u64, start: u64, closed: Closed, marks: &SegmentIndex) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (shard, marks) in &marks.shards {
        let start = bytes.len();
        for mark in marks.as_slice() {
            bytes.put_u64_le(mark.first_offset);
            bytes.put_u64_le(mark.arrival_ms);
            bytes.put_u64_le(mark.position);
        }
        directory.put_u32_le(shard.index());
        directory.put_u32_le(marks.as_slice().len() as u32);
        directory.put_u32_le(crc32c::crc32c_append(seed_of(nonce), &bytes[start..]));
        directory.put_u32_le(0);
    }
    let total = block_ceil((bytes.len() + directory.len() + TRAILER_BYTES) as u64) as usize;
    // The directory lies right before the trailer, at the end of the last block.
    bytes.resize(total - directory.len() - TRAILER_BYTES, 0);
    bytes.extend_from_slice(&directory);
    let trailer = bytes.len();
    bytes.put_slice(MAGIC);
    bytes.put_u32_le(0);
    bytes.put_u32_le(marks.shards.len() as u32);
    features.encode(&mut bytes);
    bytes.put_u64_le(start);
    bytes.put_u64_le(closed.end);
    bytes.put_u64_le(nonce);
    bytes.put_u64_le(closed.index);
    bytes.put_u64_le(closed.term);
    let crc = trailer_crc(nonce, &bytes[trailer + CRC_END..], &directory);
    bytes[trailer + MAGIC.len()..trailer + CRC_END].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn trailer_crc(nonce: u64, rest: &[u8], directory: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seed_of(nonce), rest), directory)
}

impl Trailer {
    /// Reads the last [`TRAILER_BYTES`] of a file of this length.
    ///
    /// # Errors
    /// If the segment has no footer. The checksum is checked with the directory, and whether this version can read the
    /// rest.
    pub fn decode(nonce: u64, bytes: &[u8], file_bytes: u64) -> Result<Self, Invalid> {
        let invalid = Invalid("the segment has no footer");
        if bytes.len() != TRAILER_BYTES || !bytes.starts_with(MAGIC) {
            return Err(invalid);
        }
        let mut rest = &bytes[MAGIC.len()..];
        let (crc, shards) = (rest.get_u32_le(), rest.get_u32_le());
        let features = Features::decode(&mut rest);
        let (start, end, its_nonce) = (rest.get_u64_le(), rest.get_u64_le(), rest.get_u64_le());
        let (index, term) = (rest.get_u64_le(), rest.get_u64_le());
        let trailer = Self { features, shards, crc, start, closed: Closed { end, index, term } };
        let fits = start.checked_add((trailer.directory_bytes() + TRAILER_BYTES) as u64);
        let whole = fits.is_some_and(|end| end <= file_bytes) && start >= end && start == block_ceil(start);
        if its_nonce == nonce && whole { Ok(trailer) } else { Err(invalid) }
    }

    /// How many bytes the directory has; it lies right before the trailer.
    #[must_use]
    pub fn directory_bytes(&self) -> usize {
        self.shards as usize * SHARD_BYTES
    }

    /// Checks and reads the directory.
    ///
    /// # Errors
    /// If the footer is corrupt, or a newer version's.
    pub fn directory(&self, nonce: u64, bytes: &[u8]) -> Result<Directory, Invalid> {
        let mut rest = Vec::with_capacity(TRAILER_BYTES - CRC_END);
        rest.put_u32_le(self.shards);
        self.features.encode(&mut rest);
        rest.put_u64_le(self.start);
        rest.put_u64_le(self.closed.end);
        rest.put_u64_le(nonce);
        rest.put_u64_le(self.closed.index);
        rest.put_u64_le(self.closed.term);
        if trailer_crc(nonce, &rest, bytes) != self.crc {
            return Err(Invalid("the checksum of a footer is wrong"));
        }
        self.features.check_read().map_err(|_| Invalid("a footer is of a newer version"))?;
        let mut position = self.start;
        let mut shards = Vec::with_capacity(self.shards as usize);
        for mut shard in bytes.chunks_exact(SHARD_BYTES) {
            let id = ShardId::new(shard.get_u32_le()).ok_or(Invalid("a footer names no shard"))?;
            let bytes = shard.get_u32_le() as usize * MARK_BYTES;
            shards.push((id, Part { position, bytes, crc: shard.get_u32_le() }));
            position += bytes as u64;
        }
        Ok(Directory { shards })
    }
}

impl Directory {
    /// How many bytes it takes in memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of_val(&*self.shards)
    }

    /// Where the marks of a shard are; nothing if it has no records in the segment.
    #[must_use]
    pub fn find(&self, shard: ShardId) -> Option<Part> {
        self.shards.iter().find(|(id, _)| *id == shard).map(|(_, part)| *part)
    }
}

impl Part {
    /// Checks and reads the marks.
    ///
    /// # Errors
    /// If they are corrupt.
    pub fn decode(&self, nonce: u64, bytes: &[u8]) -> Result<ShardIndex, Invalid> {
        if crc32c::crc32c_append(seed_of(nonce), bytes) != self.crc {
            return Err(Invalid("the checksum of a footer's marks is wrong"));
        }
        let marks = bytes.chunks_exact(MARK_BYTES).map(|mut mark| IndexEntry {
            first_offset: mark.get_u64_le(),
            arrival_ms: mark.get_u64_le(),
            position: mark.get_u64_le(),
        });
        Ok(ShardIndex::of(marks.collect()))
    }
}

const _: () = assert!(TRAILER_BYTES == 16 + FEATURES_BYTES + 5 * 8);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::BLOCK_BYTES;
    use crate::format::Version;

    const NONCE: u64 = 7;
    const START: u64 = 2 * BLOCK_BYTES as u64;
    const CLOSED: Closed = Closed { end: START - 10, index: 5, term: 2 };

    fn marks() -> SegmentIndex {
        let mut marks = SegmentIndex::new(1);
        let of = |first_offset| {
            let mark =
                |number| IndexEntry { first_offset: number, arrival_ms: 10 * number, position: 100 * number };
            ShardIndex::of((first_offset..first_offset + 3).map(mark).collect())
        };
        for index in [1, 4] {
            marks.shards.insert(ShardId::new(index).unwrap(), of(u64::from(index)));
        }
        marks
    }

    /// The marks of a shard as a reader finds them in a file that ends with this footer.
    fn read(footer: &[u8], shard: u32) -> Result<Option<ShardIndex>, Invalid> {
        let file_bytes = START + footer.len() as u64;
        let (rest, trailer) = footer.split_at(footer.len() - TRAILER_BYTES);
        let trailer = Trailer::decode(NONCE, trailer, file_bytes)?;
        assert_eq!(trailer.closed, CLOSED);
        let directory = trailer.directory(NONCE, &rest[rest.len() - trailer.directory_bytes()..])?;
        let part = directory.find(ShardId::new(shard).unwrap());
        part.map(|part| {
            let start = (part.position - START) as usize;
            part.decode(NONCE, &footer[start..start + part.bytes])
        })
        .transpose()
    }

    #[test]
    fn marks_read_back_by_shard() {
        let footer = encode(&Features::own(), NONCE, START, CLOSED, &marks());
        assert_eq!(footer.len() % BLOCK_BYTES, 0);
        for (id, marks) in marks().shards {
            assert_eq!(read(&footer, id.index()), Ok(Some(marks)));
        }
        assert_eq!(read(&footer, 2), Ok(None));
    }

    #[test]
    fn no_bit_of_a_footer_is_without_a_check() {
        let mut footer = encode(&Features::own(), NONCE, START, CLOSED, &marks());
        let (bytes, shards) = (footer.len(), 2 * SHARD_BYTES);
        for at in (0..3 * MARK_BYTES).chain(bytes - TRAILER_BYTES - shards..bytes) {
            for bit in 0..8 {
                footer[at] ^= 1 << bit;
                let trailer = Trailer::decode(NONCE, &footer[bytes - TRAILER_BYTES..], START + bytes as u64);
                let is_whole =
                    trailer.is_ok_and(|trailer| trailer.closed == CLOSED) && read(&footer, 1).is_ok();
                assert!(!is_whole, "bit {bit} of byte {at}");
                footer[at] ^= 1 << bit;
            }
        }
    }

    #[test]
    fn footer_of_a_newer_version_still_says_that_the_segment_was_closed() {
        let features = Features { written_by: Version::of("9.0.0"), to_read: 1, to_write: 0 };
        let footer = encode(&features, NONCE, START, CLOSED, &marks());
        assert_eq!(read(&footer, 1), Err(Invalid("a footer is of a newer version")));
    }
}
