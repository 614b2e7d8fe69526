//! SplitShard, MergeShards and UpdateShardCount.

use catalog::control::{ChangeShards, ShardChange};
use catalog::{HashKey, ShardId, StreamName};
use kinesis_wire::{Error, ErrorCode, request, response};

use super::Answer;
use crate::gateway::{Call, Endpoint};

pub async fn split(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::SplitShard<'_>,
) -> Result<Answer, Error> {
    let name = call.required_name_of(&request.stream)?;
    let shard = shard_id(call, &name, &request.shard_to_split)?;
    let key = hash_key(&request.new_starting_hash_key)?;
    change(endpoint, call, &name, ShardChange::Split { shard, new_starting_hash_key: key }).await?;
    Ok(Vec::new().into())
}

pub async fn merge(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::MergeShards<'_>,
) -> Result<Answer, Error> {
    let name = call.required_name_of(&request.stream)?;
    let shard = shard_id(call, &name, &request.shard_to_merge)?;
    let adjacent = shard_id(call, &name, &request.adjacent_shard_to_merge)?;
    change(endpoint, call, &name, ShardChange::Merge { shard, adjacent }).await?;
    Ok(Vec::new().into())
}

pub async fn update_count(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::UpdateShardCount<'_>,
) -> Result<Answer, Error> {
    let name = call.required_name_of(&request.stream)?;
    let target = request.target_shard_count;
    let current_shard_count = change(endpoint, call, &name, ShardChange::Count { target }).await?;
    let answer = response::UpdateShardCount {
        stream_name: name.to_string(),
        stream_arn: format!("arn:aws:kinesis:{}:{}:stream/{name}", call.region, call.account_id),
        current_shard_count,
        target_shard_count: target,
    };
    Ok(answer.encode(call.encoding).into())
}

/// Begins a change; gives how many shards were open before.
async fn change(
    endpoint: &Endpoint,
    call: &Call<'_>,
    name: &StreamName,
    change: ShardChange,
) -> Result<u32, Error> {
    endpoint.change(call, name, ChangeShards { stream: call.key(name), change }).await
}

fn shard_id(call: &Call<'_>, name: &StreamName, text: &str) -> Result<ShardId, Error> {
    text.parse().map_err(|_| Error::shard_id_unreadable(text, name.as_str(), call.account_id))
}

/// The request has at most 39 digits, which may still be too many.
fn hash_key(text: &str) -> Result<HashKey, Error> {
    text.parse().map_err(|_| {
        let message = format!(
            "Invalid NewStartingHashKey. NewStartingHashKey must be in the range: [0, 2^128-1]. Specified value was {text}"
        );
        Error::new(ErrorCode::InvalidArgumentException, message)
    })
}
