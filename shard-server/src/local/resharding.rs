//! Splits and merges in `local`, done: a change is written down, then a task does its operations one by one.
//!
//! The log decides, the catalog follows: behind each operation the shards are those that the log has. So a process that
//! ends between any two steps leaves nothing to repair but what the next start reads.

use std::sync::{Arc, Weak};
use std::time::Duration;

use catalog::control::{ChangeShards, Refusal};
use catalog::feed::CatalogEvent;
use catalog::{ShardState, Stream};

use super::LocalCatalog;
use super::catalog::{group_name, on_disk};
use super::entry::Entry;
use super::stream_file;
use crate::protocol::{Refusal as DataRefusal, Reshard};
use crate::shard::Group;

/// The pause before an operation that the log could not take is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// How often shards that have expired are looked for.
const EXPIRY_PERIOD: Duration = Duration::from_secs(1);

/// What became of one step of a change.
enum Step {
    /// An operation was done.
    Done,
    /// Nothing is left to do.
    Finished,
    /// It may help to try again.
    Again(DataRefusal),
}

impl LocalCatalog {
    /// Begins to change the shards of a stream; gives how many were open before. The stream is UPDATING from then on, and
    /// ACTIVE when all is done.
    ///
    /// # Errors
    /// If the stream does not exist, a manifest sets the number of its shards, the change does not fit, or the disk
    /// refuses.
    pub async fn change_shards(self: &Arc<Self>, call: ChangeShards) -> Result<u32, Refusal> {
        let (uid, open) = self
            .update(&call.stream, |entry| {
                self.check_field(entry, "spec.shardCount")?;
                let open = entry.stream.shards.iter().filter(|shard| shard.state == ShardState::Open).count();
                Ok((entry.with_change(call.change)?, (entry.stream.uid.clone(), open)))
            })
            .await?;
        tracing::info!(stream = %call.stream.name, change = ?call.change, "its shards change");
        self.go_on(uid);
        Ok(u32::try_from(open).unwrap_or(u32::MAX))
    }

    /// Goes on with the changes that were under way when the process ended, and from now on removes closed shards that have
    /// expired.
    pub async fn follow_logs(self: &Arc<Self>) {
        for (uid, entry) in &*self.entries.lock().await {
            if !entry.reshards.plan.is_empty() {
                self.go_on(uid.clone());
            }
        }
        let catalog = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(EXPIRY_PERIOD).await;
                let Some(catalog) = catalog.upgrade() else { return };
                catalog.remove_expired().await;
            }
        });
    }

    /// A stream as its file has it, with the shards that its log has.
    pub(super) fn with_log(&self, entry: &Entry) -> Entry {
        match self.routes.group(&entry.stream.uid).and_then(|group| group.shards()) {
            Some((shards, last_op)) => entry.with_log(&shards, last_op),
            None => entry.clone(),
        }
    }

    /// Does what is left of a change, in a task.
    fn go_on(self: &Arc<Self>, uid: String) {
        let catalog = Arc::downgrade(self);
        tokio::spawn(do_change(catalog, uid));
    }

    async fn step(&self, uid: &str) -> Step {
        // Neither a deleted stream nor one that is closed has a group.
        let Some(group) = self.routes.group(uid) else { return Step::Finished };
        let not_ready = || Step::Again(DataRefusal::NotReady("its log is not open".into()));
        let Some((_, last_op)) = group.shards() else { return not_ready() };
        let Some((stream, due)) = self.due(uid, last_op).await else { return Step::Finished };
        let done = match (due, group_name(&stream)) {
            (Some(reshard), Ok(log)) => group
                .call(Reshard { stream_uid: uid.into(), log: log.into(), reshard })
                .await
                .map(|_| Step::Done),
            (None, _) | (_, Err(_)) => Ok(Step::Finished),
        };
        match done {
            Ok(step) => {
                self.take_over(uid, &group).await;
                step
            }
            Err(DataRefusal::Invalid(why)) => {
                tracing::error!(stream = %stream.name, why, "a change of shards ends early: the log refuses it");
                self.update_shards(uid, Entry::without_change).await;
                Step::Finished
            }
            Err(refusal) => Step::Again(refusal),
        }
    }

    async fn due(&self, uid: &str, last_op: u64) -> Option<(Stream, Option<record_log::Reshard>)> {
        let entries = self.entries.lock().await;
        let entry = entries.get(uid)?;
        Some((entry.stream.clone(), entry.due(last_op)))
    }

    /// Takes over the shards that the log has.
    async fn take_over(&self, uid: &str, group: &Group) {
        if let Some((shards, last_op)) = group.shards() {
            self.update_shards(uid, |entry| entry.with_log(&shards, last_op)).await;
        }
    }

    /// Changes a stream in the catalog, then in its file: if that fails, the next start reads the log again.
    async fn update_shards(&self, uid: &str, update: impl FnOnce(&Entry) -> Entry) {
        let mut entries = self.entries.lock().await;
        let Some(entry) = entries.get(uid) else { return };
        let mut updated = update(entry);
        if updated == **entry {
            return;
        }
        updated.stream.map_version += 1;
        self.copy.apply(CatalogEvent::Changed(updated.stream.clone()));
        entries.insert(uid.into(), Box::new(updated.clone()));
        // While a change is under way its file has all that a start needs.
        if updated.reshards.plan.is_empty() {
            let directory = self.data_dir.stream_dir(uid);
            if let Err(error) = on_disk(move || stream_file::write(&directory, &updated)).await {
                let error = format!("{error:#}");
                tracing::warn!(uid, error, "the file of a stream is behind its log until the next start");
            }
        }
    }

    async fn remove_expired(&self) {
        let has_closed = |entry: &Entry| {
            let closed = |shard: &catalog::Shard| shard.state == ShardState::Closed;
            entry.reshards.plan.is_empty() && entry.stream.shards.iter().any(closed)
        };
        let uids: Vec<String> = {
            let entries = self.entries.lock().await;
            entries.values().filter(|entry| has_closed(entry)).map(|entry| entry.stream.uid.clone()).collect()
        };
        for uid in uids {
            if let Some(group) = self.routes.group(&uid) {
                self.take_over(&uid, &group).await;
            }
        }
    }
}

async fn do_change(catalog: Weak<LocalCatalog>, uid: String) {
    let mut is_reported = false;
    loop {
        let Some(alive) = catalog.upgrade() else { return };
        let step = alive.step(&uid).await;
        drop(alive);
        match step {
            Step::Done => {}
            Step::Finished => return,
            Step::Again(refusal) => {
                if !std::mem::replace(&mut is_reported, true) {
                    tracing::warn!(uid, %refusal, "a change of shards waits for its log");
                }
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
}
