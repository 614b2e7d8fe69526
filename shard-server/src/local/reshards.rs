//! The splits and merges of a stream in `local`: what its file says of them beside the log, which is the truth. Pure.
//!
//! A change is planned once, as numbered operations, and written down before the first of them. The log remembers the number
//! of the last one that it has done: so whoever goes on, in this process or after a restart, does each of them once.

use catalog::control::{Refusal, RefusalCode};
use catalog::reshard::{Operation, PlanError, Planner, ShardChange};
use catalog::{Shard, ShardState, Stream, StreamMode, StreamStatus};
use record_log::{LogShard, Reshard};
use serde::{Deserialize, Serialize};

use super::entry::Entry;

/// A stream has at most so many shards, closed ones counted: its log writes down all of them with each segment.
const MAX_SHARDS: usize = 20_000;

/// What a stream's file says of its splits and merges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reshards {
    /// The highest number of an operation.
    pub last_op: u64,
    /// The index of the next shard. None is used twice, even where the log has lost its end.
    pub next_index: u32,
    /// The change under way; empty while the stream is ACTIVE. The last operation has the highest number.
    pub plan: Vec<Operation>,
}

impl Entry {
    /// This stream with a change of its shards under way.
    ///
    /// # Errors
    /// If the change does not fit, in the words of the AWS API.
    pub fn with_change(&self, change: ShardChange) -> Result<Self, Refusal> {
        let Stream { name, account_id, .. } = &self.stream;
        let refused = |code, message: String| Err(Refusal::new(code, message));
        if self.stream.mode == StreamMode::OnDemand {
            let message =
                format!("Request is invalid. Stream {name} under account {account_id} is in On-Demand mode.");
            return refused(RefusalCode::InvalidArgument, message);
        }
        let first_index = self.stream.shards.last().map_or(0, |shard| shard.id.index() + 1);
        // The log knows the second in which a shard is created: that behind the seal of its parents.
        let mut planner = Planner::new(&self.stream.shards, first_index.max(self.reshards.next_index), 0);
        planner.change(change).map_err(|error| refusal_of(error, &self.stream))?;
        if self.stream.status != StreamStatus::Active {
            let status = match self.stream.status {
                StreamStatus::Creating => "CREATING",
                StreamStatus::Deleting => "DELETING",
                StreamStatus::Updating | StreamStatus::Active => "UPDATING",
            };
            let message =
                format!("Stream {name} under account {account_id} not ACTIVE, instead in state {status}");
            return refused(RefusalCode::ResourceInUse, message);
        }
        let plan = planner.into_operations();
        let opened: usize = plan.iter().map(|operation| operation.open.len()).sum();
        if self.stream.shards.len() + opened > MAX_SHARDS {
            let message = format!("A stream has at most {MAX_SHARDS} shards, closed ones counted.");
            return refused(RefusalCode::LimitExceeded, message);
        }
        let mut entry = self.clone();
        if let Some(last) = plan.iter().flat_map(|operation| &operation.open).last() {
            entry.reshards.next_index = last.id.index() + 1;
            entry.reshards.last_op += plan.len() as u64;
            entry.reshards.plan = plan;
            entry.stream.status = StreamStatus::Updating;
        }
        Ok(entry)
    }

    /// The next operation of the change under way, behind the last one that the log has done.
    pub fn due(&self, last_op: u64) -> Option<Reshard> {
        let Reshards { last_op: highest, plan, .. } = &self.reshards;
        let before_first = highest - plan.len() as u64;
        let (op, operation) = (before_first + 1..).zip(plan).find(|(op, _)| *op > last_op)?;
        let Operation { seal, open } = operation.clone();
        Some(Reshard { op, seal, open })
    }

    /// This stream with the shards that its log has; the same entry if that changes nothing. A change that is done is under
    /// way no more.
    pub fn with_log(&self, shards: &[LogShard], last_op: u64) -> Self {
        let mut entry = self.clone();
        let log = entry.stream.logs.first().map(|log| log.name.clone()).unwrap_or_default();
        entry.stream.shards = shards.iter().map(|shard| shard_of(shard, &log)).collect();
        entry.reshards.last_op = entry.reshards.last_op.max(last_op);
        if entry.due(last_op).is_none() {
            entry.end_change();
        }
        entry
    }

    /// This stream with no change under way.
    pub fn without_change(&self) -> Self {
        let mut entry = self.clone();
        entry.end_change();
        entry
    }

    fn end_change(&mut self) {
        if !std::mem::take(&mut self.reshards.plan).is_empty() {
            self.stream.status = StreamStatus::Active;
        }
    }
}

fn shard_of(shard: &LogShard, log: &str) -> Shard {
    let state = if shard.seal.is_some() { ShardState::Closed } else { ShardState::Open };
    let open = shard.open.clone();
    Shard {
        id: open.id,
        range: open.range,
        parents: open.parents,
        state,
        log: log.into(),
        create_seconds: open.create_seconds,
    }
}

/// What is answered where nothing was planned: the words of AWS, as its clients' tests record them.
fn refusal_of(error: PlanError, stream: &Stream) -> Refusal {
    let of = format!("in stream {} under account {}", stream.name, stream.account_id);
    let (code, message) = match error {
        PlanError::UnknownShard(id) => {
            (RefusalCode::ResourceNotFound, format!("Could not find shard {id} {of}."))
        }
        PlanError::Closed(id) => (
            RefusalCode::InvalidArgument,
            format!(
                "Shard {id} {of} has already been merged or split, and thus is not eligible for merging or splitting."
            ),
        ),
        PlanError::NotAdjacent(first, second) => (
            RefusalCode::InvalidArgument,
            format!(
                "Shards {first} and {second} {of} are not an adjacent pair of shards eligible for merging"
            ),
        ),
        PlanError::SplitPoint { shard, key, range } => (
            RefusalCode::InvalidArgument,
            format!(
                "NewStartingHashKey {key} used in SplitShard() on shard {shard} {of} is not both greater than one plus the \
                 shard's StartingHashKey {} and less than the shard's EndingHashKey {}.",
                range.start, range.end
            ),
        ),
        PlanError::NoIds => (RefusalCode::LimitExceeded, format!("There are no shard ids left {of}.")),
        PlanError::OutOfReach { open, target } => {
            let bound = if target > open { "up over double" } else { "down below half" };
            (
                RefusalCode::LimitExceeded,
                format!(
                    "UpdateShardCount cannot scale {bound} your current open shard count. Current open shard count: \
                     {open} Target shard count: {target}"
                ),
            )
        }
    };
    Refusal::new(code, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalog::control::CreateStream;
    use catalog::{HashKey, ShardId};

    use crate::local::entry::Creation;

    fn entry(shards: u32) -> Entry {
        let call = CreateStream {
            account_id: "000000000000".into(),
            name: "orders".parse().unwrap(),
            mode: StreamMode::Provisioned,
            shard_count: Some(shards),
            region: None,
            max_record_size_kib: None,
            warm_throughput_mibps: None,
            tags: Default::default(),
        };
        let creation = Creation { uid: "uid".into(), created_ms: 1_700_000_000_000 };
        Entry::of_call(call, creation).unwrap()
    }

    /// The shards of a log that has done these operations.
    fn log(entry: &Entry, done: &[Reshard]) -> Vec<LogShard> {
        let open = |shard: &Shard| catalog::member::OpenShard {
            id: shard.id,
            range: shard.range,
            parents: shard.parents.clone(),
            create_seconds: shard.create_seconds,
        };
        let mut state = group_core::State::new(entry.stream.shards.iter().map(open), 24, 0);
        for (index, reshard) in (1..).zip(done) {
            let reshard = std::sync::Arc::new(reshard.clone());
            let changes = vec![group_core::Change::Reshard { arrival_ms: 0, reshard }];
            let step = group_core::Step { index, term: 1, time_ms: 0, changes };
            state.apply(step, group_core::Continuity::Required).unwrap();
        }
        state.shards.values().cloned().collect()
    }

    fn count(target: u32) -> ShardChange {
        ShardChange::Count { target }
    }

    #[test]
    fn change_is_under_way_until_the_log_has_done_all_of_it_and_each_operation_is_due_once() {
        let first = entry(2);
        let mut entry = first.with_change(count(3)).unwrap();
        assert_eq!(entry.stream.status, StreamStatus::Updating);
        let mut done = Vec::new();
        while let Some(due) = entry.due(done.len() as u64) {
            assert_eq!(due.op, done.len() as u64 + 1);
            done.push(due);
            entry = entry.with_log(&log(&first, &done), done.len() as u64);
        }
        assert_eq!((done.len(), entry.stream.status), (3, StreamStatus::Active));
        let states: Vec<_> = entry.stream.shards.iter().map(|shard| shard.state).collect();
        use ShardState::{Closed, Open};
        assert_eq!(states, [Closed, Closed, Open, Closed, Closed, Open, Open]);
        assert_eq!(entry.with_log(&log(&first, &done), 3), entry, "the same log changes nothing");
        let next = entry.with_change(count(6)).unwrap();
        let due = next.due(3).unwrap();
        assert_eq!((due.op, due.open[0].id.index()), (4, 7));
    }

    #[test]
    fn file_of_any_moment_goes_on_with_what_the_log_has_not_done() {
        let first = entry(2);
        let planned = first.with_change(count(4)).unwrap();
        let one = planned.due(0).unwrap();
        let resumed = planned.with_log(&log(&first, &[one]), 1);
        assert_eq!((resumed.stream.status, resumed.due(1).unwrap().op), (StreamStatus::Updating, 2));
        // A file of before the change, with a log of behind it.
        let two = [planned.due(0).unwrap(), planned.due(1).unwrap()];
        let behind = first.with_log(&log(&first, &two), 2);
        assert_eq!((behind.stream.status, behind.due(2)), (StreamStatus::Active, None));
        assert_eq!(behind.with_change(count(8)).unwrap().due(2).unwrap().op, 3);
    }

    #[test]
    fn shard_id_that_the_log_has_lost_is_not_used_again() {
        let first = entry(1);
        let planned = first.with_change(count(2)).unwrap();
        let lost = planned.with_log(&log(&first, &[]), 0).without_change();
        let again = lost.with_change(count(2)).unwrap().due(0).unwrap();
        assert_eq!((again.op, again.open[0].id.index()), (2, 3));
    }

    #[test]
    fn change_that_does_not_fit_is_refused_in_the_words_of_aws() {
        let id = |index| ShardId::new(index).unwrap();
        let refused = |entry: &Entry, change| entry.with_change(change).unwrap_err().message;
        let split = |key| ShardChange::Split { shard: id(0), new_starting_hash_key: HashKey(key) };
        let two = entry(2);
        let text = refused(&two, split(1));
        assert!(
            text.starts_with("NewStartingHashKey 1 used in SplitShard() on shard shardId-000000000000 in"),
            "{text}"
        );
        assert!(refused(&two, count(5)).ends_with("Current open shard count: 2 Target shard count: 5"));
        assert!(refused(&entry(5), count(2)).contains("scale down below half"));
        let merge = ShardChange::Merge { shard: id(1), adjacent: id(0) };
        assert!(refused(&two, merge).ends_with("are not an adjacent pair of shards eligible for merging"));
        let unknown = ShardChange::Merge { shard: id(0), adjacent: id(7) };
        assert!(
            refused(&two, unknown).starts_with("Could not find shard shardId-000000000007 in stream orders")
        );
        let updating = two.with_change(split(1_000)).unwrap();
        assert!(refused(&updating, split(1_000)).ends_with("not ACTIVE, instead in state UPDATING"));
        let mut on_demand = two.clone();
        on_demand.stream.mode = StreamMode::OnDemand;
        assert!(refused(&on_demand, count(3)).ends_with("is in On-Demand mode."));
    }
}
