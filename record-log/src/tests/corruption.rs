//! Corruption: named, never served, and the rest is.

use super::faulty_disk::Faults;
use super::*;
use crate::AcceptLossError;

const SECOND: &str = "segment-000000000002";

/// A log with one batch each of "first", "second" and "third" for shard 0, all confirmed, and one for shard 1 between.
fn three() -> Bench {
    let bench = Bench::new();
    let (mut log, _reader) = bench.open();
    put(&mut log, 0, &["first"]);
    log.append(&[vec![run(0, &["second"]), run(1, &["other"])]]).unwrap();
    put(&mut log, 0, &["third"]);
    log.confirm().unwrap();
    bench
}

#[test]
fn flipped_bit_is_named_and_costs_only_its_run() {
    let bench = three();
    let position = bench.find(SECOND, "second");
    bench.flip(SECOND, position);
    let (mut log, reader) = bench.open();
    let corruption = reader.status().corruption;
    assert_eq!((corruption.len(), corruption[0].file.as_str()), (1, SECOND));
    assert_eq!(data(&read(&reader, 0, Position::TrimHorizon).unwrap()), ["first"]);
    assert!(matches!(read(&reader, 0, Position::Offset(2)), Err(ReadError::Corrupt(_))));
    assert_eq!(data(&read(&reader, 0, Position::Offset(3)).unwrap()), ["third"]);
    assert_eq!(all(&reader, 1), ["other"]);
    assert_eq!(put(&mut log, 0, &["fourth"]).first_offset, 4);
}

#[test]
fn corrupt_header_of_a_batch_costs_only_that_batch() {
    let bench = three();
    let position = bench.find(SECOND, "second");
    // Before the block lie two entry headers and the header.
    bench.flip(SECOND, position - 100);
    let (mut log, reader) = bench.open();
    assert_eq!(reader.status().counts.corrupt_headers, 1);
    // What cannot be read may have changed the retention: nothing expires until it is set again.
    assert_eq!(reader.status().retention_hours, None);
    assert!(matches!(read(&reader, 0, Position::Offset(2)), Err(ReadError::Corrupt(_))));
    assert!(matches!(read(&reader, 1, Position::TrimHorizon), Err(ReadError::Corrupt(_))));
    assert_eq!(data(&read(&reader, 0, Position::Offset(3)).unwrap()), ["third"]);
    log.set_retention(24).unwrap();
    assert_eq!(reader.status().retention_hours, Some(24));
}

/// Accepts the loss of the corruption that is reported first.
fn accept(log: &mut Log, reader: &Reader) {
    let corruption = reader.status().corruption.remove(0);
    log.accept_loss(&corruption.file, corruption.position).unwrap();
}

#[test]
fn loss_that_is_accepted_is_passed_over_also_after_opening() {
    let bench = three();
    bench.flip(SECOND, bench.find(SECOND, "second"));
    let (mut log, reader) = bench.open();
    assert!(matches!(read(&reader, 0, Position::Offset(2)), Err(ReadError::Corrupt(_))));
    // Opening and reading name the same place.
    assert_eq!(reader.status().corruption.len(), 1);
    accept(&mut log, &reader);
    assert_eq!(all(&reader, 0), ["first", "third"]);
    assert_eq!(reader.status().corruption, []);
    drop((log, reader));
    let (_log, reader) = bench.open();
    assert_eq!(reader.status().corruption, []);
    assert_eq!(data(&read(&reader, 0, Position::Offset(2)).unwrap()), ["third"]);
}

#[test]
fn all_that_is_good_behind_an_accepted_loss_is_read() {
    let bench = three();
    bench.flip(SECOND, bench.find(SECOND, "second") - 100);
    let (mut log, reader) = bench.open();
    accept(&mut log, &reader);
    assert_eq!(all(&reader, 0), ["first", "third"]);
    assert_eq!(all(&reader, 1), Vec::<String>::new());
    assert_eq!(
        read(&reader, 1, Position::TrimHorizon).unwrap().next_offset,
        reader.status().next_offsets[&shard(1)]
    );
    put(&mut log, 1, &["later"]);
    assert_eq!(all(&reader, 1), ["later"]);
}

#[test]
fn accepting_a_loss_gives_up_nothing_that_goes_bad_later() {
    let bench = three();
    bench.flip(SECOND, bench.find(SECOND, "first"));
    let (mut log, reader) = bench.open();
    accept(&mut log, &reader);
    assert_eq!(all(&reader, 0), ["second", "third"]);
    // Before the accepted loss was written down, in the same batch as a run that is good, and behind a range that is
    // accepted.
    bench.flip(SECOND, bench.find(SECOND, "second"));
    assert_eq!(reader.status().corruption, []);
    assert!(matches!(read(&reader, 0, Position::TrimHorizon), Err(ReadError::Corrupt(_))));
    assert_eq!(all(&reader, 1), ["other"]);
    assert_eq!(reader.status().corruption.len(), 1);
    accept(&mut log, &reader);
    assert_eq!(all(&reader, 0), ["third"]);
    bench.flip(SECOND, bench.find(SECOND, "third") - 60);
    assert!(matches!(read(&reader, 0, Position::Offset(3)), Err(ReadError::Corrupt(_))));
    drop((log, reader));
    let (_log, reader) = bench.open();
    assert!(matches!(read(&reader, 0, Position::Offset(3)), Err(ReadError::Corrupt(_))));
}

#[test]
fn offsets_left_out_for_what_is_good_again_are_told_of_and_can_be_given_up() {
    let bench = three();
    let second = bench.find(SECOND, "second") - 100;
    bench.flip(SECOND, second);
    let (mut log, _) = bench.open();
    // What cannot be read may have had records of shard 1: this one's number is beyond all of them.
    let later = put(&mut log, 1, &["later"]).first_offset;
    assert!(later > 2);
    bench.flip(SECOND, second);
    drop(log);
    let (mut log, reader) = bench.open();
    assert_eq!(reader.status().corruption, []);
    assert_eq!(all(&reader, 1), ["other"]);
    assert!(matches!(read(&reader, 1, Position::Offset(2)), Err(ReadError::Corrupt(_))));
    accept(&mut log, &reader);
    assert_eq!(
        (all(&reader, 1), reader.status().corruption),
        (vec!["other".into(), "later".into()], Vec::new())
    );
    drop((log, reader));
    let (_log, reader) = bench.open();
    assert_eq!(all(&reader, 1), ["other", "later"]);
    // What is corrupt there from then on is another loss.
    bench.flip("segment-000000000003", bench.find("segment-000000000003", "later"));
    assert!(matches!(read(&reader, 1, Position::Offset(later)), Err(ReadError::Corrupt(_))));
}

#[test]
fn only_a_loss_that_is_known_can_be_accepted() {
    let bench = three();
    bench.flip(SECOND, bench.find(SECOND, "second"));
    let (mut log, reader) = bench.open();
    let corruption = reader.status().corruption.remove(0);
    for (file, position) in [(SECOND, corruption.position + 1), ("segment-000000000001", corruption.position)]
    {
        let refused = log.accept_loss(file, position).unwrap_err();
        assert_eq!(refused, AcceptLossError::Unknown { file: file.into(), position });
    }
    assert_eq!(reader.status().corruption, [corruption]);
    assert!(matches!(read(&reader, 0, Position::Offset(2)), Err(ReadError::Corrupt(_))));
}

#[test]
fn loss_in_the_segment_that_is_written_can_be_accepted() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    // So many that what is flipped is in no block that is written again.
    let mut texts = kilobytes(0, 20);
    fill(&mut log, 0, &texts);
    let header_of = |text: &str| bench.find(SECOND, text) - 60;
    bench.flip(SECOND, header_of(&texts[3]));
    // The read gives what it found before, and counts that it was cut.
    assert_eq!(all(&reader, 0), texts[..3]);
    assert_eq!(reader.status().counts.corrupt_reads_cut, 1);
    assert!(matches!(read(&reader, 0, Position::Offset(4)), Err(ReadError::Corrupt(_))));
    accept(&mut log, &reader);
    bench.flip(SECOND, header_of(&texts[10]));
    texts.remove(3);
    assert_eq!(all(&reader, 0), texts[..9]);
    assert!(matches!(read(&reader, 0, Position::Offset(11)), Err(ReadError::Corrupt(_))));
    accept(&mut log, &reader);
    texts.remove(9);
    put(&mut log, 0, &["last"]);
    texts.push("last".into());
    assert_eq!(all(&reader, 0), texts);
    drop((log, reader));
    let (_log, reader) = bench.open();
    assert_eq!((all(&reader, 0), reader.status().corruption), (texts, Vec::new()));
}

#[test]
fn loss_before_a_torn_tail_can_be_accepted() {
    let bench = three();
    let (second, third) = (bench.find(SECOND, "second"), bench.find(SECOND, "third"));
    bench.flip(SECOND, second - 100);
    // Without its confirmation the last batch is cut off.
    let mut bytes = std::fs::read(bench.path(SECOND)).unwrap();
    bytes[third..].fill(0);
    std::fs::write(bench.path(SECOND), bytes).unwrap();
    let (mut log, reader) = bench.open();
    assert_eq!((reader.status().counts.corrupt_headers, reader.status().counts.torn_tails), (1, 1));
    put(&mut log, 0, &["fourth"]);
    assert_eq!(all(&reader, 0), ["first"]);
    accept(&mut log, &reader);
    assert_eq!(all(&reader, 0), ["first", "fourth"]);
}

#[test]
fn lost_segments_can_be_given_up_at_once() {
    let bench = Bench::new();
    let (mut log, _) = bench.open();
    let texts = kilobytes(0, 1_200);
    fill(&mut log, 0, &texts);
    std::fs::remove_file(bench.path("segment-000000000004")).unwrap();
    bench.flip("segment-000000000005", 20);
    let (mut log, reader) = bench.open();
    assert_eq!(reader.status().corruption.len(), 1);
    let before = all(&reader, 0);
    assert!(matches!(
        read(&reader, 0, Position::Offset(before.len() as u64 + 1)),
        Err(ReadError::Corrupt(_))
    ));
    accept(&mut log, &reader);
    let after = all(&reader, 0);
    assert_eq!(after[..before.len()], before);
    assert!(after.len() < texts.len() && texts.ends_with(&after[before.len()..]));
    // A segment that is accepted whole is one whose header is corrupt: if that is good again, what is corrupt in it is
    // corruption.
    bench.flip("segment-000000000005", 20);
    let more = all(&reader, 0);
    assert!(more.len() > after.len());
    let inside = bench.find("segment-000000000005", &more[before.len()]);
    bench.flip("segment-000000000005", inside);
    assert!(matches!(
        read(&reader, 0, Position::Offset(before.len() as u64 + 1)),
        Err(ReadError::Corrupt(_))
    ));
}

/// Flips a bit in every second one of some texts, beginning with the first that is in a file.
fn flip_every_second(bench: &Bench, file: &str, texts: &[String], count: usize) {
    let inside = texts.iter().filter(|text| bench.look_for(file, text).is_some());
    for text in inside.step_by(2).take(count).collect::<Vec<_>>() {
        bench.flip(file, bench.find(file, text));
    }
}

#[test]
fn too_many_losses_are_refused_and_expired_ones_do_not_count() {
    let bench = Bench::new();
    let (mut log, reader) = bench.open();
    let texts = kilobytes(0, 500);
    fill(&mut log, 0, &texts);
    flip_every_second(&bench, "segment-000000000004", &texts, 30);
    let good = all(&reader, 0);
    assert!(matches!(read(&reader, 0, Position::Offset(good.len() as u64 + 1)), Err(ReadError::Corrupt(_))));
    accept(&mut log, &reader);
    let good = all(&reader, 0);
    assert_eq!(good.len(), 500 - 30);
    let lost = texts.iter().rposition(|text| !good.contains(text)).unwrap();
    flip_every_second(&bench, "segment-000000000004", &texts[lost + 3..], 35);
    assert!(matches!(read(&reader, 0, Position::Offset(lost as u64 + 4)), Err(ReadError::Corrupt(_))));
    let corruption = reader.status().corruption.remove(0);
    let refused = log.accept_loss(&corruption.file, corruption.position).unwrap_err();
    assert_eq!(refused, AcceptLossError::TooMuch { ranges: 65, allowed: 64 });
    bench.clock.go(25 * HOUR_MS);
    log.maintain().unwrap();
    assert_eq!(reader.status().corruption, []);
    let texts = kilobytes(500, 540);
    fill(&mut log, 0, &texts);
    let newest = bench.names().into_iter().rfind(|name| name.starts_with("segment-")).unwrap();
    flip_every_second(&bench, &newest, &texts, 64);
    let good = all(&reader, 0).len() as u64;
    assert!(matches!(read(&reader, 0, Position::Offset(501 + good)), Err(ReadError::Corrupt(_))));
    accept(&mut log, &reader);
    assert_eq!(all(&reader, 0).len(), 540 - 64);
}

#[test]
fn torn_end_is_cut_and_the_next_batch_opens_a_new_segment() {
    let bench = Bench::new();
    let (mut log, _) = bench.open();
    put(&mut log, 0, &["kept"]);
    put(&mut log, 0, &["torn"]);
    bench.flip(SECOND, bench.find(SECOND, "torn"));
    let (mut log, reader) = bench.open();
    assert_eq!((reader.status().counts.torn_tails, reader.status().corruption), (1, Vec::new()));
    assert_eq!(all(&reader, 0), ["kept"]);
    assert_eq!(put(&mut log, 0, &["next"]).first_offset, 2);
    drop((log, reader));
    let (_log, reader) = bench.open();
    assert_eq!(all(&reader, 0), ["kept", "next"]);
    assert_eq!(reader.status().segments, 3);
}

#[test]
fn missing_segment_is_corruption_and_those_around_it_are_served() {
    let bench = Bench::new();
    let (mut log, _) = bench.open();
    let texts = kilobytes(0, 300);
    fill(&mut log, 0, &texts);
    std::fs::remove_file(bench.path("segment-000000000003")).unwrap();
    let (_log, reader) = bench.open();
    assert_eq!(reader.status().counts.missing_segments, 1);
    let before = data(&read(&reader, 0, Position::TrimHorizon).unwrap());
    assert_eq!(before, texts[..before.len()]);
    assert!(matches!(
        read(&reader, 0, Position::Offset(before.len() as u64 + 1)),
        Err(ReadError::Corrupt(_))
    ));
    assert_eq!(data(&read(&reader, 0, Position::Offset(300)).unwrap()), texts[299..]);
}

#[test]
fn corrupt_header_of_the_newest_segment_stops_appends_and_nothing_else() {
    let bench = Bench::new();
    let (mut log, _) = bench.open();
    fill(&mut log, 0, &kilobytes(0, 100));
    bench.flip("segment-000000000003", 20);
    let (mut log, reader) = bench.open();
    let status = reader.status();
    assert!(status.stopped.unwrap().contains("segment-000000000003"));
    assert_eq!(status.corruption.len(), 1);
    assert!(matches!(log.append(&[vec![run(0, &["x"])]]), Err(crate::WriteError::Stopped(_))));
    assert!(!all(&reader, 0).is_empty());
    assert_goes_on_when_the_loss_is_accepted(&bench, log, &reader, 100);
}

#[test]
fn newest_segment_that_is_lost_is_missed_and_its_offsets_are_not_used_again() {
    let bench = Bench::new();
    let (mut log, _) = bench.open();
    fill(&mut log, 0, &kilobytes(0, 100));
    std::fs::remove_file(bench.path("segment-000000000003")).unwrap();
    let (mut log, reader) = bench.open();
    let status = reader.status();
    assert_eq!((status.counts.missing_newest, status.corruption.len()), (1, 1));
    assert_eq!(status.corruption[0].file, "segment-000000000003");
    assert!(status.stopped.unwrap().contains("segment-000000000003"));
    assert!(matches!(log.append(&[vec![run(0, &["x"])]]), Err(crate::WriteError::Stopped(_))));
    assert_goes_on_when_the_loss_is_accepted(&bench, log, &reader, 100);
}

#[test]
fn end_that_the_disk_does_not_give_is_not_cut_off_and_can_be_given_up() {
    let mut bench = Bench::new();
    let (mut log, _) = bench.open();
    fill(&mut log, 0, &kilobytes(0, 10));
    bench.disk = Faults::without_block(SECOND, 3).on(&bench.disk);
    let (log, reader) = bench.open();
    assert_eq!((reader.status().counts.unreadable_tail, reader.status().corruption.len()), (1, 1));
    assert_goes_on_when_the_loss_is_accepted(&bench, log, &reader, 10);
}

#[test]
fn what_lies_before_an_end_that_was_given_up_stays_when_the_segment_behind_is_lost_too() {
    let mut bench = Bench::new();
    let (mut log, _) = bench.open();
    put(&mut log, 0, &["first"]);
    let known = ["first".into(), "x".repeat(3_745)];
    put(&mut log, 0, &[&known[1]]);
    put(&mut log, 0, &["lost"]);
    // The last batch begins before the block that cannot be read, and its header goes on there.
    let lost = bench.find(SECOND, "lost");
    assert!((8_192..8_192 + 90).contains(&lost), "{lost}");
    bench.disk = Faults::without_block(SECOND, 2).on(&bench.disk);
    let (mut log, reader) = bench.open();
    assert_eq!(all(&reader, 0), known);
    accept(&mut log, &reader);
    drop(log);
    bench.flip("segment-000000000003", 20);
    let (mut log, reader) = bench.open();
    assert!(reader.status().stopped.unwrap().contains("segment-000000000003"));
    assert_eq!(all(&reader, 0), known);
    accept(&mut log, &reader);
    assert_eq!(all(&reader, 0), known);
}

/// What is known of shard 0 is read, its end is refused, and an acceptance goes on with offsets that nobody has.
fn assert_goes_on_when_the_loss_is_accepted(bench: &Bench, mut log: Log, reader: &Reader, appended: u64) {
    let known = all(reader, 0);
    assert!(!known.is_empty() && (known.len() as u64) < appended);
    for end in [Position::Offset(known.len() as u64 + 1), Position::Offset(appended), Position::Latest] {
        assert!(matches!(read(reader, 0, end), Err(ReadError::Corrupt(_))), "{end:?}");
    }
    // Shard 1 has no records that are known of.
    assert!(matches!(read(reader, 1, Position::TrimHorizon), Err(ReadError::Corrupt(_))));
    accept(&mut log, reader);
    assert_eq!((reader.status().stopped, reader.status().corruption), (None, Vec::new()));
    let next = put(&mut log, 0, &["next"]).first_offset;
    assert!(next > appended, "{next}");
    assert_eq!(reader.status().retention_hours, None);
    let expected = [known, vec!["next".into()]].concat();
    // A read ends before what is accepted, or passes over it.
    let all_of = |reader: &Reader| {
        let (mut texts, mut offset) = (Vec::new(), 1);
        while offset <= next {
            let outcome = read(reader, 0, Position::Offset(offset)).unwrap();
            texts.extend(data(&outcome));
            offset = outcome.next_offset;
        }
        texts
    };
    assert_eq!(all_of(reader), expected);
    drop(log);
    let (mut log, reader) = bench.open();
    assert_eq!((reader.status().stopped, reader.status().corruption), (None, Vec::new()));
    assert_eq!(all_of(&reader), expected);
    assert_eq!(put(&mut log, 0, &["last"]).first_offset, next + 1);
}

#[test]
fn file_with_a_segments_name_far_from_the_others_is_named_and_stops_nothing() {
    let bench = three();
    std::fs::write(bench.path("segment-999999999999"), "not mine").unwrap();
    let (mut log, reader) = bench.open();
    assert_eq!(reader.status().corruption[0].file, "segment-999999999999");
    assert_eq!((reader.status().corruption.len(), reader.status().stopped), (1, None));
    assert_eq!(put(&mut log, 0, &["fourth"]).first_offset, 4);
    assert_eq!(all(&reader, 0), ["first", "second", "third", "fourth"]);
}

#[test]
fn many_missing_segments_are_one_corruption() {
    let bench = Bench::new();
    let (mut log, _) = bench.open();
    fill(&mut log, 0, &kilobytes(0, 1_200));
    for sequence in 3..7 {
        std::fs::remove_file(bench.path(&crate::format::segment_name(sequence))).unwrap();
    }
    let (_log, reader) = bench.open();
    let status = reader.status();
    assert_eq!((status.counts.missing_segments, status.corruption.len()), (4, 1));
    assert!(
        status.corruption[0].to_string().contains("nor the 3 that follow it"),
        "{}",
        status.corruption[0]
    );
}

#[test]
fn slot_that_cannot_be_read_costs_nothing_beside_a_good_one() {
    for block in [0, 1] {
        let mut bench = three();
        bench.disk = Faults::without_block("slots", block).on(&bench.disk);
        let (_log, reader) = bench.open();
        assert_eq!((reader.status().counts.corrupt_slots, reader.status().corruption), (1, Vec::new()));
        bench.flip("slots", (1 - block as usize) * 4096 + 30);
        assert!(bench.try_open().is_err());
    }
}

#[test]
fn corrupt_footer_costs_time_and_no_record() {
    let bench = Bench::new();
    let (mut log, _) = bench.open();
    let texts = kilobytes(0, 200);
    fill(&mut log, 0, &texts);
    let bytes = std::fs::metadata(bench.path(SECOND)).unwrap().len() as usize;
    bench.flip(SECOND, bytes - 30);
    let (_log, reader) = bench.open();
    assert_eq!(all(&reader, 0), texts);
    assert_eq!(reader.status().counts.footers_rebuilt, 1);
}

#[test]
fn log_without_its_slots_or_segments_is_no_empty_log() {
    let bench = three();
    std::fs::remove_file(bench.path("slots")).unwrap();
    assert!(matches!(bench.try_open(), Err(Error::Corrupt(_))));
    let bench = Bench::new();
    std::fs::remove_file(bench.path("segment-000000000001")).unwrap();
    assert!(matches!(bench.try_open(), Err(Error::Corrupt(_))));
}

#[test]
fn loss_is_looked_for_beside_the_writer_and_accepted_only_while_it_is_known() {
    let bench = three();
    bench.flip(SECOND, bench.find(SECOND, "second"));
    let (log, reader) = bench.open();
    drop((log, reader));
    let environment = bench.environment();
    let (mut writer, reader) = crate::open_writer(environment, COPY).unwrap();
    let corruption = reader.status().corruption.remove(0);
    let (file, position) = (corruption.file.clone(), corruption.position);
    let looked = reader.clone();
    let found = std::thread::spawn(move || looked.find_loss(&file, position).unwrap()).join().unwrap();
    // Corruption that appears after the search is not accepted with it.
    bench.flip(SECOND, bench.find(SECOND, "first"));
    writer.accept_loss(&found).unwrap();
    assert_eq!(reader.status().corruption, []);
    assert_eq!(data(&read(&reader, 0, Position::Offset(2)).unwrap()), ["third"]);
    assert!(matches!(read(&reader, 0, Position::TrimHorizon), Err(ReadError::Corrupt(_))));
    let unknown = writer.accept_loss(&found).unwrap_err();
    assert!(matches!(unknown, AcceptLossError::Unknown { .. }), "{unknown}");
}
