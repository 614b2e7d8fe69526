//! Records of a request as runs: sorted by shard, sent by log, and sorted anew where a shard was sealed. Pure.

use catalog::member::OpenShard;
use catalog::{HashKey, SequenceNumber, Shard, ShardId};
use record_log::record::{self, Record, RecordBlock, RunsBuilder};
use smallvec::SmallVec;

use crate::protocol::{Append, Refusal, Run, RunOutcome};

/// The records, runs or logs of a request: mostly one, which needs no allocation.
pub type Few<T> = SmallVec<[T; 1]>;

/// The shard that a run is for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'s> {
    shard: ShardId,
    create_seconds: u64,
    log: &'s str,
}

/// Where a record is in the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordLocation {
    /// The run.
    pub run: usize,
    /// Its place in the run.
    pub index: u32,
}

/// Runs whose records are not in blocks yet.
#[derive(Default)]
pub struct PlannedRuns<'s> {
    runs: Few<PlannedRun<'s>>,
}

/// A run whose records are not in a block yet.
pub struct PlannedRun<'s> {
    target: Target<'s>,
    /// What its records take.
    pub encoded_bytes: usize,
    /// The indexes of its records in the request.
    pub records: Few<usize>,
}

/// One call per log.
#[derive(Debug)]
pub struct Appends {
    /// The calls.
    pub calls: Few<Append>,
    /// Where each run is in the calls.
    runs: Few<RunLocation>,
}

/// Where a run is.
#[derive(Clone, Copy, Debug)]
struct RunLocation {
    /// Its call.
    call: usize,
    /// Its place in the call.
    index: usize,
    shard: ShardId,
    create_seconds: u64,
}

/// What is kept of appends that were sent.
pub struct Sent {
    runs: Few<RunLocation>,
    /// The block of each run, and the log of each call.
    blocks: Few<RecordBlock>,
    logs: Few<String>,
}

impl<'s> Target<'s> {
    /// A shard of the map.
    pub fn of(shard: &'s Shard) -> Self {
        Self { shard: shard.id, create_seconds: shard.create_seconds, log: &shard.log }
    }
}

impl<'s> PlannedRuns<'s> {
    /// Adds a record of the request: it joins the newest run of its shard if it fits.
    pub fn add(&mut self, target: Target<'s>, record: usize, encoded_bytes: usize) -> RecordLocation {
        let newest = self.runs.iter().rposition(|run| run.target.shard == target.shard);
        let run = newest.filter(|run| !RunsBuilder::is_full(self.runs[*run].encoded_bytes, encoded_bytes));
        let run = run.unwrap_or_else(|| {
            self.runs.push(PlannedRun { target, encoded_bytes: 0, records: Few::new() });
            self.runs.len() - 1
        });
        let planned = &mut self.runs[run];
        let location = RecordLocation { run, index: planned.records.len() as u32 };
        planned.records.push(record);
        planned.encoded_bytes += encoded_bytes;
        location
    }

    /// The runs in order.
    pub fn iter(&self) -> impl Iterator<Item = &PlannedRun<'s>> {
        self.runs.iter()
    }

    /// The shard of each.
    pub fn targets(&self) -> impl Iterator<Item = Target<'s>> {
        self.runs.iter().map(|run| run.target)
    }
}

impl Appends {
    /// Sorts the runs of these shards into calls.
    pub fn new<'s>(stream_uid: &str, blocks: impl Iterator<Item = (Target<'s>, RecordBlock)>) -> Self {
        let mut calls: Few<Append> = Few::new();
        let mut runs = Few::new();
        for (Target { shard, create_seconds, log }, block) in blocks {
            let call = calls.iter().position(|call| call.log == log).unwrap_or_else(|| {
                calls.push(Append {
                    stream_uid: stream_uid.into(),
                    log: log.into(),
                    id: None,
                    runs: Vec::new(),
                });
                calls.len() - 1
            });
            let index = calls[call].runs.len();
            runs.push(RunLocation { call, index, shard, create_seconds });
            calls[call].runs.push(Run { shard, block });
        }
        Self { calls, runs }
    }

    /// The shards that it is for.
    pub fn shards(&self) -> impl Iterator<Item = ShardId> {
        self.runs.iter().map(|run| run.shard)
    }

    /// The calls to send, and what is kept meanwhile: its blocks share their memory with them.
    pub fn split(self) -> (Few<Append>, Sent) {
        let Self { calls, runs } = self;
        let block = |run: &RunLocation| calls[run.call].runs[run.index].block.clone();
        let blocks = runs.iter().map(block).collect();
        let logs = calls.iter().map(|call| call.log.clone()).collect();
        (calls, Sent { runs, blocks, logs })
    }
}

impl Sent {
    /// The sequence number of a record.
    ///
    /// # Errors
    /// If it was refused.
    pub fn number(
        &self,
        location: RecordLocation,
        outcomes: &[Vec<RunOutcome>],
    ) -> Result<SequenceNumber, Refusal> {
        let run = self.runs[location.run];
        let outcome = outcomes.get(run.call).and_then(|outcomes| outcomes.get(run.index));
        let unanswered =
            || Refusal::OutcomeUnknown("the group answered for fewer runs than it was sent".into());
        let appended = outcome.cloned().ok_or_else(unanswered)??;
        Ok(SequenceNumber {
            create_seconds: run.create_seconds,
            shard: run.shard,
            counter: appended.first_offset + u64::from(location.index),
            arrival_seconds: appended.arrival_ms / 1_000,
        })
    }

    /// The records of shards that were sealed, for the shards that took over, each by its hash key and in the order of the
    /// request; nothing if none was. Gives also where each of them is now.
    pub fn rehashed(
        &self,
        stream_uid: &str,
        locations: &[Option<RecordLocation>],
        hash_keys: &[HashKey],
        outcomes: &[Vec<RunOutcome>],
    ) -> Option<(Appends, Few<Option<RecordLocation>>)> {
        let successors = |run: &RunLocation| match outcomes.get(run.call)?.get(run.index)? {
            Err(Refusal::Sealed(successors)) => Some(&**successors),
            _ => None,
        };
        let sealed: Few<Option<&[OpenShard]>> = self.runs.iter().map(successors).collect();
        if sealed.iter().all(Option::is_none) {
            return None;
        }
        let records = self.blocks.iter().zip(&sealed).map(|(block, sealed)| match sealed {
            Some(_) => block.records().collect(),
            None => Vec::new(),
        });
        let records: Vec<Vec<Record<'_>>> = records.collect();
        let record_at = |RecordLocation { run, index }: RecordLocation| records[run].get(index as usize);
        let mut runs = PlannedRuns::default();
        let mut moved = Few::from_elem(None, locations.len());
        for (request_index, (location, hash_key)) in locations.iter().zip(hash_keys).enumerate() {
            let Some(location) = *location else { continue };
            let Some(successors) = sealed[location.run] else { continue };
            let child = successors.iter().find(|child| child.range.contains(*hash_key));
            let (Some(child), Some(record)) = (child, record_at(location)) else { continue };
            let log = &self.logs[self.runs[location.run].call];
            let target = Target { shard: child.id, create_seconds: child.create_seconds, log };
            let encoded_bytes = record::encoded_bytes(record.partition_key, record.data.len());
            moved[request_index] = Some(runs.add(target, request_index, encoded_bytes));
        }
        let mut blocks = RunsBuilder::default();
        for run in runs.iter() {
            blocks.begin_run(run.encoded_bytes);
            for location in run.records.iter().filter_map(|index| locations[*index]) {
                if let Some(Record { partition_key, data }) = record_at(location) {
                    blocks.push(partition_key, data.len(), |block| block.extend_from_slice(data));
                }
            }
        }
        let again = Appends::new(stream_uid, runs.targets().zip(blocks.build()));
        (!again.calls.is_empty()).then_some((again, moved))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Appended;
    use catalog::HashKeyRange;

    fn id(index: u32) -> ShardId {
        ShardId::new(index).unwrap()
    }

    fn child(index: u32, range: HashKeyRange) -> OpenShard {
        OpenShard { id: id(index), range, parents: vec![id(0)], create_seconds: 9 }
    }

    #[test]
    fn records_of_a_sealed_shard_go_to_those_that_took_over_by_their_hash_keys_and_others_stay() {
        let halves = HashKeyRange::uniform(2);
        let target = |index| Target { shard: id(index), create_seconds: 1, log: "g0" };
        // Explicit hash keys: the partition key is always the same. The third record is of another shard.
        let (low, high) = (halves[0].start, halves[1].end);
        let hash_keys = [high, low, low, high, low];
        let mut runs = PlannedRuns::default();
        let locations: Vec<_> = [0, 0, 1, 0, 0]
            .iter()
            .zip(0..)
            .map(|(shard, index)| Some(runs.add(target(*shard), index, 1)))
            .collect();
        let mut blocks = RunsBuilder::default();
        for run in runs.iter() {
            blocks.begin_run(0);
            for index in &run.records {
                blocks.push("key", 1, |block| block.push(b'0' + *index as u8));
            }
        }
        let appends = Appends::new("uid", runs.targets().zip(blocks.build()));
        let (_, sent) = appends.split();
        let appended = Appended { first_offset: 7, arrival_ms: 1_000 };
        let children = vec![child(2, halves[0]), child(3, halves[1])];
        let outcomes = [vec![Err(Refusal::Sealed(children)), Ok(appended)]];
        let (again, moved) = sent.rehashed("uid", &locations, &hash_keys, &outcomes).unwrap();
        let texts = |run: &Run| {
            let data: Vec<u8> = run.block.records().flat_map(|record| record.data.to_vec()).collect();
            (run.shard.index(), String::from_utf8(data).unwrap())
        };
        let sent_again: Vec<_> = again.calls[0].runs.iter().map(texts).collect();
        assert_eq!(sent_again, [(3, "03".to_owned()), (2, "14".to_owned())]);
        assert_eq!((again.calls.len(), again.calls[0].log.as_str()), (1, "g0"));
        assert_eq!(sent.number(locations[2].unwrap(), &outcomes).unwrap().counter, 7);
        let outcomes = [vec![Ok(appended), Ok(appended)]];
        let (_, sent) = again.split();
        let number = sent.number(moved[3].unwrap(), &outcomes).unwrap();
        assert_eq!((number.shard, number.counter, number.create_seconds), (id(3), 8, 9));
        assert_eq!(moved[2], None, "what was stored is not sent again");
        assert!(sent.rehashed("uid", &moved, &hash_keys, &outcomes).is_none());
    }
}
