//! Values for the unit tests of the gateway.

use catalog::map::Genesis;
use catalog::{Group, LogPlacement, Shard, ShardState, Stream, StreamMode, StreamSettings, StreamStatus};

/// An ACTIVE stream of four open shards in one log of a group without members.
pub fn stream(name: &str) -> Stream {
    let shards = Genesis::new(4, 16, 1_700_000_000).shards();
    Stream {
        uid: format!("uid-of-{name}"),
        map_version: 1,
        map_digest: None,
        account_id: "000000000000".into(),
        region: None,
        name: name.parse().unwrap(),
        status: StreamStatus::Active,
        mode: StreamMode::Provisioned,
        retention_period_hours: 24,
        max_record_size_kib: 1024,
        created_ms: 1_700_000_000_000,
        settings: StreamSettings::default(),
        shards: shards.into_iter().map(|shard| Shard { state: ShardState::Open, ..shard }).collect(),
        logs: vec![LogPlacement { name: "g0".into(), group: "g0".into() }],
        groups: vec![Group { name: "g0".into(), members: Vec::new() }],
    }
}
