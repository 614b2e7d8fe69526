//! What a group does with a call: whether it is meant for this group, then the log.

use std::sync::Arc;

use catalog::ShardId;
use smallvec::SmallVec;

use super::Inner;
use super::state::{Serving, State};
use crate::log;
use crate::protocol::{Append, Locate, Read, ReadOutcome, Refusal, Run, RunOutcome};
use record_log::value::Limits;

/// What one read gives at most, whatever it asks for: so much an answer can carry.
const MAX_READ_RECORDS: u32 = 10_000;
const MAX_READ_BYTES: usize = log::MAX_APPEND_BYTES;

impl Inner {
    pub(super) async fn append(&self, append: Append) -> Vec<RunOutcome> {
        let serving = match self.serving() {
            Ok(serving) => serving,
            Err(refusal) => return append.runs.iter().map(|_| Err(refusal.clone())).collect(),
        };
        // Mostly one: nothing is allocated for it.
        let mut refusals = SmallVec::<[_; 1]>::with_capacity(append.runs.len());
        let mut runs: Vec<Run> = Vec::with_capacity(append.runs.len());
        for run in append.runs {
            let refusal = match self.check(&serving, &append.stream_uid, &append.log, run.shard) {
                Ok(()) if run.block.count() == 0 => Some(Refusal::Invalid("a run has no records".into())),
                // No more are known than the log has shards.
                Ok(()) if runs.iter().any(|known| known.shard == run.shard) => {
                    Some(Refusal::Invalid(format!("{} has two runs", run.shard)))
                }
                Ok(()) => None,
                Err(refusal) => Some(refusal),
            };
            if refusal.is_none() {
                runs.push(run);
            }
            refusals.push(refusal);
        }
        let mut appended = match runs.len() {
            0 => Ok(Vec::new()),
            _ => serving.log.append(runs).await,
        }
        .map(Vec::into_iter);
        let mut next = || match &mut appended {
            Ok(outcomes) => {
                outcomes.next().ok_or_else(|| Refusal::OutcomeUnknown("the log gave no outcome".into()))
            }
            Err(refusal) => Err(refusal.clone()),
        };
        refusals.into_iter().map(|refusal| refusal.map_or_else(&mut next, Err)).collect()
    }

    pub(super) async fn read(&self, read: Read) -> Result<ReadOutcome, Refusal> {
        let serving = self.serving()?;
        self.check(&serving, &read.stream_uid, &read.log, read.shard)?;
        if read.max_records == 0 {
            return Err(Refusal::Invalid("a read of no records".into()));
        }
        let limits = Limits {
            max_records: read.max_records.min(MAX_READ_RECORDS),
            max_bytes: (read.max_bytes as usize).min(MAX_READ_BYTES),
        };
        serving.log.read(read.shard, read.position, limits).await
    }

    pub(super) async fn locate(&self, locate: Locate) -> Result<u64, Refusal> {
        let serving = self.serving()?;
        self.check(&serving, &locate.stream_uid, &locate.log, locate.shard)?;
        serving.log.locate(locate.shard, locate.position).await
    }

    /// The log that a call of the operator means.
    pub(super) fn serving_log(&self, stream_uid: &str, log: &str) -> Result<Arc<Serving>, Refusal> {
        let serving = self.serving()?;
        let identity = &serving.identity;
        match identity.stream_uid == stream_uid && identity.log == log {
            true => Ok(serving),
            false => Err(Refusal::Invalid(format!(
                "this is log {} of stream {}, not log {log} of stream {stream_uid}",
                identity.log, identity.stream_uid
            ))),
        }
    }

    fn serving(&self) -> Result<Arc<Serving>, Refusal> {
        let state = self.state.borrow();
        match &*state {
            State::Serving(serving) | State::LogStopped(serving, _) => Ok(Arc::clone(serving)),
            State::Failed(error) if error.is_damage() => Err(Refusal::Damaged(error.to_string())),
            State::Failed(error) => Err(Refusal::LogStopped(error.to_string())),
            State::WaitingForVolume { .. } | State::AwaitingBootstrap | State::Recovering | State::Closed => {
                Err(Refusal::NotReady(state.not_ready().unwrap_or_default()))
            }
        }
    }

    fn check(&self, serving: &Serving, stream_uid: &str, log: &str, shard: ShardId) -> Result<(), Refusal> {
        let identity = &serving.identity;
        if identity.stream_uid == stream_uid && identity.log == log && serving.log.has(shard) {
            return Ok(());
        }
        Err(Refusal::UnknownShard { stream_uid: stream_uid.into(), log: log.into(), shard })
    }
}
