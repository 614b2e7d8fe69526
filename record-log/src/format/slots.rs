//! Who a log is, which copy this is, and what it voted: two slots of one block each, written in turn, so that a crash
//! leaves one whole.
//!
//! ```text
//!   0  8  magic "KINESLOT"
//!   8  4  CRC32C of so many bytes behind it as the next field says
//!  12  4  that number, from this field on
//!  16 16  version that wrote it      }
//!  32  8  features needed to read    } [features]
//!  40  8  features needed to write   }
//!  48  8  generation: the valid slot with the larger one holds
//!  56 16  log id
//!  72 16  incarnation: the random id of this copy
//!  88  8  node id of this copy in its group, from 1
//!  96  8  term            } of Raft
//! 104  8  vote: a node id }
//! 112  8  commit          }
//! ```

use bytes::{Buf as _, BufMut as _};
use uuid::Uuid;

use super::features::{FEATURES_BYTES, Features};
use super::{Invalid, Unreadable};
use crate::disk::BLOCK_BYTES;

const MAGIC: &[u8; 8] = b"KINESLOT";
const CRC_END: usize = 12;
const SLOT_BYTES: usize = 120;
/// The length of the file.
pub const SLOTS_BYTES: usize = 2 * BLOCK_BYTES;

/// Whose a file of a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The id of the log, the same in all its copies.
    pub log_id: Uuid,
    /// The id of this copy.
    pub incarnation: Uuid,
}

/// What the slots say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// Who wrote them.
    pub features: Features,
    /// The log and this copy.
    pub owner: Owner,
    /// The number of this copy in its group, from 1.
    pub node_id: u64,
    /// The highest term that this copy knows of.
    pub term: u64,
    /// Whom it voted for in that term; 0, nobody.
    pub vote: u64,
    /// An index up to which batches are committed.
    pub commit: u64,
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
        rest.put_u32_le((SLOT_BYTES - CRC_END) as u32);
        self.features.encode(&mut rest);
        rest.put_u64_le(generation);
        rest.put_slice(self.owner.log_id.as_bytes());
        rest.put_slice(self.owner.incarnation.as_bytes());
        rest.put_u64_le(self.node_id);
        rest.put_u64_le(self.term);
        rest.put_u64_le(self.vote);
        rest.put_u64_le(self.commit);
        let crc = crc32c::crc32c(&slot[CRC_END..SLOT_BYTES]);
        slot[..MAGIC.len()].copy_from_slice(MAGIC);
        slot[MAGIC.len()..CRC_END].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads one slot: its generation, and what it says.
    ///
    /// # Errors
    /// If it is not valid, or a newer version's.
    pub fn decode(slot: &[u8]) -> Result<(u64, Self), Unreadable> {
        let invalid = Invalid("a slot is not valid");
        let rest = slot.get(CRC_END..).filter(|_| slot.starts_with(MAGIC)).ok_or(invalid)?;
        let bytes = rest.get(..4).ok_or(invalid)?.get_u32_le() as usize;
        let mut rest = rest.get(..bytes).filter(|_| bytes >= SLOT_BYTES - CRC_END).ok_or(invalid)?;
        if crc32c::crc32c(rest) != (&slot[MAGIC.len()..CRC_END]).get_u32_le() {
            return Err(invalid.into());
        }
        rest.advance(4);
        let features = Features::decode(&mut rest);
        features.check_read()?;
        let generation = rest.get_u64_le();
        let owner = Owner::decode(&mut rest);
        let (node_id, term) = (rest.get_u64_le(), rest.get_u64_le());
        let (vote, commit) = (rest.get_u64_le(), rest.get_u64_le());
        Ok((generation, Self { features, owner, node_id, term, vote, commit }))
    }
}

impl Owner {
    pub(super) fn decode(rest: &mut &[u8]) -> Self {
        Self { log_id: Uuid::from_u128(rest.get_u128()), incarnation: Uuid::from_u128(rest.get_u128()) }
    }
}

const _: () = assert!(SLOT_BYTES == 16 + FEATURES_BYTES + 8 + 32 + 4 * 8);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Unknown, Version};

    fn slots() -> Slots {
        let owner = Owner { log_id: Uuid::from_u128(1), incarnation: Uuid::from_u128(2) };
        Slots { features: Features::own(), owner, node_id: 3, term: 4, vote: 5, commit: 6 }
    }

    #[test]
    fn slots_read_back_one_by_one_and_no_bit_is_without_a_check() {
        let mut bytes = slots().encode();
        assert_eq!(Slots::decode(&bytes), Ok((1, slots())));
        assert_eq!(Slots::decode(&bytes[BLOCK_BYTES..]), Ok((2, slots())));
        for bit in 0..8 * SLOT_BYTES {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let flipped = Slots::decode(&bytes[..BLOCK_BYTES]);
            assert!(matches!(flipped, Err(Unreadable::Invalid(_))), "{bit}: {flipped:?}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn slot_that_a_newer_version_made_longer_is_read() {
        let mut slot = slots().encode();
        slot[SLOT_BYTES..SLOT_BYTES + 8].fill(0xee);
        slot[CRC_END..CRC_END + 4].copy_from_slice(&((SLOT_BYTES + 8 - CRC_END) as u32).to_le_bytes());
        let crc = crc32c::crc32c(&slot[CRC_END..SLOT_BYTES + 8]);
        slot[8..CRC_END].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Slots::decode(&slot), Ok((1, slots())));
    }

    #[test]
    fn slot_with_features_to_know_is_newer_and_one_with_features_to_write_is_read() {
        let features = Features { written_by: Version::of("9.0.0"), to_read: 1 << 50, to_write: 0 };
        let Err(Unreadable::Newer(newer)) = Slots::decode(&Slots { features, ..slots() }.encode()) else {
            panic!("newer slots are newer");
        };
        assert_eq!((newer.written_by, newer.unknown), (Version::of("9.0.0"), Unknown::Features(1 << 50)));
        let features = Features { to_read: 0, to_write: 1, ..features };
        let (_, read) = Slots::decode(&Slots { features, ..slots() }.encode()).unwrap();
        assert_eq!(read.features, features);
    }
}
