//! The bytes of every structure, as this version began to write them, kept in `tests/golden`: what is on a disk must be
//! read by every later version.

use std::path::PathBuf;
use std::sync::Arc;

use catalog::member::OpenShard;
use catalog::{HashKey, HashKeyRange, ShardId};
use group_core::record::{Record, RecordBlockBuilder};
use group_core::{Batch, Change, Entry, LogShard, Reshard, Seal, State};
use smallvec::smallvec;
use uuid::Uuid;

use super::batch::{BatchHeader, Decoded};
use super::footer::{self, Closed, TRAILER_BYTES, Trailer};
use super::header::SegmentHeader;
use super::sections::{Member, Membership, Sections};
use super::slots::{Owner, Slots};
use super::{Features, Version};
use crate::disk::BLOCK_BYTES;
use crate::format::index::{IndexEntry, SegmentIndex, ShardIndex};
use crate::state::{AcceptedLosses, SegmentRange};

const NONCE: u64 = 0x0123_4567_89ab_cdef;
const FEATURES: Features = Features { written_by: Version::of("0.1.0"), to_read: 0, to_write: 0 };
const OWNER: Owner = Owner { log_id: Uuid::from_u128(0x10), incarnation: Uuid::from_u128(0xc0) };
const CLOSED: Closed = Closed { end: 8_000, index: 9, term: 3 };

fn slots() -> Slots {
    Slots { features: FEATURES, owner: OWNER, node_id: 1, term: 3, vote: 1, commit: 8 }
}

fn header() -> SegmentHeader {
    let shard = |(index, range)| {
        let id = ShardId::new(index).unwrap();
        let parents = (0..index).map(|parent| ShardId::new(parent).unwrap()).collect();
        let open = OpenShard { id, range, parents, create_seconds: 1_700_000_000 };
        let (next_offset, last_arrival_ms) = (10 + u64::from(index), 1_700_000_000_123);
        (id, LogShard { open, next_offset, last_arrival_ms, seal: None })
    };
    let shards = (0..).zip(HashKeyRange::uniform(3)).map(shard).collect();
    let member = |node_id| Member { node_id, incarnation: Uuid::from_u128(0xc0 + u128::from(node_id)) };
    let mut accepted_losses = AcceptedLosses::default();
    accepted_losses.add(SegmentRange { segment: 2, start: 4_096, end: 5_000 });
    SegmentHeader {
        features: FEATURES,
        nonce: NONCE,
        owner: OWNER,
        sequence: 4,
        previous_end: 12_345,
        bytes_before: 1 << 20,
        term: 3,
        sections: Sections {
            state: State {
                index: 7,
                term: 2,
                time_ms: 1_700_000_001_000,
                retention_hours: Some(24),
                trim_horizon_ms: 1_699_999_000_000,
                protected_until_ms: 1_700_000_002_000,
                last_op: 0,
                shards,
            },
            membership: Membership {
                voters: vec![member(1), member(2)],
                learners: vec![member(3)],
                outgoing_voters: vec![member(4)],
                next_learners: vec![member(5)],
                auto_leave: true,
            },
            accepted_losses,
        },
        bytes: BLOCK_BYTES as u64,
    }
}

/// The header behind a split of shard 1, by operation 5.
fn resharded_header() -> SegmentHeader {
    let mut header = header();
    let state = &mut header.sections.state;
    let Change::Reshard { arrival_ms, reshard } = reshard_batch().entries.remove(0).change else { panic!() };
    state.last_op = reshard.op;
    let successors = reshard.open.iter().map(|open| open.id).collect();
    let sealed = state.shards.get_mut(&reshard.seal[0]).unwrap();
    sealed.seal = Some(Box::new(Seal { op: reshard.op, arrival_ms, successors }));
    for open in &reshard.open {
        let shard = LogShard { open: open.clone(), next_offset: 1, last_arrival_ms: arrival_ms, seal: None };
        state.shards.insert(open.id, shard);
    }
    SegmentHeader { features: Features { to_write: 1, ..FEATURES }, ..header }
}

fn reshard_batch() -> Batch {
    let parent = ShardId::new(1).unwrap();
    let whole = HashKeyRange::uniform(3)[1];
    let middle = whole.start.0 + 1_000;
    let ranges = [
        HashKeyRange { end: HashKey(middle), ..whole },
        HashKeyRange { start: HashKey(middle + 1), ..whole },
    ];
    let open = |(index, range)| OpenShard {
        id: ShardId::new(index).unwrap(),
        range,
        parents: vec![parent],
        create_seconds: 1_700_000_004,
    };
    let reshard = Reshard { op: 5, seal: vec![parent], open: (3..).zip(ranges).map(open).collect() };
    let change = Change::Reshard { arrival_ms: 1_700_000_003_500, reshard: Arc::new(reshard) };
    let entries = vec![Entry { change, blocks: smallvec![] }];
    Batch { index: 9, term: 3, time_ms: 1_700_000_003_500, entries }
}

fn batch() -> Batch {
    let append = |index, first_offset, records: &[&str]| {
        let mut builder = RecordBlockBuilder::default();
        records.iter().for_each(|data| builder.push(Record { partition_key: "key", data: data.as_bytes() }));
        let shard = ShardId::new(index).unwrap();
        let records = records.len() as u32;
        let change = Change::Append { shard, first_offset, records, arrival_ms: 1_700_000_003_000 };
        Entry { change, blocks: smallvec![builder.build()] }
    };
    let control = |change| Entry { change, blocks: smallvec![] };
    let entries = vec![
        append(0, 10, &["one", "two"]),
        append(0, 12, &["three"]),
        append(2, 12, &[""]),
        control(Change::SetRetention { hours: 48 }),
        control(Change::Trim { horizon_ms: 1_699_999_500_000 }),
        control(Change::ClockStep { time_ms: 1_800_000_000_000 }),
    ];
    Batch { index: 8, term: 3, time_ms: 1_700_000_003_000, entries }
}

fn bytes_of(batch: &Batch) -> Vec<u8> {
    let header = BatchHeader::of(batch, 4_096);
    let mut bytes = vec![0; header.frame.bytes];
    let blocks = batch.entries.iter().flat_map(|entry| entry.blocks.iter().map(|block| block.bytes()));
    header.encode(NONCE, blocks, &mut bytes);
    bytes
}

fn index() -> SegmentIndex {
    let mut index = SegmentIndex::new(1);
    let entry =
        |number| IndexEntry { first_offset: number, arrival_ms: 1_000 + number, position: 4_096 + number };
    index.shards.insert(ShardId::FIRST, ShardIndex::of((1..4).map(entry).collect()));
    index.shards.insert(ShardId::new(2).unwrap(), ShardIndex::of(vec![entry(9)]));
    index
}

/// Every structure by the name of its file.
fn structures() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("slots.bin", slots().encode()),
        ("header.bin", header().encode().1),
        ("batch.bin", bytes_of(&batch())),
        ("header-resharded.bin", resharded_header().encode().1),
        ("batch-reshard.bin", bytes_of(&reshard_batch())),
        ("footer.bin", footer::encode(&FEATURES, NONCE, 8_192, CLOSED, &index())),
    ]
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn kept(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

#[test]
#[ignore = "writes the files that the other tests compare with: only for a structure that is new"]
fn write_golden_structures() {
    for (name, bytes) in structures().into_iter().filter(|(name, _)| !path(name).exists()) {
        std::fs::write(path(name), bytes).unwrap();
    }
}

#[test]
fn structures_are_written_as_ever() {
    for (name, bytes) in structures() {
        assert!(kept(name) == bytes, "{name} is written in other bytes than before");
    }
}

#[test]
fn structures_of_old_are_read() {
    let bytes = kept("slots.bin");
    assert_eq!(Slots::decode(&bytes[..BLOCK_BYTES]), Ok((1, slots())));
    assert_eq!(Slots::decode(&bytes[BLOCK_BYTES..]), Ok((2, slots())));
    let bytes = kept("header.bin");
    assert_eq!(SegmentHeader::decode(&bytes, OWNER, 4), Ok(header()));
    assert_eq!(
        BatchHeader::decode(NONCE, &kept("batch.bin")),
        Ok(Decoded::Known(BatchHeader::of(&batch(), 4_096)))
    );
    assert_eq!(SegmentHeader::decode(&kept("header-resharded.bin"), OWNER, 4), Ok(resharded_header()));
    assert_eq!(
        BatchHeader::decode(NONCE, &kept("batch-reshard.bin")),
        Ok(Decoded::Known(BatchHeader::of(&reshard_batch(), 4_096)))
    );
    let bytes = kept("footer.bin");
    let (rest, trailer) = bytes.split_at(bytes.len() - TRAILER_BYTES);
    let trailer = Trailer::decode(NONCE, trailer, 8_192 + bytes.len() as u64).unwrap();
    assert_eq!(trailer.closed, CLOSED);
    let directory = trailer.directory(NONCE, &rest[rest.len() - trailer.directory_bytes()..]).unwrap();
    for (shard, index) in index().shards {
        let part = directory.find(shard).unwrap();
        let start = (part.position - 8_192) as usize;
        assert_eq!(part.decode(NONCE, &bytes[start..start + part.bytes]), Ok(index));
    }
}
