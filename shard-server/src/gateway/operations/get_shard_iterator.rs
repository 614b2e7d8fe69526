//! GetShardIterator.

use catalog::ShardId;
use kinesis_wire::{Error, ErrorCode, request, response};

use super::Answer;
use super::starting_position::Start;
use crate::gateway::token::ShardIterator;
use crate::gateway::{Call, Endpoint};

pub async fn answer(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::GetShardIterator<'_>,
) -> Result<Answer, Error> {
    let name = call.required_name_of(&request.stream)?;
    let id: ShardId = request
        .shard_id
        .parse()
        .map_err(|_| Error::shard_id_unreadable(&request.shard_id, name.as_str(), call.account_id))?;
    let (stream, shard) = endpoint.find_shard(call, &name, id, None).await?;
    let start = Start::new(&request.position, &stream, &shard)?;
    let position = start.resolve(endpoint, &stream, &shard).await?;
    if request.dry_run {
        return Err(Error::dry_run_succeeded());
    }
    let iterator = ShardIterator {
        created_ms: endpoint.now_ms(),
        stream_uid: stream.uid.clone(),
        stream_name: name.to_string(),
        shard: id,
        position,
    };
    let sealed = iterator.seal(&endpoint.keys()).ok_or_else(|| Error::bare(ErrorCode::InternalFailure))?;
    Ok(response::GetShardIterator { shard_iterator: sealed }.encode(call.encoding).into())
}
