//! Making a log.

use catalog::member::OpenShard;
use uuid::Uuid;

use group_core::State;

use crate::disk::Disk;
use crate::disk::aligned::AlignedBuffer;
use crate::error::Error;
use crate::format::header::SegmentHeader;
use crate::format::sections::{Member, Membership, Sections};
use crate::format::slots::{Owner, Slots};
use crate::format::{Features, SLOTS, segment_name};
use crate::state::AcceptedLosses;

/// The number of a group's first copy.
const FIRST_NODE: u64 = 1;

/// What a log begins with.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// The id of the log.
    pub log_id: Uuid,
    /// The id of this copy of it.
    pub incarnation: Uuid,
    /// Its shards.
    pub shards: Vec<OpenShard>,
    /// How long it keeps records.
    pub retention_hours: u32,
    /// When it begins, in milliseconds since 1970: nothing arrives before.
    pub created_ms: u64,
}

/// Makes a log in an empty directory. All is durable but the entry of the directory in its parent.
///
/// # Errors
/// If anything cannot be written.
pub fn create(disk: &dyn Disk, nonce: u64, config: &LogConfig) -> Result<(), Error> {
    let owner = Owner { log_id: config.log_id, incarnation: config.incarnation };
    let slots = Slots { features: Features::own(), owner, node_id: FIRST_NODE, term: 0, vote: 0, commit: 0 };
    let header = SegmentHeader {
        features: Features::own(),
        nonce,
        owner,
        sequence: 1,
        previous_end: 0,
        bytes_before: 0,
        term: 0,
        sections: Sections {
            state: State::new(config.shards.iter().cloned(), config.retention_hours, config.created_ms),
            membership: Membership::of_one(Member { node_id: FIRST_NODE, incarnation: config.incarnation }),
            accepted_losses: AcceptedLosses::default(),
        },
        bytes: 0,
    };
    let (_, header) = header.encode();
    write_file(disk, SLOTS, &slots.encode())?;
    write_file(disk, &segment_name(1), &header)?;
    disk.sync_directory().map_err(Error::io("sync the directory of", SLOTS))
}

fn write_file(disk: &dyn Disk, name: &str, blocks: &[u8]) -> Result<(), Error> {
    let file = disk.create(name, blocks.len() as u64).map_err(Error::io("create", name))?;
    let mut buffer = AlignedBuffer::with_capacity(blocks.len());
    buffer.as_mut_slice()[..blocks.len()].copy_from_slice(blocks);
    file.write(0, &buffer.as_slice()[..blocks.len()]).map_err(Error::io("write", name))?;
    file.sync().map_err(Error::io("sync", name))
}
