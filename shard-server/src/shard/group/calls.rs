//! What a group does with a call: whether it is meant for this group, then the log.

use std::sync::Arc;

use catalog::ShardId;
use record_log::record::MAX_BLOCK_BYTES;
use smallvec::SmallVec;

use super::records::{Following, Reading};
use super::state::{Serving, State};
use super::{Group, Inner};
use crate::protocol::{Append, Appended, Call, Follow, Locate, Read, RecordStream, Refusal, Run, RunOutcome};

/// A call that a group does.
pub trait Served: Call {
    /// Does it.
    fn serve(self, group: &Group) -> impl Future<Output = Result<Self::Answer, Refusal>> + Send;
}

impl Served for Append {
    async fn serve(self, Group { inner }: &Group) -> Result<Vec<RunOutcome>, Refusal> {
        let serving = inner.serving()?;
        // Mostly one: nothing is allocated for it.
        let mut refusals = SmallVec::<[_; 1]>::with_capacity(self.runs.len());
        let mut runs: Vec<Run> = Vec::with_capacity(self.runs.len());
        for run in self.runs {
            let refusal =
                serving.check(&self.stream_uid, &self.log, run.shard).and_then(|()| check(&run)).err();
            if refusal.is_none() {
                runs.push(run);
            }
            refusals.push(refusal);
        }
        let appended: Result<Vec<Appended>, Refusal> = match runs.is_empty() {
            true => Ok(Vec::new()),
            false => serving.log.append(runs).await,
        };
        let mut appended = appended.map(Vec::into_iter);
        let mut next = || match &mut appended {
            Ok(outcomes) => {
                outcomes.next().ok_or_else(|| Refusal::OutcomeUnknown("the log gave no outcome".into()))
            }
            Err(refusal) => Err(refusal.clone()),
        };
        Ok(refusals.into_iter().map(|refusal| refusal.map_or_else(&mut next, Err)).collect())
    }
}

impl Served for Locate {
    async fn serve(self, Group { inner }: &Group) -> Result<u64, Refusal> {
        let serving = inner.serving()?;
        serving.check(&self.stream_uid, &self.log, self.shard)?;
        serving.log.locate(self.shard, self.position).await
    }
}

impl Served for Read {
    async fn serve(self, Group { inner }: &Group) -> Result<RecordStream, Refusal> {
        let serving = inner.serving()?;
        serving.check(&self.stream_uid, &self.log, self.shard)?;
        if self.max_records == 0 {
            return Err(Refusal::Invalid("a read of no records".into()));
        }
        Ok(RecordStream::new(Reading::new(serving, inner.config.metrics.clone(), &self)))
    }
}

impl Served for Follow {
    async fn serve(self, Group { inner }: &Group) -> Result<RecordStream, Refusal> {
        let serving = inner.serving()?;
        serving.check(&self.stream_uid, &self.log, self.shard)?;
        Ok(RecordStream::new(Following::new(serving, inner.config.metrics.clone(), &self)))
    }
}

#[cfg(feature = "version-skew")]
impl Served for crate::protocol::skew::Newer {
    async fn serve(self, group: &Group) -> Result<u64, Refusal> {
        self.0.serve(group).await
    }
}

/// Whether a run may be appended as it is.
fn check(run: &Run) -> Result<(), Refusal> {
    match (run.block.count(), run.block.bytes().len()) {
        (0, _) => Err(Refusal::Invalid("a run has no records".into())),
        (2.., bytes) if bytes > MAX_BLOCK_BYTES => Err(Refusal::Invalid(format!(
            "{bytes} bytes in one block of several records, {MAX_BLOCK_BYTES} are allowed"
        ))),
        _ => Ok(()),
    }
}

impl Serving {
    fn check(&self, stream_uid: &str, log: &str, shard: ShardId) -> Result<(), Refusal> {
        let identity = &self.identity;
        if identity.stream_uid == stream_uid && identity.log == log && self.log.has(shard) {
            return Ok(());
        }
        Err(Refusal::UnknownShard(format!("{shard} is not in log {log} of stream {stream_uid} here")))
    }
}

impl Inner {
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
}
