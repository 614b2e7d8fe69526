//! The core's promises over any order of events.

use std::collections::BTreeSet;

use catalog::HashKey;
use proptest::prelude::*;

use super::reshard::planned;
use super::*;

/// What happens to a core in a property test.
#[derive(Clone, Debug)]
enum Happening {
    Append { session: Option<(u64, u64)>, runs: Vec<(u32, usize)>, deadline_ms: u64 },
    Retention(u32),
    Reshard { op: u64, first: u32, merges: bool },
    Poll,
    Persist { batches: usize },
    Refuse { from: usize },
    Quiet,
    Tick { passed_ms: u64, wall_ms: u64 },
    ClockSeen { apart_ms: u64 },
}

fn happening() -> impl Strategy<Value = Happening> {
    let session = proptest::option::of((0u64..3, 0u64..20));
    let runs = proptest::collection::vec((0u32..7, 1usize..4), 0..4);
    prop_oneof![
        4 => (session, runs, 0u64..2_000_000_000)
            .prop_map(|(session, runs, deadline_ms)| Happening::Append { session, runs, deadline_ms }),
        1 => (24u32..50).prop_map(Happening::Retention),
        1 => (1u64..8, 0u32..7, any::<bool>())
            .prop_map(|(op, first, merges)| Happening::Reshard { op, first, merges }),
        2 => Just(Happening::Poll),
        4 => (1usize..4).prop_map(|batches| Happening::Persist { batches }),
        1 => (0usize..4).prop_map(|from| Happening::Refuse { from }),
        1 => Just(Happening::Quiet),
        2 => (0u64..100_000_000, 0u64..200 * HOUR_MS)
            .prop_map(|(passed_ms, wall_ms)| Happening::Tick { passed_ms, wall_ms: START_MS + wall_ms }),
        1 => (0u64..600_000).prop_map(|apart_ms| Happening::ClockSeen { apart_ms }),
    ]
}

/// A core, and what it must keep to.
struct Model {
    bench: Bench,
    /// The fold from scratch of what was reported durable.
    durable: State,
    /// All that it was, by index.
    states: BTreeMap<u64, State>,
    /// The appends, by their tokens.
    sent: BTreeMap<u64, Append>,
    /// The numbers of the reshards, by their tokens.
    reshards: BTreeMap<u64, u64>,
    boottime_ms: u64,
    wall_ms: u64,
    published_ms: u64,
}

impl Model {
    fn happens(&mut self, happening: Happening) {
        let Self { bench, .. } = self;
        // Calls wait for each other, so that several become one batch.
        let polls = !matches!(
            happening,
            Happening::Append { .. } | Happening::Retention(_) | Happening::Reshard { .. }
        );
        match happening {
            Happening::Append { session, runs, deadline_ms } => {
                let runs: Vec<_> = runs.into_iter().map(|(index, records)| run(index, records, 3)).collect();
                // What is repeated is the same.
                let known = self.sent.values().find(|other| session.is_some() && other.session == session);
                let runs = known.map_or(runs, |known| known.runs.clone());
                bench.last_token += 1;
                let append = Append { session, runs };
                self.sent.insert(bench.last_token, append.clone());
                let (token, call) = (Token(bench.last_token), Call::Append(append));
                bench.core.handle(Event::Call { token, call, deadline_ms });
            }
            Happening::Retention(hours) => {
                bench.call(Call::SetRetention { hours });
            }
            Happening::Reshard { op, first, merges } => {
                if let Some(reshard) = planned(bench.core.proposed(), op, shard(first), merges) {
                    let token = bench.call(Call::Reshard(reshard));
                    self.reshards.insert(token, op);
                }
            }
            Happening::Poll => {}
            Happening::Persist { batches } => self.persist(batches),
            Happening::Refuse { from } => self.refuse(from),
            Happening::Quiet => bench.core.handle(Event::Quiet),
            Happening::Tick { passed_ms, wall_ms } => {
                self.boottime_ms += passed_ms;
                self.wall_ms = wall_ms;
                let clock = ClockReading { boottime_ms: self.boottime_ms, wall_ms };
                let oldest = bench.core.committed().shards.get(&shard(0)).map(|shard| shard.last_arrival_ms);
                let store = StoreReport { oldest_segment_arrival_ms: oldest };
                bench.core.handle(Event::Tick { clock, store });
            }
            Happening::ClockSeen { apart_ms } => {
                bench.core.handle(Event::ClockSeen { other_ms: self.wall_ms + apart_ms });
            }
        }
        if polls {
            self.check();
        }
    }

    fn persist(&mut self, batches: usize) {
        let batches = batches.min(self.bench.written.len());
        let mut last = None;
        for (number, batch) in self.bench.written.drain(..batches) {
            self.durable.apply(batch.step(), Continuity::Required).unwrap();
            self.states.insert(batch.index, self.durable.clone());
            last = Some(number);
        }
        if let Some(number) = last {
            self.bench.core.handle(Event::Persisted { number });
        }
        assert_eq!(self.bench.core.committed(), &self.durable);
    }

    fn refuse(&mut self, from: usize) {
        let Some((number, _)) = self.bench.written.get(from) else { return };
        let number = *number;
        self.bench.written.truncate(from);
        self.bench.core.handle(Event::Refused { number, reason: "full".into() });
        let mut scratch = self.durable.clone();
        for (_, batch) in &self.bench.written {
            scratch.apply(batch.step(), Continuity::Required).unwrap();
        }
        // What is reported of it later says nothing.
        self.bench.core.handle(Event::Persisted { number });
        self.bench.core.handle(Event::Refused { number: number + 1, reason: "full".into() });
        assert_eq!(self.bench.core.proposed(), &scratch);
    }

    /// Takes what is to be done. An answer comes behind the publication of what it is about, and published time never
    /// goes back.
    fn check(&mut self) {
        let mut published = self.bench.published;
        let mut effects = Vec::new();
        self.bench.core.poll(&mut effects);
        for effect in &effects {
            match effect {
                Effect::Publish { index, clock } => {
                    assert!(*index >= published && clock.at(self.boottime_ms) >= self.published_ms);
                    (published, self.published_ms) = (*index, clock.at(self.boottime_ms));
                }
                Effect::Answer { token, answer: Answer::Append(outcomes) } => {
                    let runs = &self.sent[&token.0].runs;
                    for (run, outcome) in runs.iter().zip(outcomes) {
                        let RunOutcome::Appended(appended) = outcome else { continue };
                        let end = appended.first_offset + u64::from(run.block.count());
                        // Where the shard has expired since, it comes again.
                        let Some(shown) = self.states[&published].shards.get(&run.shard) else { continue };
                        assert!(end <= shown.next_offset, "an answer comes before its publication");
                    }
                }
                Effect::Trim { .. }
                | Effect::Persist { .. }
                | Effect::Answer { .. }
                | Effect::Halt { .. } => {}
            }
        }
        self.bench.take(effects);
    }

    /// Every call has its answer, a repeated one the same, and the log holds each offset that was answered once, and
    /// nothing else.
    fn check_end(mut self) {
        self.check();
        while !self.bench.written.is_empty() {
            self.persist(1);
            self.check();
        }
        assert_eq!(self.bench.answers.len() as u64, self.bench.last_token);
        let mut answers = BTreeMap::new();
        let mut stored = BTreeSet::new();
        for (token, Append { session, runs }) in std::mem::take(&mut self.sent) {
            let answer = &self.bench.answers[&token];
            if let Some(pair) = session
                && answers.insert(pair, answer.clone()).is_some_and(|first| {
                    assert_eq!(first, *answer, "a repeated append has two answers");
                    true
                })
            {
                continue;
            }
            let Answer::Append(outcomes) = answer else { continue };
            assert_eq!(outcomes.len(), runs.len());
            for (run, outcome) in runs.iter().zip(outcomes) {
                let RunOutcome::Appended(Appended { first_offset, .. }) = outcome else { continue };
                for offset in *first_offset..first_offset + u64::from(run.block.count()) {
                    assert!(stored.insert((run.shard, offset)), "an offset was answered twice");
                }
            }
        }
        // Also of the shards that have expired since.
        let mut ends = BTreeMap::new();
        for (id, shard) in self.states.values().flat_map(|state| state.shards.iter()) {
            ends.insert(*id, shard.next_offset);
        }
        let expected = ends.into_iter().flat_map(|(id, end)| (1..end).map(move |offset| (id, offset)));
        assert!(expected.eq(stored), "the log holds other records than were answered");
        self.check_reshards();
    }

    /// The shards that are open cover the ring once. Whoever asked for an operation that was done hears the same.
    fn check_reshards(&self) {
        let open = self.durable.shards.values().filter(|shard| shard.seal.is_none());
        let mut ranges: Vec<_> = open.map(|shard| shard.open.range).collect();
        ranges.sort_by_key(|range| range.start);
        assert_eq!((ranges[0].start, ranges[ranges.len() - 1].end), (HashKey::MIN, HashKey::MAX));
        assert!(ranges.windows(2).all(|pair| pair[0].end.0 + 1 == pair[1].start.0));
        let mut outcomes = BTreeMap::new();
        for (token, op) in &self.reshards {
            let Answer::Reshard(Ok(resharded)) = &self.bench.answers[token] else { continue };
            assert_eq!(outcomes.entry(op).or_insert(resharded), &resharded, "an operation has two outcomes");
        }
    }
}

proptest! {
    #[test]
    fn promises_hold_whatever_happens(happenings in proptest::collection::vec(happening(), 1..80)) {
        let bench = Bench::new();
        let sent = BTreeMap::new();
        let states = BTreeMap::from([(0, state())]);
        let durable = state();
        let (reshards, wall_ms) = (BTreeMap::new(), START_MS);
        let mut model =
            Model { bench, durable, states, sent, reshards, boottime_ms: 0, wall_ms, published_ms: 0 };
        happenings.into_iter().for_each(|happening| model.happens(happening));
        model.check_end();
    }
}
