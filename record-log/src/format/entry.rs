//! The headers of a batch's entries.
//!
//! ```text
//!  0  2  bytes of this header, with its extension: a multiple of 8
//!  2  1  kind: 1 Append, 2 SetRetention, 3 Trim, 4 ClockStep, 5 Reshard
//!  3  1  encoding of the block: 0, plain records
//!  4  4  features needed to read
//!  8  4  shard                                 }
//! 12  4  number of records                     } 0 but in an Append
//! 16  8  offset of the first record            }
//! 24  8  arrival in milliseconds of log time   }
//! 32  4  bytes of the block
//! 36  4  CRC32C of the block
//! 40  4  id of the key that sealed the block; 0, none
//! 44  2  bytes of the extension's message
//! 46  2  0
//! 48  .  the message ([schema](super::schema)), then zeros
//! ```
//!
//! An Append has none; the others have their fields in it.

use bytes::{Buf as _, BufMut as _};
use catalog::ShardId;
use group_core::{Change, Entry};
use prost::Message as _;

use super::features::Unknown;
use super::{Invalid, schema, shards};

/// Bytes of an entry's header without its extension.
pub const ENTRY_HEADER_BYTES: usize = 48;

const APPEND: u8 = 1;
const SET_RETENTION: u8 = 2;
const TRIM: u8 = 3;
const CLOCK_STEP: u8 = 4;
const RESHARD: u8 = 5;
const PLAIN: u8 = 0;

/// The header of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryHeader {
    /// What it changes.
    pub change: Change,
    /// How many bytes its block has.
    pub block_bytes: u32,
    /// The block's checksum.
    pub block_crc: u32,
}

/// The records of one shard that an entry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appends {
    /// The shard.
    pub shard: ShardId,
    /// The offset of the first record.
    pub first_offset: u64,
    /// The one behind the last.
    pub end_offset: u64,
    /// When they arrived, in milliseconds of log time.
    pub arrival_ms: u64,
}

/// Where an entry's block is in its batch, as every version says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// Bytes of the entry's header.
    pub header_bytes: usize,
    /// Bytes of its block.
    pub block_bytes: usize,
}

/// Why an entry is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryError {
    /// It is no entry.
    Invalid(Invalid),
    /// A newer version knows it.
    Unknown(Unknown),
}

impl EntryHeader {
    /// The header of an entry with these records.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let blocks = entry.blocks.iter().map(|block| block.bytes());
        let block_bytes = blocks.clone().map(|bytes| bytes.len() as u32).sum();
        let block_crc = blocks.fold(0, |crc, bytes| crc32c::crc32c_append(crc, bytes));
        Self { change: entry.change.clone(), block_bytes, block_crc }
    }

    /// How many bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        ENTRY_HEADER_BYTES + self.control().map_or(0, |control| control.encoded_len().next_multiple_of(8))
    }

    /// The records that it adds, if it is an Append.
    #[must_use]
    pub fn appends(&self) -> Option<Appends> {
        match self.change {
            Change::Append { shard, first_offset, records, arrival_ms } => {
                let end_offset = first_offset.saturating_add(records.into());
                Some(Appends { shard, first_offset, end_offset, arrival_ms })
            }
            Change::SetRetention { .. }
            | Change::Trim { .. }
            | Change::ClockStep { .. }
            | Change::Reshard { .. } => None,
        }
    }

    /// Checks the entry's block.
    ///
    /// # Errors
    /// If it is not the block that was written.
    pub fn check(&self, block: &[u8]) -> Result<(), Invalid> {
        match crc32c::crc32c(block) == self.block_crc {
            true => Ok(()),
            false => Err(Invalid("the checksum of a record block is wrong")),
        }
    }

    /// The message in its extension.
    fn control(&self) -> Option<schema::Control> {
        let none = schema::Control::default();
        match &self.change {
            Change::Append { .. } => None,
            Change::SetRetention { hours } => Some(schema::Control { retention_hours: Some(*hours), ..none }),
            Change::Trim { horizon_ms } => {
                Some(schema::Control { trim_horizon_ms: Some(*horizon_ms), ..none })
            }
            Change::ClockStep { time_ms } => Some(schema::Control { time_ms: Some(*time_ms), ..none }),
            Change::Reshard { arrival_ms, reshard } => {
                Some(schema::Control { reshard: Some(shards::reshard_message(*arrival_ms, reshard)), ..none })
            }
        }
    }

    /// Puts it at the front of the buffer, and the buffer behind it.
    pub(super) fn encode(&self, buffer: &mut &mut [u8]) {
        let control = self.control().map(|control| control.encode_to_vec()).unwrap_or_default();
        let (kind, shard, records, first_offset, arrival_ms) = match self.change {
            Change::Append { shard, first_offset, records, arrival_ms } => {
                (APPEND, shard.index(), records, first_offset, arrival_ms)
            }
            Change::SetRetention { .. } => (SET_RETENTION, 0, 0, 0, 0),
            Change::Trim { .. } => (TRIM, 0, 0, 0, 0),
            Change::ClockStep { .. } => (CLOCK_STEP, 0, 0, 0, 0),
            Change::Reshard { .. } => (RESHARD, 0, 0, 0, 0),
        };
        #[cfg(feature = "version-skew")]
        let kind =
            if kind == SET_RETENTION && super::skew::writes_entry() { super::skew::ENTRY_KIND } else { kind };
        let padded = control.len().next_multiple_of(8);
        buffer.put_u16_le((ENTRY_HEADER_BYTES + padded) as u16);
        buffer.put_u8(kind);
        buffer.put_u8(PLAIN);
        buffer.put_u32_le(0);
        buffer.put_u32_le(shard);
        buffer.put_u32_le(records);
        buffer.put_u64_le(first_offset);
        buffer.put_u64_le(arrival_ms);
        buffer.put_u32_le(self.block_bytes);
        buffer.put_u32_le(self.block_crc);
        buffer.put_u32_le(0);
        buffer.put_u16_le(control.len() as u16);
        buffer.put_u16_le(0);
        buffer.put_slice(&control);
        buffer.put_bytes(0, padded - control.len());
    }

    /// Reads the header that [`Lengths::peek`] found at the front.
    pub(super) fn decode(header: &[u8]) -> Result<Self, EntryError> {
        let mut rest = &header[2..];
        let (kind, encoding, features) = (rest.get_u8(), rest.get_u8(), rest.get_u32_le());
        if features != 0 {
            return Err(EntryError::Unknown(Unknown::Features(features.into())));
        }
        let (shard, records) = (rest.get_u32_le(), rest.get_u32_le());
        let (first_offset, arrival_ms) = (rest.get_u64_le(), rest.get_u64_le());
        let (block_bytes, block_crc, key) = (rest.get_u32_le(), rest.get_u32_le(), rest.get_u32_le());
        let (message_bytes, _) = (rest.get_u16_le() as usize, rest.get_u16_le());
        #[cfg(feature = "version-skew")]
        let kind = if kind == super::skew::ENTRY_KIND { SET_RETENTION } else { kind };
        let change = match kind {
            APPEND => {
                let shard = ShardId::new(shard).ok_or(Invalid("the shard of an entry is none"))?;
                Change::Append { shard, first_offset, records, arrival_ms }
            }
            SET_RETENTION | TRIM | CLOCK_STEP | RESHARD => {
                let invalid = Invalid("the extension of an entry is not its kind's");
                let control = rest.get(..message_bytes).and_then(|bytes| schema::Control::decode(bytes).ok());
                let control = control.ok_or(invalid)?;
                let change = match kind {
                    SET_RETENTION => control.retention_hours.map(|hours| Change::SetRetention { hours }),
                    TRIM => control.trim_horizon_ms.map(|horizon_ms| Change::Trim { horizon_ms }),
                    RESHARD => control.reshard.map(shards::change_of).transpose()?,
                    _ => control.time_ms.map(|time_ms| Change::ClockStep { time_ms }),
                };
                change.ok_or(invalid)?
            }
            kind => return Err(EntryError::Unknown(Unknown::EntryKind(kind))),
        };
        match (encoding, key) {
            (PLAIN, 0) => Ok(Self { change, block_bytes, block_crc }),
            (PLAIN, key) => Err(EntryError::Unknown(Unknown::Key(key))),
            (encoding, _) => Err(EntryError::Unknown(Unknown::BlockEncoding(encoding))),
        }
    }
}

impl Lengths {
    /// Of the entry whose header is at the front.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn peek(rest: &[u8]) -> Result<Self, Invalid> {
        let broken = Invalid("the header of an entry breaks off");
        let header = rest.get(..ENTRY_HEADER_BYTES).ok_or(broken)?;
        let header_bytes = usize::from((&header[..2]).get_u16_le());
        if header_bytes < ENTRY_HEADER_BYTES || header_bytes % 8 != 0 || header_bytes > rest.len() {
            return Err(broken);
        }
        Ok(Self { header_bytes, block_bytes: (&header[32..36]).get_u32_le() as usize })
    }
}

impl From<Invalid> for EntryError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}
