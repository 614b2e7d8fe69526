//! The header of a segment: whose it is, where the one before it ends, and the group's whole small state as of its
//! first batch.
//!
//! ```text
//!   0  8  magic "KINESEGM"
//!   8  4  CRC32C of the bytes behind it, up to the end of the sections
//!  12  4  bytes of the header, up to the end of the sections
//!  16 16  version that wrote it      }
//!  32  8  features needed to read    } [features]
//!  40  8  features needed to write   }
//!  48  8  nonce, drawn at every use and re-use of a segment
//!  56 16  log id
//!  72 16  incarnation of the copy
//!  88  8  sequence number of the segment, from 1
//!  96  8  where the segment before it was closed: the end of its last batch; 0 in the first segment, and where the
//!         one before it is missing
//! 104  8  bytes of all batches and headers of the log before this segment, trimmed ones too
//! 112  8  base index: that of the last batch before this segment; 0 before the first
//! 120  8  base term: that batch's
//! 128  8  term in which the segment was begun
//! 136  .  [sections], then zeros to the block's end
//! ```

use bytes::{Buf as _, BufMut as _};
use group_core::State;

use super::features::{FEATURES_BYTES, Features};
use super::sections::Sections;
use super::slots::Owner;
use super::{Invalid, Unreadable, block_ceil};

/// Bytes of the header before its sections.
pub const HEADER_BYTES: usize = 136;
/// No header is larger: room for tens of thousands of shards.
pub const MAX_HEADER_BYTES: usize = 32 << 20;
const MAGIC: &[u8; 8] = b"KINESEGM";
const CRC_END: usize = 12;

/// The header of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Who wrote it.
    pub features: Features,
    /// Seeds every checksum of the segment.
    pub nonce: u64,
    /// Whose the segment is.
    pub owner: Owner,
    /// The sequence number of the segment, from 1.
    pub sequence: u64,
    /// Where the segment before it ends.
    pub previous_end: u64,
    /// Bytes of the log before this segment, trimmed ones too.
    pub bytes_before: u64,
    /// The term in which it was begun.
    pub term: u64,
    /// The sections: what holds as of the segment's first batch.
    pub sections: Sections,
    /// Where the batches begin; [`SegmentHeader::encode`] knows it.
    pub bytes: u64,
}

impl SegmentHeader {
    /// What the entries before the segment amount to.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.sections.state
    }

    /// The header, and its bytes: whole blocks. The batches begin behind them.
    ///
    /// # Panics
    /// If it is larger than [`MAX_HEADER_BYTES`].
    #[must_use]
    pub fn encode(self) -> (Self, Vec<u8>) {
        let bytes = self.encode_with(&self.sections.encode());
        (Self { bytes: bytes.len() as u64, ..self }, bytes)
    }

    fn encode_with(&self, sections: &[u8]) -> Vec<u8> {
        let bytes = HEADER_BYTES + sections.len();
        assert!(bytes <= MAX_HEADER_BYTES, "a header of {bytes} bytes");
        let mut buffer = Vec::with_capacity(block_ceil(bytes as u64) as usize);
        buffer.put_slice(MAGIC);
        buffer.put_u32_le(0);
        buffer.put_u32_le(bytes as u32);
        self.features.encode(&mut buffer);
        buffer.put_u64_le(self.nonce);
        buffer.put_slice(self.owner.log_id.as_bytes());
        buffer.put_slice(self.owner.incarnation.as_bytes());
        buffer.put_u64_le(self.sequence);
        buffer.put_u64_le(self.previous_end);
        buffer.put_u64_le(self.bytes_before);
        buffer.put_u64_le(self.sections.state.index);
        buffer.put_u64_le(self.sections.state.term);
        buffer.put_u64_le(self.term);
        buffer.put_slice(sections);
        let crc = crc32c::crc32c(&buffer[CRC_END..]);
        buffer[MAGIC.len()..CRC_END].copy_from_slice(&crc.to_le_bytes());
        buffer.resize(buffer.capacity(), 0);
        buffer
    }

    /// How many bytes to read for [`SegmentHeader::decode`], from the first [`HEADER_BYTES`].
    ///
    /// # Errors
    /// If no header begins there.
    pub fn peek(bytes: &[u8]) -> Result<usize, Invalid> {
        let invalid = Invalid("no header of a segment begins here");
        let header = bytes.get(..HEADER_BYTES).ok_or(invalid)?;
        let bytes = (&header[CRC_END..]).get_u32_le() as usize;
        let fits = header.starts_with(MAGIC) && (HEADER_BYTES..=MAX_HEADER_BYTES).contains(&bytes);
        if fits { Ok(bytes) } else { Err(invalid) }
    }

    /// Checks and reads the header of the segment with this sequence number.
    ///
    /// # Errors
    /// If it is corrupt, another segment's or another log's, or a newer version's.
    pub fn decode(bytes: &[u8], owner: Owner, sequence: u64) -> Result<Self, Unreadable> {
        let header_bytes = Self::peek(bytes)?;
        let header = bytes.get(..header_bytes).ok_or(Invalid("the header of a segment breaks off"))?;
        if crc32c::crc32c(&header[CRC_END..]) != (&header[MAGIC.len()..]).get_u32_le() {
            return Err(Invalid("the checksum of a segment's header is wrong").into());
        }
        let mut rest = &header[CRC_END + 4..];
        let features = Features::decode(&mut rest);
        let nonce = rest.get_u64_le();
        if Owner::decode(&mut rest) != owner || rest.get_u64_le() != sequence {
            return Err(Invalid("the header is of another log, copy or segment").into());
        }
        features.check_read()?;
        let (previous_end, bytes_before) = (rest.get_u64_le(), rest.get_u64_le());
        let (base_index, base_term, term) = (rest.get_u64_le(), rest.get_u64_le(), rest.get_u64_le());
        let sections = Sections::decode(rest, &features, base_index, base_term)?;
        let bytes = block_ceil(header_bytes as u64);
        Ok(Self { features, nonce, owner, sequence, previous_end, bytes_before, term, sections, bytes })
    }
}

const _: () = assert!(HEADER_BYTES == 16 + FEATURES_BYTES + 8 + 32 + 6 * 8);

#[cfg(test)]
mod tests {
    use catalog::member::OpenShard;
    use catalog::{HashKey, HashKeyRange, ShardId};
    use group_core::{LogShard, Seal, State};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::format::sections::{Member, Membership, put_section};
    use crate::format::{Unknown, Version, schema};
    use crate::state::{AcceptedLosses, SegmentRange};

    const OWNER: Owner = Owner { log_id: Uuid::from_u128(1), incarnation: Uuid::from_u128(2) };

    fn member() -> impl Strategy<Value = Member> {
        any::<(u64, u128)>().prop_map(|(node_id, id)| Member { node_id, incarnation: Uuid::from_u128(id) })
    }

    fn members() -> impl Strategy<Value = Vec<Member>> {
        proptest::collection::vec(member(), 0..4)
    }

    fn shard() -> impl Strategy<Value = LogShard> {
        let parents = proptest::collection::vec(0u32..1_000, 0..3);
        (0u32..1_000, any::<[u128; 2]>(), parents, any::<[u64; 3]>()).prop_map(
            |(index, range, parents, [create_seconds, next_offset, last_arrival_ms])| {
                let id = |index| ShardId::new(index).unwrap();
                let range = HashKeyRange { start: HashKey(range[0]), end: HashKey(range[1]) };
                let parents = parents.into_iter().map(id).collect();
                let seal = create_seconds.is_multiple_of(2).then(|| {
                    let successors = vec![id(index + 1), id(index + 2)];
                    Box::new(Seal { op: next_offset, arrival_ms: last_arrival_ms, successors })
                });
                let open = OpenShard { id: id(index), range, parents, create_seconds };
                LogShard { open, next_offset, last_arrival_ms, seal }
            },
        )
    }

    prop_compose! {
        fn sections()(
            shards in proptest::collection::vec(shard(), 0..5),
            numbers in any::<[u64; 6]>(),
            retention_hours in any::<Option<u32>>(),
            (voters, learners, outgoing_voters, next_learners) in (members(), members(), members(), members()),
            auto_leave in any::<bool>(),
            losses in proptest::collection::vec((1u64..9, 0u64..1 << 30, 1u64..1 << 20), 0..5),
        ) -> Sections {
            let [index, term, time_ms, trim_horizon_ms, protected_until_ms, last_op] = numbers;
            let shards = shards.into_iter().map(|shard| (shard.open.id, shard)).collect();
            let mut accepted_losses = AcceptedLosses::default();
            for (segment, start, bytes) in losses {
                accepted_losses.add(SegmentRange { segment, start, end: start + bytes });
            }
            Sections {
                state: State {
                    index,
                    term,
                    time_ms,
                    retention_hours,
                    trim_horizon_ms,
                    protected_until_ms,
                    last_op,
                    shards,
                },
                membership: Membership { voters, learners, outgoing_voters, next_learners, auto_leave },
                accepted_losses,
            }
        }
    }

    fn header(sections: Sections) -> SegmentHeader {
        SegmentHeader {
            features: Features::own(),
            nonce: 7,
            owner: OWNER,
            sequence: 3,
            previous_end: 4,
            bytes_before: 5,
            term: 6,
            sections,
            bytes: 0,
        }
    }

    fn empty() -> Sections {
        Sections {
            state: State {
                index: 1,
                term: 2,
                time_ms: 3,
                retention_hours: None,
                trim_horizon_ms: 4,
                protected_until_ms: 5,
                last_op: 0,
                shards: Default::default(),
            },
            membership: Membership::of_one(Member { node_id: 1, incarnation: OWNER.incarnation }),
            accepted_losses: AcceptedLosses::default(),
        }
    }

    proptest! {
        #[test]
        fn header_reads_back_as_it_was_written(sections in sections()) {
            let (header, bytes) = header(sections).encode();
            prop_assert_eq!(SegmentHeader::decode(&bytes, OWNER, 3), Ok(header));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Sections::decode(&bytes, &Features::own(), 0, 0);
        }
    }

    #[test]
    fn no_bit_of_a_header_is_without_a_check() {
        let (_, mut bytes) = header(empty()).encode();
        let header_bytes = SegmentHeader::peek(&bytes).unwrap();
        for bit in 0..8 * header_bytes {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let flipped = SegmentHeader::decode(&bytes, OWNER, 3);
            assert!(matches!(flipped, Err(Unreadable::Invalid(_))), "{bit}: {flipped:?}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        let other = Owner { log_id: OWNER.log_id, incarnation: Uuid::from_u128(9) };
        assert!(matches!(SegmentHeader::decode(&bytes, other, 3), Err(Unreadable::Invalid(_))));
        assert!(matches!(SegmentHeader::decode(&bytes, OWNER, 4), Err(Unreadable::Invalid(_))));
    }

    #[test]
    fn sections_and_fields_of_a_newer_version_are_passed_over() {
        let (header, _) = header(empty()).encode();
        let mut sections = Vec::new();
        put_section(&mut sections, 99, b"of a later version");
        sections.extend(header.sections.encode());
        // The state again, which protobuf merges, with a field 77 more: a varint.
        let mut state = vec![0xe8, 0x04, 0x01];
        prost::Message::encode(
            &schema::State {
                time_ms: Some(3),
                trim_horizon_ms: Some(4),
                protected_until_ms: Some(5),
                ..Default::default()
            },
            &mut state,
        )
        .unwrap();
        put_section(&mut sections, 1, &state);
        let read = SegmentHeader::decode(&header.encode_with(&sections), OWNER, 3).unwrap();
        assert_eq!(read, header);
    }

    #[test]
    fn header_with_features_to_know_is_newer_and_one_with_features_to_write_is_read() {
        let written_by = Version::of("9.0.0");
        let features = Features { written_by, to_read: 1, to_write: 0 };
        let newer = SegmentHeader { features, ..header(empty()) };
        let Err(Unreadable::Newer(read)) = SegmentHeader::decode(&newer.encode().1, OWNER, 3) else {
            panic!("a newer header is newer");
        };
        assert_eq!((read.written_by, read.unknown), (written_by, Unknown::Features(1)));
        let features = Features { written_by, to_read: 0, to_write: 2 };
        let newer = SegmentHeader { features, ..header(empty()) };
        let read = SegmentHeader::decode(&newer.encode().1, OWNER, 3).unwrap();
        assert_eq!(read.features.check_write().unwrap_err().unknown, Unknown::Features(2));
    }

    #[test]
    fn shard_of_another_status_is_newer() {
        let state = schema::State {
            shards: vec![schema::Shard { status: Some(3), ..Default::default() }],
            time_ms: Some(1),
            ..Default::default()
        };
        let mut sections = Vec::new();
        put_section(&mut sections, 1, &prost::Message::encode_to_vec(&state));
        put_section(&mut sections, 2, &[]);
        let bytes = header(empty()).encode_with(&sections);
        let Err(Unreadable::Newer(read)) = SegmentHeader::decode(&bytes, OWNER, 3) else {
            panic!("a newer shard is newer");
        };
        assert_eq!(read.unknown, Unknown::ShardStatus(3));
    }
}
