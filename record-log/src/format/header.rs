//! The head of a segment: whose it is, where the one before it ends, and the group's whole small state as of its first
//! batch.
//!
//! ```text
//!   0  8  magic "KINESEGM"
//!   8  4  CRC32C of the bytes behind it, up to the end of the state
//!  12  4  format version
//!  16  8  nonce, drawn at every use and re-use of a segment
//!  24 16  log id
//!  40 16  incarnation of the copy
//!  56  8  sequence number of the segment, from 1
//!  64  8  term, 0 until logs are replicated
//!  72  8  where the segment before it was closed: the end of its last batch; 0 in the first segment,
//!        and where the one before it is lost
//!  80  8  bytes of all batches and heads of the log before this segment, trimmed ones too
//!  88  4  bytes of the state
//!  92  4  0
//!  96  .  the state as JSON, then zeros to the block's end
//! ```

use bytes::{Buf as _, BufMut as _};
use uuid::Uuid;

use super::slots::Slots;
use super::{Invalid, VERSION, block_ceil};
use crate::state::State;

/// Bytes of the head before the state.
pub const HEAD_BYTES: usize = 96;
/// No state is larger: room for tens of thousands of shards.
pub const MAX_STATE_BYTES: usize = 32 << 20;
const MAGIC: &[u8; 8] = b"KINESEGM";
const CRC_END: usize = 12;

/// A segment's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Seeds every checksum of the segment.
    pub nonce: u64,
    /// Whose the segment is.
    pub owner: Slots,
    /// The sequence number of the segment, from 1.
    pub sequence: u64,
    /// Where the segment before it ends.
    pub previous_end: u64,
    /// Bytes of the log before this segment, trimmed ones too.
    pub bytes_before: u64,
    /// The state as of the segment's first batch.
    pub state: State,
    /// Where the batches begin.
    pub bytes: u64,
}

impl SegmentHeader {
    /// A head and its bytes: whole blocks.
    ///
    /// # Panics
    /// If the state is larger than [`MAX_STATE_BYTES`].
    #[must_use]
    pub fn new(
        nonce: u64,
        owner: Slots,
        sequence: u64,
        previous_end: u64,
        bytes_before: u64,
        state: State,
    ) -> (Self, Vec<u8>) {
        let json = serde_json::to_vec(&state).expect("a state is plain data");
        assert!(json.len() <= MAX_STATE_BYTES, "a state of {} bytes", json.len());
        let bytes = block_ceil((HEAD_BYTES + json.len()) as u64);
        let mut buffer = Vec::with_capacity(bytes as usize);
        buffer.put_slice(MAGIC);
        buffer.put_u32_le(0);
        buffer.put_u32_le(VERSION);
        buffer.put_u64_le(nonce);
        buffer.put_slice(owner.log_id.as_bytes());
        buffer.put_slice(owner.incarnation.as_bytes());
        buffer.put_u64_le(sequence);
        buffer.put_u64_le(0);
        buffer.put_u64_le(previous_end);
        buffer.put_u64_le(bytes_before);
        buffer.put_u32_le(json.len() as u32);
        buffer.put_u32_le(0);
        buffer.put_slice(&json);
        let crc = crc32c::crc32c(&buffer[CRC_END..]);
        buffer[MAGIC.len()..CRC_END].copy_from_slice(&crc.to_le_bytes());
        buffer.resize(bytes as usize, 0);
        (Self { nonce, owner, sequence, previous_end, bytes_before, state, bytes }, buffer)
    }

    /// How many bytes to read for [`SegmentHeader::decode`], from the first [`HEAD_BYTES`].
    ///
    /// # Errors
    /// If no head begins there.
    pub fn peek(bytes: &[u8]) -> Result<usize, Invalid> {
        let invalid = Invalid("no head of a segment begins here");
        let head = bytes.get(..HEAD_BYTES).ok_or(invalid)?;
        let state_bytes = (&head[88..92]).get_u32_le() as usize;
        if !head.starts_with(MAGIC) || state_bytes > MAX_STATE_BYTES {
            return Err(invalid);
        }
        Ok(HEAD_BYTES + state_bytes)
    }

    /// Checks and reads the head of the segment with this sequence number.
    ///
    /// # Errors
    /// If it is damaged, another segment's or another log's.
    pub fn decode(bytes: &[u8], owner: Slots, sequence: u64) -> Result<Self, Invalid> {
        let head_bytes = Self::peek(bytes)?;
        let head = bytes.get(..head_bytes).ok_or(Invalid("the head of a segment breaks off"))?;
        if crc32c::crc32c(&head[CRC_END..]) != (&head[MAGIC.len()..]).get_u32_le() {
            return Err(Invalid("the checksum of a segment's head is wrong"));
        }
        let mut rest = &head[CRC_END..];
        let version = rest.get_u32_le();
        if version != VERSION {
            return Err(Invalid("the segment is of another format version"));
        }
        let nonce = rest.get_u64_le();
        let found =
            Slots { log_id: Uuid::from_u128(rest.get_u128()), incarnation: Uuid::from_u128(rest.get_u128()) };
        if found != owner || rest.get_u64_le() != sequence {
            return Err(Invalid("the head is of another log, copy or segment"));
        }
        rest.advance(8);
        let (previous_end, bytes_before) = (rest.get_u64_le(), rest.get_u64_le());
        rest.advance(8);
        let state =
            serde_json::from_slice(rest).map_err(|_| Invalid("the state in a segment's head is no state"))?;
        let bytes = block_ceil(head_bytes as u64);
        Ok(Self { nonce, owner, sequence, previous_end, bytes_before, state, bytes })
    }
}
