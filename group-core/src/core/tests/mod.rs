//! The core by itself: each rule once, and its promises over any order of events.

mod any_order;
mod calls;
mod reshard;
mod time;

use std::collections::{BTreeMap, VecDeque};

use catalog::member::OpenShard;
use catalog::{HashKeyRange, ShardId};

use super::*;
use crate::call::{Append, RunOutcome};
use crate::entry::{Appended, Batch, Run};
use crate::event::StoreReport;
use crate::record::{MAX_BLOCK_BYTES, Record, RecordBlockBuilder};
use crate::state::Continuity;

const HOUR_MS: u64 = 3_600_000;
const START_MS: u64 = 1_000 * HOUR_MS;
const NEVER: u64 = u64::MAX;

fn shard(index: u32) -> ShardId {
    ShardId::new(index).unwrap()
}

fn state() -> State {
    let open = |(index, range)| OpenShard { id: shard(index), range, parents: Vec::new(), create_seconds: 1 };
    State::new((0..).zip(HashKeyRange::uniform(3)).map(open), 24, START_MS)
}

fn reading(ms: u64) -> ClockReading {
    ClockReading { boottime_ms: ms, wall_ms: START_MS + ms }
}

fn run(index: u32, records: usize, data_bytes: usize) -> Run {
    let mut builder = RecordBlockBuilder::default();
    (0..records).for_each(|_| builder.push(Record { partition_key: "k", data: &vec![7; data_bytes] }));
    Run { shard: shard(index), block: builder.build() }
}

/// A core, what it wants to be done, and what is not done yet.
struct Bench {
    core: Core,
    written: VecDeque<(u64, Batch)>,
    answers: BTreeMap<u64, Answer>,
    published: u64,
    clock: LogClock,
    trims: Vec<u64>,
    last_token: u64,
}

impl Bench {
    fn of(state: State, config: Config, clock: ClockReading) -> Self {
        let core = Core::open(config, state, clock);
        let (written, answers) = Default::default();
        let clock = LogClock::default();
        Self { core, written, answers, published: 0, clock, trims: Vec::new(), last_token: 0 }
    }

    fn new() -> Self {
        Self::of(state(), Config::default(), reading(0))
    }

    fn call(&mut self, call: Call) -> u64 {
        self.last_token += 1;
        let token = Token(self.last_token);
        self.core.handle(Event::Call { token, call, deadline_ms: NEVER });
        self.last_token
    }

    fn append(&mut self, session: Option<(u64, u64)>, runs: Vec<Run>) -> u64 {
        self.call(Call::Append(Append { session, runs }))
    }

    fn tick(&mut self, clock: ClockReading, oldest_segment_arrival_ms: Option<u64>) {
        self.core.handle(Event::Tick { clock, store: StoreReport { oldest_segment_arrival_ms } });
        self.poll();
    }

    fn poll(&mut self) {
        let mut effects = Vec::new();
        self.core.poll(&mut effects);
        self.take(effects);
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Persist { number, batch } => self.written.push_back((number, batch)),
                Effect::Answer { token, answer } => {
                    assert!(self.answers.insert(token.0, answer).is_none(), "{token:?} is answered twice");
                }
                Effect::Publish { index, clock } => (self.published, self.clock) = (index, clock),
                Effect::Trim { horizon_ms } => self.trims.push(horizon_ms),
                Effect::Halt { .. } => {}
            }
        }
    }

    /// The oldest batch under way becomes durable.
    fn persist(&mut self) -> Option<Batch> {
        let (number, batch) = self.written.pop_front()?;
        self.core.handle(Event::Persisted { number });
        self.poll();
        Some(batch)
    }

    fn persist_all(&mut self) -> Vec<Batch> {
        self.poll();
        std::iter::from_fn(|| self.persist()).collect()
    }

    /// The store has no room for what is under way.
    fn refuse(&mut self) {
        let number = self.written.front().unwrap().0;
        self.written.clear();
        self.core.handle(Event::Refused { number, reason: "full".into() });
    }

    fn appended(&self, token: u64) -> Vec<Appended> {
        let Some(Answer::Append(outcomes)) = self.answers.get(&token) else { panic!("{:?}", self.answers) };
        let appended = |outcome: &RunOutcome| match outcome {
            RunOutcome::Appended(appended) => *appended,
            other => panic!("{other:?}"),
        };
        outcomes.iter().map(appended).collect()
    }
}
