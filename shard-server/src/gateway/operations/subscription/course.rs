//! The course of a subscription: where it is in its shard, and what comes next. Pure: events and times go in, and what is
//! to be done comes out.

use std::time::Duration;

use catalog::member::OpenShard;
use catalog::{SequenceNumber, Shard};
use kinesis_wire::Error;
use tokio::time::Instant;

use super::pace::Pace;
use crate::gateway::operations::frame_records::number_of;
use crate::gateway::subscriptions::Stop;
use crate::protocol::{Position, ReadOutcome};

/// How long a subscription lasts (AWS API reference, SubscribeToShard).
const LIFETIME: Duration = Duration::from_secs(300);

/// Where a subscription is.
#[derive(Debug)]
pub struct Course {
    shard: Shard,
    position: Position,
    /// The record before the position, where its number is known.
    last: Option<SequenceNumber>,
    pace: Pace,
    ends: Instant,
    /// Whether the next frame is the first of a follower that goes on where another one was.
    is_resuming: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Running,
    /// The end of a sealed shard: these took over.
    AtEnd(Vec<OpenShard>),
    /// The group does not serve the shard any more; maybe the stream was deleted.
    Lost,
    Failed(Error),
    Over,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Wait for a frame.
    Wait {
        /// Not before this time: records were sent too fast.
        from: Instant,
        /// And not longer.
        until: Instant,
    },
    /// Send the last event, which names those that took over.
    SendChildren(Vec<OpenShard>),
    /// Find out whether the stream still exists.
    AskForStream,
    /// Send an exception, then end.
    Fail(Error),
    /// End.
    End,
}

/// What ends an event with records, or without any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventEnd {
    /// A reader that begins after this number misses nothing.
    pub continuation: SequenceNumber,
    /// How far the last record is behind the newest.
    pub millis_behind_latest: u64,
}

/// Why no more frames come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Who serves the shard has ended, or cannot be reached.
    Lost,
    /// It cannot be read.
    Failed(Error),
}

impl Course {
    /// Begins at a position, behind the record with this number where that is known.
    pub fn new(shard: Shard, position: Position, last: Option<SequenceNumber>, now: Instant) -> Self {
        let (pace, ends, state) = (Pace::new(now), now + LIFETIME, State::Running);
        Self { shard, position, last, pace, ends, is_resuming: false, state }
    }

    /// The shard.
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Where to follow the shard from.
    pub fn position(&self) -> Position {
        self.position
    }

    /// When it is over.
    pub fn ends(&self) -> Instant {
        self.ends
    }

    /// What is to be done now.
    pub fn next(&mut self, now: Instant) -> Step {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Running if now < self.ends => {
                self.state = State::Running;
                Step::Wait { from: self.pace.ready_at(), until: self.ends }
            }
            State::AtEnd(successors) => Step::SendChildren(successors),
            State::Lost => Step::AskForStream,
            State::Failed(error) => Step::Fail(error),
            State::Running | State::Over => Step::End,
        }
    }

    /// A frame has come. Returns the end of its event; none where there is nothing to send.
    pub fn frame(&mut self, outcome: &ReadOutcome) -> Option<EventEnd> {
        self.position = Position::Offset(outcome.next_offset);
        let last = outcome.runs.iter().rfind(|run| run.block.count() > 0);
        if let Some(run) = last {
            let counter = run.first_offset + u64::from(run.block.count()) - 1;
            self.last = Some(number_of(&self.shard, counter, run.arrival_ms));
        }
        let successors = outcome.successors.as_ref().filter(|successors| !successors.is_empty());
        let says_nothing = match successors {
            Some(successors) => {
                self.state = State::AtEnd(successors.clone());
                last.is_none()
            }
            None => last.is_none() && self.is_resuming,
        };
        self.is_resuming = false;
        let millis_behind_latest = outcome.millis_behind_latest;
        (!says_nothing)
            .then(|| EventEnd { continuation: self.continuation(outcome.next_offset), millis_behind_latest })
    }

    /// Records with so many bytes of data and keys are sent.
    pub fn sent(&mut self, bytes: u64, now: Instant) {
        self.pace.sent(bytes, now);
    }

    /// The follower was dropped, and another one goes on at the position.
    pub fn resume(&mut self) {
        self.is_resuming = true;
    }

    /// No more frames come.
    pub fn broken(&mut self, broken: Broken) {
        self.state = match broken {
            Broken::Lost => State::Lost,
            Broken::Failed(error) => State::Failed(error),
        };
    }

    /// The catalog service has said that the stream is gone, with this error.
    pub fn stream_gone(&mut self, error: Error) {
        self.state = State::Failed(error);
    }

    /// It is stopped, by this gateway.
    pub fn stopped(&mut self, stop: Stop, stream: &str, account_id: &str, consumer: &str) {
        self.state = match stop {
            Stop::TakenOver => {
                State::Failed(Error::subscription_exists(self.shard.id, stream, account_id, consumer))
            }
            Stop::ConsumerGone => State::Failed(Error::consumer_not_found(consumer, account_id)),
            Stop::Draining => State::Over,
        };
    }

    /// The number before an offset. Who begins after it needs its counter alone: where the record's arrival is not known,
    /// the shard's creation stands for it.
    fn continuation(&self, next_offset: u64) -> SequenceNumber {
        let counter = next_offset.saturating_sub(1);
        let known = self.last.filter(|last| last.counter == counter);
        known.unwrap_or(SequenceNumber { counter, ..self.shard.starting_sequence_number() })
    }
}

#[cfg(test)]
mod tests {
    use kinesis_wire::ErrorCode;
    use record_log::record::{Record, RecordBlockBuilder};
    use record_log::value::ReadRun;

    use super::*;
    use crate::gateway::testing::stream;

    const ARRIVAL_MS: u64 = 1_700_000_100_500;

    fn shard() -> Shard {
        stream("orders").shards[1].clone()
    }

    fn course(position: Position, last: Option<SequenceNumber>) -> (Course, Instant) {
        let now = Instant::now();
        (Course::new(shard(), position, last, now), now)
    }

    /// A frame of so many records from an offset on.
    fn frame(first_offset: u64, records: u32) -> ReadOutcome {
        let mut block = RecordBlockBuilder::default();
        (0..records).for_each(|_| block.push(Record { partition_key: "key", data: b"data" }));
        let run = ReadRun { first_offset, arrival_ms: ARRIVAL_MS, block: block.build() };
        let runs = if records == 0 { Vec::new() } else { vec![run] };
        let next_offset = first_offset + u64::from(records);
        ReadOutcome { runs, next_offset, millis_behind_latest: 7, successors: None }
    }

    fn children() -> Vec<OpenShard> {
        let Shard { id, range, create_seconds, .. } = shard();
        vec![OpenShard { id, range, parents: vec![id], create_seconds }]
    }

    fn number(counter: u64, arrival_seconds: u64) -> SequenceNumber {
        SequenceNumber { counter, arrival_seconds, ..shard().starting_sequence_number() }
    }

    #[test]
    fn event_ends_with_the_number_of_its_last_record_and_an_empty_one_repeats_it() {
        let (mut course, _) = course(Position::TrimHorizon, None);
        let end = course.frame(&frame(4, 3)).unwrap();
        assert_eq!(end, EventEnd { continuation: number(6, ARRIVAL_MS / 1_000), millis_behind_latest: 7 });
        assert_eq!(course.position(), Position::Offset(7));
        assert_eq!(course.frame(&frame(7, 0)).unwrap().continuation, end.continuation);
    }

    #[test]
    fn empty_event_has_a_number_before_any_record_was_sent() {
        let (mut at_start, _) = course(Position::TrimHorizon, None);
        let continuation = at_start.frame(&frame(1, 0)).unwrap().continuation;
        assert_eq!(continuation, shard().starting_sequence_number());
        // One behind records of which only the count is known, and one behind a record that the client knows.
        let (mut latest, _) = course(Position::Offset(9), None);
        assert_eq!(latest.frame(&frame(9, 0)).unwrap().continuation.counter, 8);
        let known = number(8, 1_700_000_050);
        let (mut after, _) = course(Position::Offset(9), Some(known));
        assert_eq!(after.frame(&frame(9, 0)).unwrap().continuation, known);
        // What lies between has expired.
        assert_eq!(after.frame(&frame(20, 0)).unwrap().continuation.counter, 19);
    }

    #[test]
    fn it_waits_for_five_minutes_and_ends() {
        let (mut course, start) = course(Position::Latest, None);
        let ends = start + LIFETIME;
        for now in [start, ends - Duration::from_millis(1)] {
            assert!(matches!(course.next(now), Step::Wait { from, until } if from <= start && until == ends));
        }
        assert_eq!(course.next(ends), Step::End);
        assert_eq!(course.next(start), Step::End, "for good");
    }

    #[test]
    fn nothing_is_read_while_more_was_sent_than_two_megabytes_a_second() {
        let (mut course, start) = course(Position::TrimHorizon, None);
        course.sent(5 << 20, start);
        let from = start + Duration::from_millis(1_500);
        assert_eq!(course.next(start), Step::Wait { from, until: start + LIFETIME });
    }

    #[test]
    fn end_of_a_shard_is_an_event_of_its_own_behind_the_last_records() {
        for records in [0, 2] {
            let (mut course, start) = course(Position::TrimHorizon, None);
            let last = ReadOutcome { successors: Some(children()), ..frame(1, records) };
            assert_eq!(course.frame(&last).is_some(), records > 0);
            assert_eq!(course.next(start), Step::SendChildren(children()));
            assert_eq!(course.next(start), Step::End);
        }
    }

    #[test]
    fn follower_that_resumes_says_nothing_before_there_is_something() {
        let (mut course, _) = course(Position::TrimHorizon, None);
        course.resume();
        assert_eq!(course.frame(&frame(1, 0)), None);
        assert!(course.frame(&frame(1, 0)).is_some(), "a sign of life");
        course.resume();
        assert!(course.frame(&frame(1, 1)).is_some());
    }

    #[test]
    fn lost_group_ends_it_well_unless_the_stream_is_gone() {
        let (mut course, start) = course(Position::TrimHorizon, None);
        course.broken(Broken::Lost);
        assert_eq!(course.next(start), Step::AskForStream);
        assert_eq!(course.next(start), Step::End);
        course.broken(Broken::Lost);
        assert_eq!(course.next(start), Step::AskForStream);
        let gone = Error::stream_not_found("orders", "000000000000");
        course.stream_gone(gone.clone());
        assert_eq!(course.next(start), Step::Fail(gone));
        assert_eq!(course.next(start), Step::End);
    }

    #[test]
    fn records_that_cannot_be_read_fail_it() {
        let (mut course, start) = course(Position::TrimHorizon, None);
        let error = Error::bare(ErrorCode::InternalFailure);
        course.broken(Broken::Failed(error.clone()));
        assert_eq!(course.next(start), Step::Fail(error));
        assert_eq!(course.next(start), Step::End);
    }

    #[test]
    fn stopped_subscription_says_why_but_not_when_the_process_ends() {
        let step = |stop| {
            let (mut course, start) = course(Position::TrimHorizon, None);
            course.stopped(stop, "orders", "000000000000", "fan");
            course.next(start)
        };
        let taken_over = Error::subscription_exists("shardId-000000000001", "orders", "000000000000", "fan");
        assert_eq!(step(Stop::TakenOver), Step::Fail(taken_over));
        assert_eq!(step(Stop::ConsumerGone), Step::Fail(Error::consumer_not_found("fan", "000000000000")));
        assert_eq!(step(Stop::Draining), Step::End);
    }
}
