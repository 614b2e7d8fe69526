//! The feed of the catalog: a snapshot, then every change.
//!
//! `GET /v1/catalog` of a catalog service answers a body that does not end: one [`CatalogEvent`] as JSON a
//! line. The first is a [`CatalogEvent::Snapshot`]; a line at least every [`HEARTBEAT_SECONDS`].
//!
//! A stream that exists and has its name is in every snapshot, with the newest map that the service can prove. Its absence
//! means that this service does not show it: it is deleted, its name belongs to another stream, or another installation
//! manages it. A follower forgets it, and may hear of it again. But a service may be late: only the answer to a
//! [`crate::control::FindStream`] says that a stream does not exist.

use serde::{Deserialize, Serialize};

use crate::Stream;

/// The path of the feed.
pub const PATH: &str = "/v1/catalog";

/// The longest pause between two lines of a working feed, in seconds. After twice as long a follower reconnects.
pub const HEARTBEAT_SECONDS: u64 = 5;

/// One line of the feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum CatalogEvent {
    /// All streams. A stream that the follower has and that is not in the snapshot is gone.
    Snapshot(Vec<Stream>),
    /// A new or changed stream. A follower ignores it if its own entry is newer (by `map_version`).
    Changed(Stream),
    /// The stream with this UID is gone, or not shown any more.
    Removed {
        /// [`Stream::uid`].
        uid: String,
        /// Where the stream exists and may be shown again: the newest version that was shown of it. A later version brings
        /// it back, and this or an older one is late. Absent: the stream is gone, and nothing brings it back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        map_version: Option<u64>,
    },
    /// No change; the feed still works.
    Heartbeat,
}
