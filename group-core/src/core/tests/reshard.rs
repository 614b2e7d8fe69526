//! Resharding: who takes records, what comes again, what is refused, and when a sealed shard is gone.

use catalog::HashKey;

use super::*;
use crate::reshard::{MAX_RESHARD_SHARDS, Reshard, ReshardRefusal, Resharded, SealedShard};

/// A split of a shard, or its merge with the one behind it, by what is open in a state.
pub(super) fn planned(state: &State, op: u64, first: ShardId, merges: bool) -> Option<Reshard> {
    let next_index = state.shards.last().map_or(0, |(id, _)| id.index() + 1);
    let range = state.shards.get(&first)?.open.range;
    let open = |index, range, parents: &[ShardId]| OpenShard {
        id: shard(index),
        range,
        parents: parents.to_vec(),
        create_seconds: 1,
    };
    if !merges {
        let middle = range.start.0 + (range.end.0 - range.start.0) / 2;
        let (low, high) = (
            HashKeyRange { end: HashKey(middle), ..range },
            HashKeyRange { start: HashKey(middle + 1), ..range },
        );
        let opened = vec![open(next_index, low, &[first]), open(next_index + 1, high, &[first])];
        return Some(Reshard { op, seal: vec![first], open: opened });
    }
    let is_behind = |other: &OpenShard| range.end.0.checked_add(1) == Some(other.range.start.0);
    let behind =
        state.shards.values().filter(|shard| shard.seal.is_none()).find(|shard| is_behind(&shard.open))?;
    let (second, end) = (behind.open.id, behind.open.range.end);
    let opened = vec![open(next_index, HashKeyRange { end, ..range }, &[first, second])];
    Some(Reshard { op, seal: vec![first, second], open: opened })
}

impl Bench {
    fn reshard(&mut self, reshard: Reshard) -> Result<Resharded, ReshardRefusal> {
        let token = self.call(Call::Reshard(reshard));
        self.persist_all();
        let Some(Answer::Reshard(outcome)) = self.answers.remove(&token) else {
            panic!("{:?}", self.answers)
        };
        outcome
    }

    /// The planned operation, by what is proposed.
    fn plan(&self, op: u64, first: u32, merges: bool) -> Reshard {
        planned(self.core.proposed(), op, shard(first), merges).unwrap()
    }

    fn outcomes(&self, token: u64) -> &[RunOutcome] {
        let Some(Answer::Append(outcomes)) = self.answers.get(&token) else { panic!("{:?}", self.answers) };
        outcomes
    }
}

fn ids(shards: &[OpenShard]) -> Vec<u32> {
    shards.iter().map(|shard| shard.id.index()).collect()
}

#[test]
fn sealed_shard_refuses_an_append_and_names_its_successors_once_that_is_durable() {
    let mut bench = Bench::new();
    let before = bench.append(None, vec![run(1, 2, 1)]);
    let reshard = bench.plan(1, 1, false);
    bench.call(Call::Reshard(reshard));
    let behind = bench.append(None, vec![run(0, 1, 1), run(1, 1, 1), run(3, 1, 1)]);
    bench.poll();
    assert!(bench.answers.is_empty(), "a refusal waits for the seal");
    bench.persist_all();
    assert_eq!(bench.appended(before)[0].first_offset, 1);
    let [RunOutcome::Appended(_), RunOutcome::Sealed(successors), RunOutcome::Appended(of_child)] =
        bench.outcomes(behind)
    else {
        panic!("{:?}", bench.outcomes(behind))
    };
    assert_eq!((ids(successors), of_child.first_offset), (vec![3, 4], 1));
    assert_eq!(bench.core.committed().shards[&shard(1)].next_offset, 3, "nothing was stored behind the seal");
}

#[test]
fn children_begin_above_the_end_of_every_parent_in_arrival_and_second_of_creation() {
    let mut state = state();
    let ahead_ms = START_MS + 5 * HOUR_MS;
    state.shards.get_mut(&shard(1)).unwrap().last_arrival_ms = ahead_ms;
    state.shards.get_mut(&shard(0)).unwrap().open.create_seconds = ahead_ms;
    let mut bench = Bench::of(state, Config::default(), reading(0));
    let resharded = bench.reshard(bench.plan(1, 0, true)).unwrap();
    assert_eq!(resharded.sealed.len(), 2);
    assert!(resharded.sealed.iter().all(|sealed| sealed.arrival_ms == ahead_ms));
    assert_eq!(resharded.opened[0].create_seconds, ahead_ms + 1);
    let token = bench.append(None, vec![run(3, 1, 1)]);
    bench.persist_all();
    assert_eq!(bench.appended(token)[0], Appended { first_offset: 1, arrival_ms: ahead_ms });
    let later = Reshard {
        open: vec![
            OpenShard { create_seconds: 1 << 35, ..bench.plan(2, 2, false).open[0].clone() },
            bench.plan(2, 2, false).open[1].clone(),
        ],
        ..bench.plan(2, 2, false)
    };
    assert_eq!(bench.reshard(later).unwrap().opened[0].create_seconds, 1 << 35, "a later second is kept");
}

#[test]
fn operation_that_comes_again_gets_its_outcome_again_and_changes_nothing() {
    let mut bench = Bench::new();
    bench.append(None, vec![run(0, 3, 1)]);
    let reshard = bench.plan(7, 0, false);
    let first = bench.reshard(reshard.clone()).unwrap();
    assert_eq!(first.sealed, [SealedShard { id: shard(0), last_offset: 3, arrival_ms: START_MS }]);
    bench.reshard(bench.plan(8, 4, false)).unwrap();
    let before = bench.core.committed().clone();
    assert_eq!(bench.reshard(reshard), Ok(first));
    assert_eq!(bench.core.committed(), &before);
}

#[test]
fn operation_that_does_not_fit_is_refused_in_words_and_changes_nothing() {
    let mut bench = Bench::new();
    bench.reshard(bench.plan(5, 0, false)).unwrap();
    let good = bench.plan(6, 1, false);
    let open = |change: &dyn Fn(&mut OpenShard)| {
        let mut wrong = good.clone();
        change(&mut wrong.open[1]);
        wrong
    };
    let end = |shard: &mut OpenShard| shard.range.end.0 -= 1;
    let start = |shard: &mut OpenShard| shard.range.start.0 -= 1;
    let wrong = [
        (Reshard { seal: vec![shard(9)], ..good.clone() }, ReshardRefusal::UnknownShard(shard(9))),
        (Reshard { seal: vec![shard(0)], ..good.clone() }, ReshardRefusal::AlreadySealed(shard(0))),
        (Reshard { op: 5, ..good.clone() }, ReshardRefusal::OldOp { op: 5, last_op: 5 }),
        (Reshard { op: 4, ..good.clone() }, ReshardRefusal::OldOp { op: 4, last_op: 5 }),
        (Reshard { seal: Vec::new(), ..good.clone() }, ReshardRefusal::Size),
        (Reshard { seal: vec![shard(1); MAX_RESHARD_SHARDS + 1], ..good.clone() }, ReshardRefusal::Size),
        (Reshard { seal: vec![shard(1); 2], ..good.clone() }, ReshardRefusal::RangesDiffer),
        (Reshard { seal: vec![shard(1), shard(2)], ..good.clone() }, ReshardRefusal::RangesDiffer),
        (open(&end), ReshardRefusal::RangesDiffer),
        (open(&start), ReshardRefusal::RangesDiffer),
        (open(&|open| open.id = shard(2)), ReshardRefusal::IdNotAbove(shard(2))),
        (open(&|open| open.parents = vec![shard(2)]), ReshardRefusal::WrongParents(good.open[1].id)),
    ];
    let before = bench.core.committed().clone();
    for (reshard, refusal) in wrong {
        assert_eq!(bench.reshard(reshard), Err(refusal), "{refusal}");
    }
    assert_eq!(bench.core.committed(), &before);
    bench.reshard(good).unwrap();
}

#[test]
fn seal_for_which_there_is_no_room_is_not_there_and_its_parent_goes_on() {
    let mut bench = Bench::new();
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    let token = bench.call(Call::Reshard(bench.plan(1, 0, false)));
    let append = bench.append(None, vec![run(0, 1, 1)]);
    bench.poll();
    bench.refuse();
    bench.poll();
    assert!(
        matches!(bench.answers[&token], Answer::NotDone(_))
            && matches!(bench.answers[&append], Answer::NotDone(_))
    );
    let token = bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    assert_eq!(bench.appended(token)[0].first_offset, 2);
}

#[test]
fn sealed_shard_without_records_expires_by_its_seal_and_is_gone() {
    let mut bench = Bench::new();
    bench.tick(reading(HOUR_MS), None);
    bench.reshard(bench.plan(1, 0, false)).unwrap();
    bench.reshard(bench.plan(2, 3, false)).unwrap();
    bench.tick(reading(25 * HOUR_MS), None);
    assert!(bench.written.is_empty(), "it is not due yet");
    bench.tick(reading(25 * HOUR_MS + 1), None);
    bench.tick(reading(25 * HOUR_MS + 2), None);
    assert_eq!(bench.persist_all().len(), 1, "it is proposed once");
    let left: Vec<_> = bench.core.committed().shards.keys().map(|id| id.index()).collect();
    assert_eq!(
        left,
        [1, 2, 4, 5, 6],
        "parents go together with what took over from them and was sealed at once"
    );
    let token = bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    assert_eq!(bench.outcomes(token), [RunOutcome::NotHere]);
}
