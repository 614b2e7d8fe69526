//! Values for the unit tests of the catalog service.

use catalog::{Stream, StreamMode, StreamSettings, StreamStatus};

/// An ACTIVE stream named `orders`, without shards.
pub fn stream(uid: &str, map_version: u64) -> Stream {
    Stream {
        uid: uid.into(),
        map_version,
        map_digest: None,
        account_id: "000000000000".into(),
        region: None,
        name: "orders".parse().unwrap(),
        status: StreamStatus::Active,
        mode: StreamMode::Provisioned,
        retention_period_hours: 24,
        max_record_size_kib: 1024,
        created_ms: 0,
        settings: StreamSettings::default(),
        shards: Vec::new(),
        logs: Vec::new(),
        groups: Vec::new(),
    }
}
