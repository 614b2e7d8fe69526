//! The catalog as a follower gets it: a snapshot, then what changed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use catalog::feed::{CatalogEvent, HEARTBEAT_SECONDS, Part};
use futures::stream;
use hyper::body::Frame;
use tokio::sync::watch;

use super::published::{Position, Published};
use crate::drain::Drain;

/// A follower, and what it was sent.
struct Follower {
    published: Arc<Published>,
    changes: watch::Receiver<Position>,
    part: Part,
    position: Position,
    drain: Drain,
}

/// The lines for one follower of a part, without end: until the follower goes, or the program drains.
pub fn lines(
    published: Arc<Published>,
    part: Part,
    drain: Drain,
) -> impl stream::Stream<Item = Result<Frame<Bytes>, Infallible>> {
    let changes = published.changes();
    let follower = Follower { published, changes, part, position: 0, drain };
    stream::unfold(follower, |mut follower| async move {
        let events = follower.next().await?;
        Some((Ok(Frame::data(text(&events))), follower))
    })
}

impl Follower {
    /// What it is to be sent next; nothing once the program ends.
    async fn next(&mut self) -> Option<Vec<CatalogEvent>> {
        loop {
            self.changes.mark_unchanged();
            if self.published.is_whole() {
                let (events, position) = self.published.after(self.position, &self.part);
                self.position = position;
                if !events.is_empty() {
                    return Some(events);
                }
            }
            let news = tokio::select! {
                news = tokio::time::timeout(Duration::from_secs(HEARTBEAT_SECONDS), self.changes.changed()) => news,
                () = self.drain.ordered() => return None,
            };
            match news {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) if self.position > 0 => return Some(vec![CatalogEvent::Heartbeat]),
                Err(_) => {}
            }
        }
    }
}

fn text(events: &[CatalogEvent]) -> Bytes {
    let mut text = Vec::new();
    for event in events {
        // These values always have a JSON.
        text.extend(serde_json::to_vec(event).unwrap_or_default());
        text.push(b'\n');
    }
    text.into()
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
