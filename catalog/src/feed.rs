//! The feed of the catalog: a snapshot, then every change.
//!
//! `GET /v1/catalog` of a catalog service answers a body that does not end: one [`CatalogEvent`] as JSON a
//! line. The first is a [`CatalogEvent::Snapshot`]; a line at least every [`HEARTBEAT_SECONDS`].

use serde::{Deserialize, Serialize};

use crate::Stream;

/// The path of the feed.
pub const PATH: &str = "/v1/catalog";

/// The longest pause between two lines of a working feed, in seconds. After twice as long a follower reconnects.
pub const HEARTBEAT_SECONDS: u64 = 5;

/// One line of the feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "an event is applied at once, one after the other")]
#[serde(rename_all = "camelCase")]
pub enum CatalogEvent {
    /// All streams. A stream that the follower has and that is not in the snapshot is gone.
    Snapshot(Vec<Stream>),
    /// A new or changed stream. A follower ignores it if its own entry is newer (by `map_version`).
    Changed(Stream),
    /// The stream with this UID is gone.
    Removed {
        /// [`Stream::uid`].
        uid: String,
    },
    /// No change; the feed still works.
    Heartbeat,
}
