//! Shards in the messages of [`schema`](super::schema): those of a state, and those that a reshard seals and opens.

use std::sync::Arc;

use catalog::member::OpenShard;
use catalog::{HashKey, HashKeyRange, ShardId};
use group_core::{Change, LogShard, Reshard, Seal};

use super::features::{Features, Newer, Unknown};
use super::sections::needed;
use super::{Invalid, Unreadable, schema};

const OPEN: u32 = 1;
const SEALED: u32 = 2;

/// A shard of a state.
pub fn shard_message(shard: &LogShard) -> schema::Shard {
    let seal = |seal: &Seal| schema::Seal {
        op: Some(seal.op),
        arrival_ms: Some(seal.arrival_ms),
        successors: indexes(&seal.successors),
    };
    schema::Shard {
        next_offset: Some(shard.next_offset),
        last_arrival_ms: Some(shard.last_arrival_ms),
        status: Some(if shard.seal.is_some() { SEALED } else { OPEN }),
        seal: shard.seal.as_deref().map(seal),
        ..open_message(&shard.open)
    }
}

/// Reads a shard of a state, of which a version wrote this.
pub fn shard_of(message: schema::Shard, features: &Features) -> Result<LogShard, Unreadable> {
    let seal = match (needed(message.status)?, &message.seal) {
        (OPEN, _) => None,
        (SEALED, seal) => Some(Box::new(seal_of(needed(seal.as_ref())?)?)),
        (status, _) => return Err(Newer::new(features.written_by, Unknown::ShardStatus(status)).into()),
    };
    Ok(LogShard {
        next_offset: needed(message.next_offset)?,
        last_arrival_ms: message.last_arrival_ms.unwrap_or(0),
        open: open_of(message)?,
        seal,
    })
}

/// What a Reshard has in its extension.
pub fn reshard_message(arrival_ms: u64, reshard: &Reshard) -> schema::Reshard {
    schema::Reshard {
        op: Some(reshard.op),
        arrival_ms: Some(arrival_ms),
        seal: indexes(&reshard.seal),
        open: reshard.open.iter().map(open_message).collect(),
    }
}

/// Reads it.
pub fn change_of(message: schema::Reshard) -> Result<Change, Invalid> {
    let reshard = Reshard {
        op: needed(message.op)?,
        seal: ids(message.seal)?,
        open: message.open.into_iter().map(open_of).collect::<Result<_, _>>()?,
    };
    Ok(Change::Reshard { arrival_ms: needed(message.arrival_ms)?, reshard: Arc::new(reshard) })
}

fn open_message(open: &OpenShard) -> schema::Shard {
    schema::Shard {
        id: Some(open.id.index()),
        range_start: Some(open.range.start.0.to_be_bytes().to_vec()),
        range_end: Some(open.range.end.0.to_be_bytes().to_vec()),
        parents: indexes(&open.parents),
        create_seconds: Some(open.create_seconds),
        ..schema::Shard::default()
    }
}

fn open_of(message: schema::Shard) -> Result<OpenShard, Invalid> {
    let key = |bytes: Option<Vec<u8>>| {
        let bytes = needed(bytes)?.try_into().map_err(|_| Invalid("a hash key of a shard is none"))?;
        Ok::<_, Invalid>(HashKey(u128::from_be_bytes(bytes)))
    };
    let range = HashKeyRange { start: key(message.range_start)?, end: key(message.range_end)? };
    Ok(OpenShard {
        id: id(needed(message.id)?)?,
        range,
        parents: ids(message.parents)?,
        create_seconds: needed(message.create_seconds)?,
    })
}

fn seal_of(message: &schema::Seal) -> Result<Seal, Invalid> {
    Ok(Seal {
        op: needed(message.op)?,
        arrival_ms: needed(message.arrival_ms)?,
        successors: ids(message.successors.clone())?,
    })
}

fn indexes(ids: &[ShardId]) -> Vec<u32> {
    ids.iter().map(|id| id.index()).collect()
}

fn ids(indexes: Vec<u32>) -> Result<Vec<ShardId>, Invalid> {
    indexes.into_iter().map(id).collect()
}

fn id(index: u32) -> Result<ShardId, Invalid> {
    ShardId::new(index).ok_or(Invalid("the id of a shard is none"))
}
