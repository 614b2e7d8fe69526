//! Making a log.

use catalog::member::OpenShard;
use uuid::Uuid;

use crate::disk::Disk;
use crate::disk::aligned::AlignedBuffer;
use crate::error::Error;
use crate::format::header::SegmentHeader;
use crate::format::slots::Slots;
use crate::format::{SLOTS, segment_name};
use crate::state::AcceptedLosses;
use crate::state::{LogShard, State};

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
    let owner = Slots { log_id: config.log_id, incarnation: config.incarnation };
    let shard =
        |open: &OpenShard| (open.id, LogShard { open: open.clone(), next_offset: 1, last_arrival_ms: 0 });
    let state = State {
        next_index: 1,
        last_arrival_ms: config.created_ms,
        retention_hours: Some(config.retention_hours),
        trimmed_ms: 0,
        accepted_losses: AcceptedLosses::default(),
        shards: config.shards.iter().map(shard).collect(),
    };
    let (_, header) = SegmentHeader::new(nonce, owner, 1, 0, 0, state);
    write_file(disk, SLOTS, &owner.encode())?;
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
