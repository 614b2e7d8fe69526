//! Who a log is and which copy this is: two slots of one block each, written in turn, so that a crash leaves one whole.
//!
//! ```text
//!  0  8  magic "KINESLOT"
//!  8  4  CRC32C of the bytes behind it
//! 12  4  format version
//! 16  8  generation: the valid slot with the larger one holds
//! 24 16  log id
//! 40 16  incarnation: the random id of this copy
//! 56  8  term      } 0 until logs are replicated
//! 64 16  vote      }
//! 80  8  commit    }
//! ```

use bytes::{Buf as _, BufMut as _};
use uuid::Uuid;

use super::{Invalid, VERSION};
use crate::disk::BLOCK_BYTES;

const MAGIC: &[u8; 8] = b"KINESLOT";
const SLOT_BYTES: usize = 88;
const CRC_END: usize = 12;
/// The length of the file.
pub const SLOTS_BYTES: usize = 2 * BLOCK_BYTES;

/// What the slots say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// The id of the log, the same in all its copies.
    pub log_id: Uuid,
    /// The id of this copy.
    pub incarnation: Uuid,
}

impl Slots {
    /// The bytes of both slots, as a log begins with them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; SLOTS_BYTES];
        for (slot, generation) in bytes.chunks_exact_mut(BLOCK_BYTES).zip([1, 2]) {
            self.encode_slot(generation, slot);
        }
        bytes
    }

    fn encode_slot(&self, generation: u64, slot: &mut [u8]) {
        let mut rest = &mut slot[CRC_END..SLOT_BYTES];
        rest.put_u32_le(VERSION);
        rest.put_u64_le(generation);
        rest.put_slice(self.log_id.as_bytes());
        rest.put_slice(self.incarnation.as_bytes());
        let crc = crc32c::crc32c(&slot[CRC_END..SLOT_BYTES]);
        slot[..MAGIC.len()].copy_from_slice(MAGIC);
        slot[MAGIC.len()..CRC_END].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads one slot: its generation, and what it says.
    ///
    /// # Errors
    /// If it is not valid.
    pub fn decode(slot: &[u8]) -> Result<(u64, Self), Invalid> {
        let invalid = Invalid("a slot is not valid");
        let slot = slot.get(..SLOT_BYTES).ok_or(invalid)?;
        let crc = (&slot[MAGIC.len()..CRC_END]).get_u32_le();
        if !slot.starts_with(MAGIC) || crc32c::crc32c(&slot[CRC_END..]) != crc {
            return Err(invalid);
        }
        let mut rest = &slot[CRC_END..];
        if rest.get_u32_le() != VERSION {
            return Err(Invalid("a slot is of another format version"));
        }
        let generation = rest.get_u64_le();
        let (log_id, incarnation) = (rest.get_u128(), rest.get_u128());
        let (log_id, incarnation) = (Uuid::from_u128(log_id), Uuid::from_u128(incarnation));
        Ok((generation, Self { log_id, incarnation }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_read_back_one_by_one_and_no_bit_is_without_a_check() {
        let slots = Slots { log_id: Uuid::from_u128(1), incarnation: Uuid::from_u128(2) };
        let mut bytes = slots.encode();
        assert_eq!(Slots::decode(&bytes), Ok((1, slots)));
        assert_eq!(Slots::decode(&bytes[BLOCK_BYTES..]), Ok((2, slots)));
        for bit in 0..8 * SLOT_BYTES {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Slots::decode(&bytes).is_err(), "{bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
