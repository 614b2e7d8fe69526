//! Worlds of one to five shard groups: cores of [`group_core`] on stores that are durable later than written, with
//! routers and copies of the catalog, whose service splits and merges shards, over a network that loses, repeats and reorders, each machine with a clock of its
//! own that somebody sets.
//!
//! What is real here is the core; its shell (store, process, view of readers) and the routers are as small as a
//! simulation needs them. A `Watch` stands at the core's boundary, and a `Ledger` knows the committed logs: both read
//! the rules anew. Not here: bytes on a disk, and disks that fail in other ways than by refusing or ending (the other
//! worlds of this crate).

use std::panic::catch_unwind;

use anyhow::{Context as _, Result, anyhow, ensure};
use catalog::ShardId;

use crate::totals::Totals;

mod event;
mod ledger;
mod machine;
mod message;
mod network;
mod pod;
mod reading;
mod resharding;
mod router;
mod routing;
mod stale;
mod store;
mod surroundings;
mod view;
mod watch;
mod world;

use event::Event;
use world::{HOUR_MS, SECOND_MS, World};

/// The outcome of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// A hash of all events.
    pub digest: u64,
    /// How often each event happened.
    pub totals: Totals,
}

/// Simulates the world of a seed.
///
/// # Errors
/// If a group breaks a promise or panics: with the seed, and how to see it again.
pub fn run(seed: u64) -> Result<Outcome> {
    let outcome = catch_unwind(|| live(seed)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(anyhow!("it panics: {}", text.unwrap_or("without a word")))
    });
    outcome.with_context(|| {
        format!(
            "the world of seed {seed} breaks a promise; again: make simulate WORLDS=groups SEED={seed} SEEDS=1"
        )
    })
}

fn live(seed: u64) -> Result<Outcome> {
    let mut world = World::new(seed);
    while world.settled_ms.is_none() {
        let next_ms = world.next_ms().context("nothing happens any more")?;
        world.live_until(next_ms)?;
    }
    let (settled_ms, end_ms) = (world.now_ms, world.settled_ms.unwrap_or_default());
    world.live_until(end_ms)?;
    world.end(settled_ms).context("in the end, when all was well for days")?;
    Ok(Outcome { digest: world.digest(), totals: world.totals })
}

impl World {
    /// All is well for long: every group takes appends, what was acknowledged is there, and what is old has expired.
    fn end(&mut self, settled_ms: u64) -> Result<()> {
        let mut appended = Vec::new();
        for group in 0..self.groups.len() {
            appended.extend(self.append_to(group)?);
        }
        self.live_until(self.now_ms + 20 * SECOND_MS)?;
        ensure!(appended.iter().all(|number| self.ledger.is_stored(*number)), "a group takes no appends");
        self.ledger.check_acknowledged()?;
        self.check_not_done()?;
        for group in 0..self.groups.len() {
            let shards: Vec<ShardId> = self.ledger.groups[group].opened.keys().copied().collect();
            for shard in shards {
                self.check_expired(group, shard, settled_ms)?;
            }
        }
        for number in std::mem::take(&mut self.unknown) {
            let stored = self.ledger.is_stored(number);
            self.record_event(if stored { Event::UnknownStored } else { Event::UnknownNotStored }, number);
        }
        self.record_event(Event::End, self.records);
        Ok(())
    }

    /// What was answered as not done, each time that a core was asked, was not done.
    fn check_not_done(&self) -> Result<()> {
        for ((session, sequence), attempt) in &self.attempts {
            // A record that was sent again is stored under its later sequence.
            let is_of_this = |number: &u64| self.ledger.sent_as(*number) == Some((*session, *sequence));
            let mut records = attempt.records.iter().filter(|number| is_of_this(number));
            let stored = records.any(|number| self.ledger.is_stored(*number));
            let not_done = attempt.asked == attempt.not_done;
            ensure!(
                !(not_done && stored),
                "append {sequence} of session {session} was answered as not done and was done"
            );
        }
        Ok(())
    }

    /// Nothing that arrived before all was well can be read any more.
    fn check_expired(&mut self, group: usize, shard: ShardId, settled_ms: u64) -> Result<()> {
        let body = self.read(group, shard, message::StartingPosition::TrimHorizon, usize::MAX)?;
        let sealed = self.ledger.groups[group].sealed.get(&shard);
        let message::ReplyBody::Page(page) = body else {
            ensure!(sealed.is_some(), "{shard} is not in its group");
            return Ok(());
        };
        ensure!(
            sealed.is_none_or(|seal| seal.durable_ms >= settled_ms),
            "{shard} was sealed long ago and is there"
        );
        for record in page.records {
            let stored = self.ledger.stored(shard, record.offset).context("a record that is not stored")?;
            let kept_hours = self.now_ms.saturating_sub(stored.durable_ms) / HOUR_MS;
            ensure!(
                stored.durable_ms >= settled_ms,
                "a record is kept for {kept_hours} hours of good clocks"
            );
        }
        Ok(())
    }
}
