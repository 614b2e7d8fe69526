//! The feed of the catalog: a snapshot, then every change.
//!
//! `GET /v1/catalog` of a catalog service answers a body that does not end: one [`CatalogEvent`] as JSON a line. The
//! first is a [`CatalogEvent::Snapshot`], and a follower that falls behind gets another; a line at least every
//! [`HEARTBEAT_SECONDS`]. A query asks for a [`Part`] of the catalog; what gateways serve to gateways that start is
//! always whole.
//!
//! A stream that exists and has its name is in every snapshot, with the newest map that the service can prove. Its
//! absence means that this service does not show it: it is deleted, its name belongs to another stream, or another
//! installation manages it. A follower forgets it, and may hear of it again. But a service may be late: only the answer
//! to a [`crate::control::FindStream`] says that a stream does not exist.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Stream, StreamName};

/// The path of the feed.
pub const PATH: &str = "/v1/catalog";

/// The longest pause between two lines of a working feed, in seconds. After twice as long a follower reconnects.
pub const HEARTBEAT_SECONDS: u64 = 5;

/// One line of the feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "an event is applied at once, one after the other")]
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
        /// Where the stream exists and may be shown again: the newest version that was shown of it. A later version
        /// brings it back, and this or an older one is late. Absent: the stream is gone, and nothing brings it back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        map_version: Option<u64>,
    },
    /// No change; the feed still works.
    Heartbeat,
}

/// A part of the catalog, as the query of a feed asks for it: `stream=NAME` and `namespace=NAMESPACE`, each as often as
/// wanted, joined by `&`. A stream is in it that has one of the names and is in one of the namespaces; where a query
/// says nothing of one of the two, any will do. A follower of a part hears of nothing else, in snapshots neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    streams: BTreeSet<String>,
    namespaces: BTreeSet<String>,
}

/// The query asks for something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not served: a part of the catalog is asked for by stream=NAME and namespace=NAMESPACE")]
pub struct InvalidPart(String);

impl Part {
    /// The part that a query asks for; an empty one asks for all.
    ///
    /// # Errors
    /// If there is anything else in it: a part that is not understood is not all of the catalog.
    pub fn of_query(query: &str) -> Result<Self, InvalidPart> {
        let mut part = Self::default();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let invalid = || InvalidPart(parameter.into());
            // Neither kind of name has a character that a query encodes.
            match parameter.split_once('=').ok_or_else(invalid)? {
                ("stream", name) if name.parse::<StreamName>().is_ok() => part.streams.insert(name.into()),
                ("namespace", name) if !name.is_empty() && !name.contains('%') => {
                    part.namespaces.insert(name.into())
                }
                _ => return Err(invalid()),
            };
        }
        Ok(part)
    }

    /// Whether a stream of this namespace and name is in it.
    #[must_use]
    pub fn has(&self, namespace: &str, name: &StreamName) -> bool {
        (self.streams.is_empty() || self.streams.contains(name.as_str()))
            && (self.namespaces.is_empty() || self.namespaces.contains(namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(query: &str) -> Vec<&'static str> {
        let part = Part::of_query(query).unwrap();
        let all = [("shop", "orders"), ("shop", "bills"), ("bank", "Orders_V2")];
        let of_part = all.into_iter().filter(|(namespace, name)| part.has(namespace, &name.parse().unwrap()));
        of_part.map(|(_, name)| name).collect()
    }

    #[test]
    fn a_part_has_the_streams_that_its_query_names() {
        assert_eq!(has(""), ["orders", "bills", "Orders_V2"]);
        assert_eq!(has("stream=orders&stream=Orders_V2"), ["orders", "Orders_V2"]);
        assert_eq!(has("namespace=shop"), ["orders", "bills"]);
        assert_eq!(has("stream=orders&namespace=bank"), [""; 0]);
    }

    #[test]
    fn a_query_that_is_not_understood_is_not_all_of_the_catalog() {
        for query in ["stream", "stream=", "streams=orders", "namespace=", "stream=a%20b", "stream=a&x=y"] {
            assert!(Part::of_query(query).is_err(), "{query}");
        }
    }
}
