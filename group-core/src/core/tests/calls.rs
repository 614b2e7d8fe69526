//! Calls: how they become batches, and when they are answered.

use super::*;

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
    for sequence in 1..=200 {
        bench.append(Some((5, sequence)), vec![run(0, 1, 1)]);
        bench.persist_all();
    }
    let late = bench.append(Some((5, 1)), vec![run(0, 1, 1)]);
    bench.poll();
    assert!(matches!(bench.answers[&late], Answer::Unknown(_)), "it was done, once");
    assert_eq!(bench.core.proposed().shards[&shard(0)].next_offset, 201);
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
    bench.core.handle(Event::Call { token: Token(1), call, deadline_ms: 999 });
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
fn refused_confirmation_is_tried_again_only_behind_new_entries() {
    let mut bench = Bench::new();
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    bench.core.handle(Event::Quiet);
    bench.poll();
    bench.refuse();
    bench.core.handle(Event::Quiet);
    bench.poll();
    assert!(bench.written.is_empty() && !bench.core.unconfirmed());
    bench.append(None, vec![run(0, 1, 1)]);
    bench.persist_all();
    bench.core.handle(Event::Quiet);
    assert_eq!(bench.persist_all().len(), 1);
}

#[test]
fn batches_before_a_refused_one_are_committed_as_if_alone() {
    let mut bench = Bench::new();
    let tokens = [1, 2, 3].map(|records| {
        let token = bench.append(None, vec![run(0, records, 1)]);
        bench.poll();
        token
    });
    let (number, _) = bench.written[2];
    bench.written.truncate(2);
    bench.core.handle(Event::Refused { number, reason: "full".into() });
    bench.core.handle(Event::Refused { number: number + 1, reason: "repeated".into() });
    bench.persist_all();
    assert_eq!(bench.appended(tokens[0])[0].first_offset, 1);
    for token in &tokens[1..] {
        assert_eq!(bench.answers[token], Answer::NotDone(NotDone::Full("full".into())));
    }
    assert_eq!(bench.core.committed().shards[&shard(0)].next_offset, 2);
}

#[test]
fn append_without_runs_is_answered_without_outcomes() {
    let mut bench = Bench::new();
    let token = bench.append(None, Vec::new());
    assert!(bench.persist_all().is_empty());
    assert_eq!(bench.answers[&token], Answer::Append(Vec::new()));
}

#[test]
fn term_whose_first_batches_were_refused_is_begun_again() {
    let mut bench = Bench::new();
    bench.append(None, vec![run(0, 1, 1)]);
    bench.poll();
    bench.refuse();
    bench.append(None, vec![run(0, 1, 1)]);
    let batches = bench.persist_all();
    let entries: Vec<_> =
        batches.iter().map(|batch| (batch.index, batch.term, batch.entries.len())).collect();
    assert_eq!(entries, [(1, 1, 0), (2, 1, 1)]);
}

#[test]
fn fewer_appends_are_remembered_where_their_answers_are_long() {
    let mut bench = Bench::new();
    for sequence in 1..=20 {
        bench.append(Some((5, sequence)), (0..1_000).map(|_| run(0, 1, 1)).collect());
        bench.persist_all();
    }
    let repeated = [1, 20].map(|sequence| bench.append(Some((5, sequence)), vec![run(0, 1, 1)]));
    bench.poll();
    assert!(matches!(bench.answers[&repeated[0]], Answer::Unknown(_)), "the oldest is forgotten");
    assert_eq!(bench.appended(repeated[1]).len(), 1_000, "the newest is not");
}
