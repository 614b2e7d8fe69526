//! Serves calls: checks that a call is for this group, and passes it to the log.

use std::sync::Arc;

use catalog::ShardId;
use smallvec::SmallVec;

use super::records::{Following, Reading};
use super::state::{Serving, State};
use super::{Group, Inner};
use crate::protocol::{
    Append, AppendId, Call, Follow, Locate, Located, Position, Read, RecordStream, Refusal, Reshard,
    RunOutcome,
};

/// A call that a group does.
pub trait Served: Call {
    /// Does it.
    fn serve(self, group: &Group) -> impl Future<Output = Result<Self::Answer, Refusal>> + Send;
}

impl Served for Append {
    async fn serve(self, Group { inner }: &Group) -> Result<Vec<RunOutcome>, Refusal> {
        let serving = inner.serving()?;
        if let Some(run) = self.runs.first().filter(|_| !serving.is(&self.stream_uid, &self.log)) {
            return Err(unknown(&self.stream_uid, &self.log, run.shard));
        }
        let shards: SmallVec<[ShardId; 4]> = self.runs.iter().map(|run| run.shard).collect();
        let session = self.id.map(|AppendId { session, sequence }| (session, sequence));
        let append = group_core::Append { session, runs: self.runs };
        let outcomes = serving.log.append(append).await?;
        let outcome = |(outcome, shard)| match outcome {
            group_core::RunOutcome::Appended(appended) => Ok(appended),
            group_core::RunOutcome::NotHere => Err(unknown(&self.stream_uid, &self.log, shard)),
            group_core::RunOutcome::Sealed(successors) => Err(Refusal::Sealed(successors)),
            group_core::RunOutcome::Invalid(why) => Err(Refusal::Invalid(why.into())),
        };
        Ok(outcomes.into_iter().zip(shards).map(outcome).collect())
    }
}

impl Served for Reshard {
    async fn serve(self, Group { inner }: &Group) -> Result<record_log::Resharded, Refusal> {
        let serving = inner.serving()?;
        if !serving.is(&self.stream_uid, &self.log) {
            let Self { stream_uid, log, .. } = &self;
            return Err(Refusal::UnknownShard(format!("log {log} of stream {stream_uid} is not here")));
        }
        serving.log.reshard(self.reshard).await
    }
}

impl Served for Locate {
    async fn serve(self, Group { inner }: &Group) -> Result<Located, Refusal> {
        let serving = inner.serving()?;
        serving.check(&self.stream_uid, &self.log, self.shard)?;
        let offset = serving.log.locate(self.shard, self.position).await?;
        let is_time = matches!(self.position, Position::AtTimestamp(_));
        Ok(Located { offset, time_ms: is_time.then(|| serving.log.time_ms()) })
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
    async fn serve(self, group: &Group) -> Result<Located, Refusal> {
        self.0.serve(group).await
    }
}

impl Serving {
    /// Whether a call for this log of this stream is meant for this group.
    fn is(&self, stream_uid: &str, log: &str) -> bool {
        self.identity.stream_uid == stream_uid && self.identity.log == log
    }

    fn check(&self, stream_uid: &str, log: &str, shard: ShardId) -> Result<(), Refusal> {
        match self.is(stream_uid, log) && self.log.has(shard) {
            true => Ok(()),
            false => Err(unknown(stream_uid, log, shard)),
        }
    }
}

fn unknown(stream_uid: &str, log: &str, shard: ShardId) -> Refusal {
    Refusal::UnknownShard(format!("{shard} is not in log {log} of stream {stream_uid} here"))
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
            State::Failed(error) if error.is_corrupt() => Err(Refusal::Corrupt(error.to_string())),
            State::Failed(error) => Err(Refusal::LogStopped(error.to_string())),
            State::WaitingForVolume { .. } | State::AwaitingBootstrap | State::Recovering | State::Closed => {
                Err(Refusal::NotReady(state.not_ready().unwrap_or_default()))
            }
        }
    }
}
