//! The core by itself: its promises over any order of events, and each rule once.

use std::collections::{BTreeMap, VecDeque};

use catalog::member::OpenShard;
use catalog::{HashKeyRange, ShardId};
use proptest::prelude::*;

use super::*;
use crate::call::{Append, RunOutcome};
use crate::entry::{Appended, Batch, Run};
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
    effects: Vec<Effect>,
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
        let (effects, written, answers) = Default::default();
        let clock = LogClock::default();
        Self { core, effects, written, answers, published: 0, clock, trims: Vec::new(), last_token: 0 }
    }

    fn new() -> Self {
        Self::of(state(), Config::default(), reading(0))
    }

    fn call(&mut self, call: Call) -> u64 {
        self.last_token += 1;
        let token = Token(self.last_token);
        self.core.handle(Event::Call { token, call, caller_ms: None, deadline_ms: NEVER });
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
        self.core.poll(&mut self.effects);
        for effect in std::mem::take(&mut self.effects) {
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

#[test]
fn answer_waits_until_its_batch_is_durable() {
    let mut bench = Bench::new();
    let token = bench.append(None, vec![run(1, 2, 9), run(0, 1, 9), run(1, 1, 9)]);
    bench.poll();
    assert_eq!((bench.answers.len(), bench.published), (0, 0));
    let batches = bench.persist_all();
    let offsets: Vec<_> = bench.appended(token).iter().map(|appended| appended.first_offset).collect();
    assert_eq!((offsets, bench.published), (vec![1, 1, 3], 2));
    assert_eq!(batches[0].entries.len(), 0, "an empty batch begins the term");
    assert_eq!(batches[1].entries.len(), 2, "runs of a shard are joined");
}

#[test]
fn all_that_is_staged_is_one_batch_up_to_its_limit() {
    let mut bench = Bench::new();
    let tokens: Vec<_> = (0..12).map(|_| bench.append(None, vec![run(0, 1, 100_000)])).collect();
    let batches = bench.persist_all();
    let entries: Vec<_> = batches.iter().map(|batch| batch.entries.len()).collect();
    assert_eq!(entries, [0, 10, 2]);
    assert!(tokens.iter().zip(1..).all(|(token, offset)| bench.appended(*token)[0].first_offset == offset));
}

#[test]
fn entry_has_at_most_128_kib_or_one_record() {
    let mut bench = Bench::new();
    let runs = vec![run(0, 1, 100), run(0, 100, 1_000), run(0, 100, 1_000), run(0, 1, 500_000), run(0, 1, 1)];
    bench.append(None, runs);
    let batches = bench.persist_all();
    for entry in &batches[1].entries {
        let bytes: usize = entry.blocks.iter().map(|block| block.bytes().len()).sum();
        let records: u32 = entry.blocks.iter().map(crate::record::RecordBlock::count).sum();
        assert!(bytes <= MAX_BLOCK_BYTES || records == 1, "{bytes} bytes, {records} records");
    }
    assert_eq!(batches[1].entries.len(), 4);
}

#[test]
fn unknown_shard_and_a_block_that_no_log_takes_are_answers() {
    let mut bench = Bench::new();
    let token = bench.append(None, vec![run(9, 1, 1), run(0, 0, 0), run(0, 200, 1_000), run(0, 1, 1)]);
    bench.persist_all();
    let Some(Answer::Append(outcomes)) = bench.answers.get(&token) else { panic!("no answer") };
    assert_eq!(outcomes[0], RunOutcome::NotHere);
    assert!(matches!(outcomes[1], RunOutcome::Invalid(_)) && matches!(outcomes[2], RunOutcome::Invalid(_)));
    assert!(matches!(outcomes[3], RunOutcome::Appended(Appended { first_offset: 1, .. })));
}

#[test]
fn refusal_waits_until_what_it_was_judged_on_is_committed() {
    let mut bench = Bench::new();
    bench.append(None, vec![run(0, 1, 1)]);
    bench.poll();
    let refused = bench.append(None, vec![run(9, 1, 1)]);
    bench.poll();
    assert!(!bench.answers.contains_key(&refused));
    bench.persist_all();
    assert_eq!(bench.answers.get(&refused), Some(&Answer::Append(vec![RunOutcome::NotHere])));
    let at_once = bench.append(None, vec![run(9, 1, 1)]);
    bench.poll();
    assert!(bench.answers.contains_key(&at_once));
}

#[test]
fn repeated_append_is_stored_once_and_answered_each_time() {
    let mut bench = Bench::new();
    let first = bench.append(Some((5, 1)), vec![run(0, 1, 1)]);
    let again = bench.append(Some((5, 1)), vec![run(0, 1, 1)]);
    bench.poll();
    let meanwhile = bench.append(Some((5, 1)), vec![run(0, 1, 1)]);
    bench.persist_all();
    let later = bench.append(Some((5, 1)), vec![run(0, 1, 1)]);
    bench.poll();
    for token in [first, again, meanwhile, later] {
        assert_eq!(bench.appended(token)[0].first_offset, 1);
    }
    assert_eq!(bench.core.committed().shards[&shard(0)].next_offset, 2);
}

#[test]
fn sequence_that_is_remembered_no_more_is_not_stored_again() {
    let mut bench = Bench::new();
    for sequence in 1..=100 {
        bench.append(Some((5, sequence)), vec![run(0, 1, 1)]);
        bench.persist_all();
    }
    let late = bench.append(Some((5, 1)), vec![run(0, 1, 1)]);
    bench.poll();
    assert!(matches!(bench.answers[&late], Answer::Unknown(_)), "it was done, once");
    assert_eq!(bench.core.proposed().shards[&shard(0)].next_offset, 101);
}

#[test]
fn refused_batch_is_as_if_it_had_never_been() {
    let mut bench = Bench::new();
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    let before = bench.core.committed().clone();
    let refused = bench.append(Some((5, 1)), vec![run(0, 3, 1)]);
    bench.poll();
    let behind = bench.append(None, vec![run(0, 1, 1)]);
    bench.poll();
    bench.refuse();
    assert_eq!(*bench.core.proposed(), before);
    bench.poll();
    for token in [refused, behind] {
        assert_eq!(bench.answers[&token], Answer::NotDone(NotDone::Full("full".into())));
    }
    let repeated = bench.append(Some((5, 1)), vec![run(0, 3, 1)]);
    let again = bench.append(Some((5, 2)), vec![run(0, 3, 1)]);
    let batches = bench.persist_all();
    assert_eq!(bench.answers[&repeated], bench.answers[&refused], "only what is sent again is done");
    assert_eq!(bench.appended(again)[0].first_offset, 2);
    assert_eq!(batches[0].index, before.index + 1);
}

#[test]
fn failure_halts_what_is_under_way_unknown_and_the_rest_not_done() {
    let mut bench = Bench::new();
    let under_way = bench.append(Some((5, 1)), vec![run(0, 1, 1)]);
    bench.poll();
    let staged = bench.append(None, vec![run(0, 1, 1)]);
    bench.core.handle(Event::Failed { reason: "broken".into() });
    let later = bench.append(None, vec![run(0, 1, 1)]);
    let repeated = bench.append(Some((5, 1)), vec![run(0, 1, 1)]);
    bench.poll();
    for token in [under_way, repeated] {
        assert_eq!(bench.answers[&token], Answer::Unknown("broken".into()));
    }
    for token in [staged, later] {
        assert_eq!(bench.answers[&token], Answer::NotDone(NotDone::Halted("broken".into())));
    }
}

#[test]
fn persisted_of_an_earlier_opening_commits_nothing() {
    let mut bench = Bench::new();
    bench.append(None, vec![run(0, 1, 1)]);
    bench.poll();
    bench.core.handle(Event::Persisted { number: 77 });
    bench.poll();
    assert_eq!((bench.answers.len(), bench.published), (0, 0));
}

#[test]
fn call_whose_deadline_passed_is_not_done() {
    let mut bench = Bench::new();
    bench.tick(reading(1_000), None);
    let call = Call::SetRetention { hours: 48 };
    bench.core.handle(Event::Call { token: Token(1), call, caller_ms: None, deadline_ms: 999 });
    bench.persist_all();
    assert_eq!(bench.answers[&1], Answer::NotDone(NotDone::Late));
    assert_eq!(bench.core.committed().retention_hours, Some(24));
}

#[test]
fn last_batch_is_confirmed_once() {
    let mut bench = Bench::new();
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    for expected in [1, 0] {
        bench.core.handle(Event::Quiet);
        assert_eq!(bench.persist_all().len(), expected);
    }
}

#[test]
fn expired_segment_goes_behind_an_entry_that_says_so() {
    let mut bench = Bench::new();
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    bench.tick(reading(24 * HOUR_MS), Some(START_MS));
    assert!(bench.written.is_empty(), "it is not due yet");
    bench.tick(reading(24 * HOUR_MS + 1), Some(START_MS));
    bench.tick(reading(24 * HOUR_MS + 2), Some(START_MS));
    assert_eq!((bench.written.len(), bench.trims.len()), (1, 0), "it is proposed once, and not done before");
    bench.persist_all();
    bench.tick(reading(24 * HOUR_MS + 3), Some(START_MS));
    assert_eq!(bench.trims, [START_MS + 1]);
}

#[test]
fn full_disk_is_trimmed_all_the_same() {
    let mut bench = Bench::new();
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    bench.tick(reading(25 * HOUR_MS), Some(START_MS));
    bench.refuse();
    bench.poll();
    assert_eq!(bench.trims, [START_MS + HOUR_MS]);
}

#[test]
fn clock_step_needs_another_machine_and_protects_what_was_there() {
    let years_ahead = ClockReading { boottime_ms: 5, wall_ms: START_MS + 50_000 * HOUR_MS };
    let mut bench = Bench::new();
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    bench.tick(years_ahead, Some(START_MS));
    assert!(bench.core.clock_suspect().unwrap().contains("ahead"));
    bench.core.handle(Event::ClockSeen { other_ms: START_MS + 5 });
    bench.poll();
    assert!(bench.written.is_empty(), "a clock that disagrees changes nothing");
    bench.core.handle(Event::ClockSeen { other_ms: years_ahead.wall_ms - 1_000 });
    bench.persist_all();
    assert_eq!(bench.core.clock_suspect(), None);
    assert_eq!(bench.core.clock().time_ms, years_ahead.wall_ms);
    bench.tick(ClockReading { boottime_ms: 6, wall_ms: years_ahead.wall_ms + 1 }, Some(START_MS));
    assert!(bench.written.is_empty(), "nothing expires yet");
    let day_later =
        ClockReading { boottime_ms: 5 + 24 * HOUR_MS, wall_ms: years_ahead.wall_ms + 24 * HOUR_MS };
    bench.tick(day_later, Some(START_MS));
    assert_eq!(bench.written.len(), 1, "a day of running time later it does");
}

#[test]
fn first_batch_of_a_term_has_the_time_before_a_step() {
    let mut bench = Bench::of(state(), Config { trusts_own_clock: true }, reading(100 * HOUR_MS));
    let times: Vec<_> = bench.persist_all().iter().map(|batch| batch.time_ms).collect();
    assert_eq!(
        times,
        [START_MS, START_MS + 100 * HOUR_MS],
        "a crash between them must not leave a step unprotected"
    );
}

/// A log with one record, whose clock another machine agrees is 100 hours behind.
fn stepping() -> Bench {
    let mut bench = Bench::new();
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    bench.tick(ClockReading { boottime_ms: 5, wall_ms: START_MS + 100 * HOUR_MS }, None);
    bench.core.handle(Event::ClockSeen { other_ms: START_MS + 100 * HOUR_MS });
    bench
}

#[test]
fn readers_see_no_clock_step_that_is_not_committed() {
    let mut bench = stepping();
    bench.poll();
    bench.tick(ClockReading { boottime_ms: 9, wall_ms: START_MS + 100 * HOUR_MS + 4 }, None);
    assert_eq!(bench.clock, LogClock { time_ms: START_MS + 9, boottime_ms: 9 });
    bench.persist_all();
    assert_eq!(bench.clock, LogClock { time_ms: START_MS + 100 * HOUR_MS + 4, boottime_ms: 9 });
}

#[test]
fn clock_step_that_is_refused_is_not_taken() {
    let mut bench = stepping();
    bench.poll();
    bench.refuse();
    bench.poll();
    assert_eq!(bench.core.clock().time_ms, START_MS + 5);
    bench.append(None, vec![run(0, 1, 1)]);
    assert_eq!(bench.persist_all()[0].time_ms, START_MS + 5);
}

#[test]
fn clock_step_is_not_taken_when_the_clock_was_set_right_meanwhile() {
    let mut bench = stepping();
    bench.core.handle(Event::Tick { clock: reading(9), store: StoreReport::default() });
    bench.poll();
    assert_eq!((bench.written.len(), bench.core.clock().time_ms), (0, START_MS + 9));
}

#[test]
fn trim_by_a_retention_that_is_refused_removes_nothing() {
    let mut bench = Bench::new();
    bench.call(Call::SetRetention { hours: 48 });
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    bench.call(Call::SetRetention { hours: 24 });
    bench.poll();
    bench.tick(reading(30 * HOUR_MS), Some(START_MS));
    assert_eq!(bench.written.len(), 2, "it is to be trimmed");
    bench.refuse();
    bench.poll();
    assert!(bench.trims.iter().all(|trim| *trim <= START_MS), "{:?}", bench.trims);
}

#[test]
fn process_without_another_machine_steps_at_opening_alone() {
    let ahead = ClockReading { boottime_ms: 0, wall_ms: START_MS + 100 * HOUR_MS };
    let mut bench = Bench::of(state(), Config { trusts_own_clock: true }, ahead);
    let token = bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    assert_eq!(bench.appended(token)[0].arrival_ms, ahead.wall_ms);
    bench.tick(ClockReading { boottime_ms: 1, wall_ms: START_MS + 900 * HOUR_MS }, None);
    bench.persist_all();
    assert_eq!(bench.core.clock().time_ms, ahead.wall_ms + 1);
    assert!(bench.core.clock_suspect().is_some());
}

#[test]
fn wrong_clock_of_an_append_does_not_keep_records_for_ever() {
    let mut bench = Bench::of(state(), Config { trusts_own_clock: true }, reading(0));
    bench.tick(ClockReading { boottime_ms: 1, wall_ms: START_MS + 600_000 * HOUR_MS }, None);
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    bench.tick(reading(24 * HOUR_MS + 2), Some(bench.core.committed().shards[&shard(0)].last_arrival_ms));
    assert_eq!(bench.written.len(), 1, "a day later it expires");
}

/// What happens to a core in a property test.
#[derive(Clone, Debug)]
enum Happening {
    Append { session: Option<(u64, u64)>, runs: Vec<(u32, usize)> },
    Retention(u32),
    Poll,
    Persist,
    Refuse,
    Quiet,
    Tick { passed_ms: u64, wall_ms: u64 },
    ClockSeen(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let session = proptest::option::of((0u64..3, 0u64..20));
    let runs = proptest::collection::vec((0u32..4, 1usize..4), 0..4);
    prop_oneof![
        4 => (session, runs).prop_map(|(session, runs)| Happening::Append { session, runs }),
        1 => (24u32..50).prop_map(Happening::Retention),
        2 => Just(Happening::Poll),
        4 => Just(Happening::Persist),
        1 => Just(Happening::Refuse),
        1 => Just(Happening::Quiet),
        2 => (0u64..100_000_000, 0u64..200 * HOUR_MS)
            .prop_map(|(passed_ms, wall_ms)| Happening::Tick { passed_ms, wall_ms: START_MS + wall_ms }),
        1 => (0u64..200 * HOUR_MS).prop_map(|ms| Happening::ClockSeen(START_MS + ms)),
    ]
}

proptest! {
    #[test]
    fn promises_hold_whatever_happens(happenings in proptest::collection::vec(happening(), 1..80)) {
        let mut bench = Bench::new();
        let mut fold = state();
        let (mut boottime_ms, mut sent, mut committed) = (0, BTreeMap::new(), Vec::new());
        let persist = |bench: &mut Bench, fold: &mut State, committed: &mut Vec<Batch>| {
            let Some(batch) = bench.persist() else { return };
            fold.apply(batch.step(), Continuity::Required).unwrap();
            committed.push(batch);
            assert_eq!(bench.core.committed(), fold);
            assert_eq!(bench.published, fold.index);
        };
        for happening in happenings {
            match happening {
                Happening::Append { session, runs } => {
                    let runs = runs.into_iter().map(|(index, records)| run(index, records, 3)).collect();
                    sent.insert(bench.append(session, runs), session);
                }
                Happening::Retention(hours) => {
                    bench.call(Call::SetRetention { hours });
                }
                Happening::Poll => bench.poll(),
                Happening::Persist => persist(&mut bench, &mut fold, &mut committed),
                Happening::Refuse if bench.written.is_empty() => {}
                Happening::Refuse => {
                    bench.refuse();
                    prop_assert_eq!(bench.core.proposed(), &fold);
                }
                Happening::Quiet => bench.core.handle(Event::Quiet),
                Happening::Tick { passed_ms, wall_ms } => {
                    boottime_ms += passed_ms;
                    bench.tick(ClockReading { boottime_ms, wall_ms }, None);
                }
                Happening::ClockSeen(other_ms) => bench.core.handle(Event::ClockSeen { other_ms }),
            }
        }
        bench.poll();
        while !bench.written.is_empty() {
            persist(&mut bench, &mut fold, &mut committed);
        }
        // Every call has its answer, a repeated one the same, and the log holds what was answered and no more.
        prop_assert_eq!(bench.answers.len() as u64, bench.last_token);
        let mut first_of = BTreeMap::new();
        for (token, session) in sent {
            let Answer::Append(outcomes) = &bench.answers[&token] else { continue };
            if session.is_some_and(|pair| *first_of.entry(pair).or_insert(outcomes.clone()) != *outcomes) {
                panic!("a repeated append has two answers");
            }
        }
        let total: u64 = fold.shards.values().map(|shard| shard.next_offset - 1).sum();
        let in_batches: u64 = committed.iter().flat_map(|batch| &batch.entries).map(|entry| match entry.change {
            crate::entry::Change::Append { records, .. } => u64::from(records),
            _ => 0,
        }).sum();
        prop_assert_eq!(total, in_batches);
    }
}
