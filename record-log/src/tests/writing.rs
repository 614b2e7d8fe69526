//! Appending, and reading it again.

use super::*;

#[test]
fn records_are_read_back_in_order_and_again_after_opening() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    assert_eq!(put(&mut log, 0, &["a", "b"]).first_offset, 1);
    assert_eq!(put(&mut log, 1, &["x"]).first_offset, 1);
    assert_eq!(put(&mut log, 0, &["c"]).first_offset, 3);
    assert_eq!(
        (all(&reader, 0), all(&reader, 1)),
        (vec!["a".into(), "b".into(), "c".into()], vec!["x".into()])
    );
    drop((log, reader));

    let (mut log, reader) = bench.open();
    assert_eq!(all(&reader, 0), ["a", "b", "c"]);
    assert_eq!(put(&mut log, 0, &["d"]).first_offset, 4);
    assert_eq!(all(&reader, 0), ["a", "b", "c", "d"]);
}

#[test]
fn appends_of_one_batch_are_joined_by_shard_and_numbered_in_their_order() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    let appends = [vec![run(0, &["a"]), run(1, &["x"])], vec![run(1, &["y", "z"])], vec![run(0, &["b"])]];
    let outcomes = log.append(&appends).unwrap();
    let offsets: Vec<Vec<_>> =
        outcomes.iter().map(|runs| runs.iter().map(|run| appended(run).first_offset).collect()).collect();
    assert_eq!(offsets, [vec![1, 1], vec![2], vec![2]]);
    assert_eq!(
        (all(&reader, 0), all(&reader, 1)),
        (vec!["a".into(), "b".into()], vec!["x".into(), "y".into(), "z".into()])
    );
}

#[test]
fn arrival_never_goes_back_with_the_clock() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    bench.clock.go(5_000);
    let later = put(&mut log, 0, &["a"]).arrival_ms;
    bench.clock.step_to(START_MS);
    assert_eq!(put(&mut log, 0, &["b"]).arrival_ms, later);
    drop((log, reader));
    let (mut log, _) = bench.open();
    assert_eq!(put(&mut log, 0, &["c"]).arrival_ms, later);
}

#[test]
fn every_position_begins_where_it_says() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    let mut arrivals = Vec::new();
    for text in ["a", "b", "c"] {
        bench.clock.go(1_000);
        arrivals.push(put(&mut log, 0, &[text]).arrival_ms);
    }
    let from = |position| data(&read(&reader, 0, position).unwrap());
    assert_eq!(from(Position::TrimHorizon), ["a", "b", "c"]);
    assert_eq!(from(Position::Offset(2)), ["b", "c"]);
    assert_eq!(from(Position::AtTimestamp(arrivals[1])), ["b", "c"]);
    assert_eq!(from(Position::AtTimestamp(arrivals[1] + 1)), ["c"]);
    assert_eq!(from(Position::Latest), Vec::<String>::new());
    let locate = |position| reader.locate(shard(0), position, Wait::ForDisk).unwrap();
    assert_eq!(locate(Position::AtTimestamp(arrivals[2])), 3);
    assert_eq!(locate(Position::AtTimestamp(arrivals[2] + 1)), 4);
    assert_eq!((locate(Position::Latest), locate(Position::TrimHorizon)), (4, 1));
}

#[test]
fn read_keeps_to_both_limits_and_says_how_far_behind_it_is() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    put(&mut log, 0, &["a", "bb"]);
    bench.clock.go(700);
    put(&mut log, 0, &["ccc"]);
    let limited = |offset, max_records, max_bytes| {
        let limits = Limits { max_records, max_bytes };
        reader.read(shard(0), Position::Offset(offset), limits, Wait::ForDisk).unwrap()
    };
    let first = limited(1, 2, 1_000);
    assert_eq!(
        (data(&first), first.next_offset, first.millis_behind_latest),
        (vec!["a".into(), "bb".into()], 3, 700)
    );
    let rest = limited(first.next_offset, 9, 1_000);
    assert_eq!((data(&rest), rest.next_offset, rest.millis_behind_latest), (vec!["ccc".into()], 4, 0));
    // One record is given however large it is.
    assert_eq!(data(&limited(2, 9, 1)), ["bb"]);
}

#[test]
fn reader_of_a_part_is_behind_also_within_one_millisecond() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    put(&mut log, 0, &["a", "b"]);
    let one = Limits { max_records: 1, max_bytes: 1_000 };
    let behind = |offset| {
        let outcome = reader.read(shard(0), Position::Offset(offset), one, Wait::ForDisk).unwrap();
        outcome.millis_behind_latest
    };
    assert_eq!((behind(1), behind(2)), (1, 0));
}

#[test]
fn tail_serves_the_newest_records_without_the_disk() {
    let bench = Bench { tail_bytes: 1 << 20, ..Bench::new() };
    let (mut log, reader) = bench.open();
    fill(&mut log, 0, &kilobytes(0, 10));
    let newest = reader.read(shard(0), Position::Offset(8), ALL, Wait::Never).unwrap();
    assert_eq!(data(&newest), kilobytes(7, 3));
    assert_eq!(reader.status().counts.tail_reads, 1);
    log.rest();
    assert_eq!(all(&reader, 0), kilobytes(0, 10));
    assert_eq!(reader.status().counts.tail_reads, 1);
}

#[test]
fn batch_larger_than_a_segment_gets_a_segment_of_its_own_size() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    let texts = kilobytes(0, 700);
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    put(&mut log, 0, &texts);
    put(&mut log, 1, &["x"]);
    assert_eq!((all(&reader, 0).len(), all(&reader, 1)), (700, vec!["x".into()]));
    drop((log, reader));
    let (_log, reader) = bench.open();
    assert_eq!(all(&reader, 0).len(), 700);
}

#[test]
fn append_that_no_batch_would_hold_is_refused_and_nothing_of_it_is_written() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    let text = "x".repeat(14 << 20);
    let large = vec![run(0, &[&text]), run(1, &[&text]), run(2, &[&text])];
    let outcomes = log.append(&[large, vec![run(0, &["small"])]]).unwrap();
    assert!(outcomes[0].iter().all(|outcome| matches!(outcome, RunOutcome::Invalid(_))), "{outcomes:?}");
    assert_eq!((appended(&outcomes[1][0]).first_offset, all(&reader, 0)), (1, vec!["small".into()]));
}

#[test]
fn append_to_an_unknown_shard_is_answered_and_the_others_are_written() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    let outcomes = log.append(&[vec![run(9, &["lost"]), run(0, &["kept"])]]).unwrap();
    assert_eq!(outcomes[0][0], RunOutcome::NotHere);
    assert_eq!((appended(&outcomes[0][1]).first_offset, all(&reader, 0)), (1, vec!["kept".into()]));
}

#[test]
fn last_batch_is_confirmed_once() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    assert!(!log.unconfirmed());
    put(&mut log, 0, &["a"]);
    assert!(log.unconfirmed());
    log.confirm().unwrap();
    log.confirm().unwrap();
    assert_eq!(reader.status().counts.confirmations, 1);
}

#[test]
fn copy_of_another_incarnation_is_refused() {
    let bench = Bench::new();
    let environment = Environment {
        disk: Arc::clone(&bench.disk),
        clock: Arc::clone(&bench.clock) as Arc<dyn Clock>,
        random: Arc::new(|| 1),
        tail: TailBudget::new(0),
        sizes: bench.sizes,
        trusts_own_clock: false,
    };
    assert!(matches!(open(environment, Uuid::from_u128(9)), Err(Error::Foreign { .. })));
}
