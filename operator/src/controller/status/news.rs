//! The events that follow from a change of a status: once, when a state changed. Pure.

use catalog::resource::DataStreamStatus;

use super::condition;
use crate::signals::{ConditionType, Reason};

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Whether somebody should look.
    pub warning: bool,
    /// For programs.
    pub reason: Reason,
    /// A sentence.
    pub note: String,
}

impl News {
    /// Something that went as it should.
    pub fn normal(reason: Reason, note: impl Into<String>) -> Self {
        Self { warning: false, reason, note: note.into() }
    }
}

/// What changed from one status to the next.
#[must_use]
pub fn news(before: &DataStreamStatus, after: &DataStreamStatus) -> Vec<News> {
    let mut news = Vec::new();
    if before.stream_status != after.stream_status {
        let shards = after.resolved.as_ref().map_or(0, |resolved| resolved.shard_count);
        match after.stream_status.as_deref() {
            Some("CREATING") => {
                news.push(News::normal(Reason::Creating, format!("makes a stream of {shards} shards")))
            }
            Some("ACTIVE") => {
                news.push(News::normal(Reason::Active, format!("all {shards} shards take records")))
            }
            Some("DELETING") => news.push(News::normal(Reason::Deleting, "ends the pods of the stream")),
            _ => {}
        }
    }
    for type_ in ConditionType::ALL {
        let (Some(warning), Some(now)) = (type_.event_is_warning(), condition(&after.conditions, type_))
        else {
            continue;
        };
        if condition(&before.conditions, type_).is_none_or(|old| old.reason != now.reason) {
            news.push(News { warning, reason: Reason::repeated(&now.reason), note: now.message.clone() });
        }
    }
    news
}
