//! The catalog as it is handed out: a snapshot, then every change.
//!
//! `GET /v1/catalog` of a catalog service answers a body that does not end: one [`CatalogEvent`] as JSON a
//! line. The first is a [`CatalogEvent::Snapshot`]; a line at least every [`HEARTBEAT_SECONDS`].

use serde::{Deserialize, Serialize};

use crate::Stream;

/// The path of the feed.
pub const PATH: &str = "/v1/catalog";

/// The longest silence of a living feed, in seconds. A follower takes twice as much for a broken one.
pub const HEARTBEAT_SECONDS: u64 = 5;

/// One line of the feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CatalogEvent {
    /// All streams there are. What the follower had and is not in it is gone.
    Snapshot(Vec<Stream>),
    /// A new or changed stream. Older than what the follower has (by `map_version`), it is ignored.
    Changed(Stream),
    /// The stream with this UID is gone.
    Removed {
        /// [`Stream::uid`].
        uid: String,
    },
    /// Nothing happened; the feed lives.
    Heartbeat,
}
