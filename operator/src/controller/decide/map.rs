//! The map of a stream: restored from its record, or created where it has none. Pure.

use std::collections::HashSet;

use catalog::ShardState;
use catalog::map::{Contradiction, Desired, Map, Refused, Transition, next_steps};
use catalog::resource::{InvalidShard, Resolved, Shard};

use crate::controller::error::Error;
use crate::controller::observe::Known;
use crate::objects::Group;

/// The map of a stream. It is what was recorded, whatever the spec says now; its Shards as they were seen must not say
/// anything else.
///
/// # Errors
/// If they do.
pub fn map(known: &Known, resolved: &Resolved) -> Result<Map, Error> {
    let Some(recorded) = known.stream.recorded_map() else { return created(known, resolved) };
    let map = recorded.restore();
    map.check(&shards(known.observed.shards.iter().map(|shard| &**shard))?)?;
    Ok(map)
}

/// The map of a stream without a record: a new one, or one that an earlier version made, with the Shards of that one as the
/// API server itself has them, because the record will rule out everything else.
fn created(known: &Known, resolved: &Resolved) -> Result<Map, Error> {
    let stream = &known.stream;
    let mirrors = shards(&known.unrecorded_shards)?;
    let created_at = stream.metadata.creation_timestamp.as_ref();
    let created_at = created_at.map_or(0, |time| time.0.as_second().unsigned_abs());
    let create_seconds = mirrors.first().map_or(created_at, |shard| shard.create_seconds);
    let desired = Desired {
        shard_count: Some(resolved.shard_count.unsigned_abs()),
        shards_per_group: Some(resolved.shards_per_group.unsigned_abs()),
    };
    let steps = next_steps(None, &desired, create_seconds).unwrap_or_default();
    let create = |map, step| Map::take(map, step).map(Some);
    let mut map = steps.iter().try_fold(None, create)?.ok_or(Refused::NotCreated)?;
    map.check(&mirrors)?;
    // An earlier version recorded that all logs were opened, and not which: none is bootstrapped again.
    let all_opened = stream.status.as_ref().is_some_and(|status| {
        status.resolved.is_some() && status.stream_status.as_deref() != Some("CREATING")
    });
    for log in map.logs_to_open() {
        let opened = |shard: &catalog::Shard| shard.log == log && shard.state != ShardState::Pending;
        if all_opened || mirrors.iter().any(opened) {
            map = Map::take(Some(map), &Transition::Open { log })?;
        }
    }
    Ok(map)
}

/// The map after the groups were looked at: a log whose pod serves all of its shards is open.
pub fn opened<'g>(map: Map, groups: impl IntoIterator<Item = &'g Group>) -> Result<Map, Refused> {
    let logs: HashSet<_> = map.logs_to_open().into_iter().collect();
    let open = groups.into_iter().filter(|group| group.is_open() && logs.contains(&group.log));
    open.map(|group| Transition::Open { log: group.log.clone() })
        .try_fold(map, |map, transition| Map::take(Some(map), &transition))
}

fn shards<'s>(objects: impl IntoIterator<Item = &'s Shard>) -> Result<Vec<catalog::Shard>, InvalidShard> {
    objects.into_iter().map(Shard::to_domain).collect()
}

/// What a person is told of a contradiction.
pub fn advice(contradiction: &Contradiction) -> &'static str {
    match contradiction {
        Contradiction::Unplanned { .. } | Contradiction::Closed { .. } => {
            "a newer version did that, or somebody by hand: run the newer version again, or delete that Shard"
        }
        Contradiction::Differs { .. } => "somebody did that by hand: delete that Shard, it is made again",
    }
}
