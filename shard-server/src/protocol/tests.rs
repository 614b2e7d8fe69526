//! Messages read back, and programs of different versions understand each other.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use catalog::member::OpenShard;
use catalog::{HashKey, HashKeyRange, ShardId};
use futures::stream::{self, StreamExt as _};
use http_body_util::{Full, StreamBody};
use proptest::prelude::*;
use record_log::record::{Record, RecordBlock, RecordBlockBuilder};
use record_log::{Resharded, SealedShard};

use super::frame::{Broken, Frames, Message};
use super::*;
use crate::budget::{ByteBudget, Counts};

fn shard() -> impl Strategy<Value = ShardId> {
    (0u32..=i32::MAX as u32).prop_map(|index| ShardId::new(index).unwrap())
}

fn block() -> impl Strategy<Value = RecordBlock> {
    let records = proptest::collection::vec((".{1,9}", proptest::collection::vec(any::<u8>(), 0..30)), 0..6);
    records.prop_map(|records| {
        let mut builder = RecordBlockBuilder::default();
        for (key, data) in &records {
            builder.push(Record { partition_key: key, data });
        }
        builder.build()
    })
}

fn position() -> impl Strategy<Value = Position> {
    prop_oneof![
        Just(Position::TrimHorizon),
        Just(Position::Latest),
        any::<u64>().prop_map(Position::AtTimestamp),
        any::<u64>().prop_map(Position::Offset),
    ]
}

fn refusal() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        ".*".prop_map(Refusal::UnknownShard),
        ".*".prop_map(Refusal::NotReady),
        Just(Refusal::QueueFull),
        Just(Refusal::StorageFull),
        ".*".prop_map(Refusal::LogStopped),
        ".*".prop_map(Refusal::Corrupt),
        ".*".prop_map(Refusal::OutcomeUnknown),
        ".*".prop_map(Refusal::Invalid),
        ".*".prop_map(Refusal::Unsupported),
        open_shards().prop_map(Refusal::Sealed),
    ]
}

fn open_shards() -> impl Strategy<Value = Vec<OpenShard>> {
    let parents = proptest::collection::vec(shard(), 0..3);
    let open = (shard(), any::<[u128; 2]>(), parents, any::<u64>()).prop_map(
        |(id, [start, end], parents, create_seconds)| OpenShard {
            id,
            range: HashKeyRange { start: HashKey(start), end: HashKey(end) },
            parents,
            create_seconds,
        },
    );
    proptest::collection::vec(open, 0..4)
}

fn outcome() -> impl Strategy<Value = RunOutcome> {
    prop_oneof![
        (any::<u64>(), any::<u64>())
            .prop_map(|(first_offset, arrival_ms)| Ok(Appended { first_offset, arrival_ms })),
        refusal().prop_map(Err),
    ]
}

/// Runs what waits for nothing but timers that never fire.
fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn bytes(message: Message) -> Bytes {
    assert_eq!(message.bytes(), message.pieces.concat().len());
    message.pieces.concat().into()
}

fn request<C: Call>(call: &C) -> Bytes {
    bytes(call.encode())
}

fn decode<C: Call>(body: Bytes) -> Result<Result<C, Refusal>, Broken> {
    run(async { C::decode(&mut Frames::new(Full::new(body))).await })
}

fn answer<C: Call>(answer: Result<C::Answer, Refusal>) -> Bytes {
    match C::encode_answer(answer) {
        Encoded::Whole(message) => bytes(message),
        Encoded::Stream(_) | Encoded::Endless(_) => panic!("a stream is read frame by frame"),
    }
}

fn receive<C: Call>(body: Bytes) -> Result<Result<C::Answer, Refusal>, Broken> {
    run(C::receive(Frames::new(Full::new(body))))
}

/// The frames of a stream of records, and the refusal that ended it.
fn receive_records(body: Bytes) -> Result<(Vec<ReadOutcome>, Option<Refusal>), Broken> {
    let budget = ByteBudget::new(1 << 20, Counts::unseen());
    run(async {
        let mut records = match Read::receive(Frames::new(Full::new(body))).await? {
            Ok(records) => records,
            Err(refusal) => return Ok((Vec::new(), Some(refusal))),
        };
        let mut outcomes = Vec::new();
        while let Some(frame) = records.next(&budget).await {
            match frame {
                Ok(frame) => outcomes.push(frame.outcome),
                Err(FrameError::Refused(refusal)) => return Ok((outcomes, Some(refusal))),
                Err(FrameError::Exhausted(exhausted)) => panic!("{exhausted}"),
            }
        }
        Ok((outcomes, None))
    })
}

proptest! {
    #[test]
    fn append_reads_back(
        stream_uid in ".*", log in ".*", id: Option<(u64, u64)>,
        runs in proptest::collection::vec((shard(), block()), 0..5)
    ) {
        let runs = runs.into_iter().map(|(shard, block)| Run { shard, block }).collect();
        let id = id.map(|(session, sequence)| AppendId { session, sequence });
        let append = Append { stream_uid, log, id, runs };
        prop_assert_eq!(decode(request(&append)), Ok(Ok(append)));
    }

    #[test]
    fn answer_to_an_append_reads_back(outcomes in proptest::collection::vec(outcome(), 0..5), refusal in refusal()) {
        prop_assert_eq!(receive::<Append>(answer::<Append>(Ok(outcomes.clone()))), Ok(Ok(outcomes)));
        prop_assert_eq!(receive::<Append>(answer::<Append>(Err(refusal.clone()))), Ok(Err(refusal)));
    }

    #[test]
    fn calls_that_read_read_back(
        shard in shard(), position in position(), max_records: u32, max_bytes: u32,
        max_frame_bytes: u32, wait_ms: u32
    ) {
        let (stream_uid, log) = ("uid".to_owned(), "g0".to_owned());
        let locate = Locate { stream_uid: stream_uid.clone(), log: log.clone(), shard, position };
        prop_assert_eq!(decode(request(&locate)), Ok(Ok(locate)));
        let follow =
            Follow { stream_uid: stream_uid.clone(), log: log.clone(), shard, position, max_frame_bytes };
        prop_assert_eq!(decode(request(&follow)), Ok(Ok(follow)));
        let read = Read { stream_uid, log, shard, position, max_records, max_bytes, max_frame_bytes, wait_ms };
        prop_assert_eq!(decode(request(&read)), Ok(Ok(read)));
    }

    #[test]
    fn answer_to_a_look_up_reads_back(offset: u64, time_ms: Option<u64>, refusal in refusal()) {
        let located = Located { offset, time_ms };
        prop_assert_eq!(receive::<Locate>(answer::<Locate>(Ok(located))), Ok(Ok(located)));
        prop_assert_eq!(receive::<Locate>(answer::<Locate>(Err(refusal.clone()))), Ok(Err(refusal)));
    }

    #[test]
    fn reshard_and_its_answer_read_back(
        op: u64, seal in proptest::collection::vec(shard(), 0..4), open in open_shards(),
        sealed in proptest::collection::vec((shard(), any::<[u64; 2]>()), 0..4), refusal in refusal()
    ) {
        let reshard = record_log::Reshard { op, seal, open: open.clone() };
        let call = Reshard { stream_uid: "uid".into(), log: "g0".into(), reshard };
        prop_assert_eq!(decode(request(&call)), Ok(Ok(call)));
        let sealed = sealed.into_iter().map(|(id, [last_offset, arrival_ms])| SealedShard { id, last_offset, arrival_ms });
        let resharded = Resharded { sealed: sealed.collect(), opened: open };
        prop_assert_eq!(receive::<Reshard>(answer::<Reshard>(Ok(resharded.clone()))), Ok(Ok(resharded)));
        prop_assert_eq!(receive::<Reshard>(answer::<Reshard>(Err(refusal.clone()))), Ok(Err(refusal)));
    }

    #[test]
    fn records_read_back_frame_by_frame(
        frames in proptest::collection::vec(
            (
                proptest::collection::vec((any::<u64>(), any::<u64>(), block()), 0..5), 1u64.., any::<u64>(),
                proptest::option::of(open_shards()),
            ),
            1..4
        ),
        refusal in proptest::option::of(refusal()),
    ) {
        let run = |(first_offset, arrival_ms, block)| ReadRun { first_offset, arrival_ms, block };
        let frame = |(runs, next_offset, millis_behind_latest, successors): (Vec<_>, _, _, _)| {
            let runs = runs.into_iter().map(run).collect();
            ReadOutcome { runs, next_offset, millis_behind_latest, successors }
        };
        let frames: Vec<_> = frames.into_iter().map(frame).collect();
        let mut body: Vec<_> = frames.iter().map(|frame| bytes(encode_frame(Ok(frame)))).collect();
        body.extend(refusal.clone().map(|refusal| bytes(encode_frame(Err(refusal)))));
        prop_assert_eq!(receive_records(body.concat().into()), Ok((frames, refusal)));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..99)) {
        let bytes = Bytes::from(bytes);
        let _ = decode::<Append>(bytes.clone());
        let _ = decode::<Read>(bytes.clone());
        let _ = decode::<Locate>(bytes.clone());
        let _ = receive::<Append>(bytes.clone());
        let _ = receive::<Locate>(bytes.clone());
        let _ = receive_records(bytes);
    }
}

/// Adds a field to the head of the first frame: what a newer version says and this one does not know.
fn with_field(body: &Bytes, number: u32, value: u64) -> Bytes {
    let (length, rest) = body.split_first_chunk::<4>().unwrap();
    let (head, blocks) = rest.split_at(u32::from_le_bytes(*length) as usize);
    let mut field = Vec::new();
    prost::encoding::uint64::encode(number, &value, &mut field);
    let mut longer = BytesMut::new();
    longer.put_u32_le((head.len() + field.len()) as u32);
    longer.extend_from_slice(head);
    longer.extend_from_slice(&field);
    longer.extend_from_slice(blocks);
    longer.freeze()
}

/// A body whose head has these fields and no others.
fn only(fields: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut head = Vec::new();
    fields(&mut head);
    let mut body = BytesMut::new();
    body.put_u32_le(head.len() as u32);
    body.extend_from_slice(&head);
    body.freeze()
}

const REQUIRES: u32 = 1;
const UNKNOWN: u32 = 1_000;

fn an_append() -> Append {
    let mut builder = RecordBlockBuilder::default();
    builder.push(Record { partition_key: "key", data: b"data" });
    builder.push(Record { partition_key: "", data: b"" });
    let run = Run { shard: ShardId::new(7).unwrap(), block: builder.build() };
    let id = Some(AppendId { session: 0x0123_4567_89ab_cdef, sequence: 300 });
    let (stream_uid, log) = ("uid-1".into(), "g0".into());
    Append { stream_uid, log, id, runs: vec![run.clone(), run] }
}

fn a_locate() -> Locate {
    Locate {
        stream_uid: "uid-1".into(),
        log: "g0".into(),
        shard: ShardId::new(7).unwrap(),
        position: Position::AtTimestamp(1_700_000_000_001),
    }
}

const AT_300: Located = Located { offset: 300, time_ms: None };
const OF_TIME: Located = Located { time_ms: Some(1_700_000_000_002), ..AT_300 };

fn a_read() -> Read {
    let Locate { stream_uid, log, shard, .. } = a_locate();
    let position = Position::Offset(300);
    Read {
        stream_uid,
        log,
        shard,
        position,
        max_records: 10_000,
        max_bytes: 10 << 20,
        max_frame_bytes: 1 << 18,
        wait_ms: 0,
    }
}

fn a_follow() -> Follow {
    let Locate { stream_uid, log, shard, .. } = a_locate();
    Follow { stream_uid, log, shard, position: Position::Latest, max_frame_bytes: 1 << 18 }
}

fn a_frame() -> ReadOutcome {
    let run = |run: Run| ReadRun { first_offset: 5, arrival_ms: 1_700_000_000_000, block: run.block };
    let runs = an_append().runs.into_iter().map(run).collect();
    ReadOutcome { runs, next_offset: 9, millis_behind_latest: 17, successors: None }
}

/// The halves of shard 1, which is the second of two.
fn two_children() -> Vec<OpenShard> {
    let whole = HashKeyRange::uniform(2)[1];
    let middle = HashKeyRange::uniform(4)[2].end;
    let ranges =
        [HashKeyRange { end: middle, ..whole }, HashKeyRange { start: HashKey(middle.0 + 1), ..whole }];
    let open = |(index, range)| OpenShard {
        id: ShardId::new(index).unwrap(),
        range,
        parents: vec![ShardId::new(1).unwrap()],
        create_seconds: 1_700_000_001,
    };
    (2..).zip(ranges).map(open).collect()
}

fn a_reshard() -> Reshard {
    let reshard = record_log::Reshard { op: 300, seal: vec![ShardId::new(1).unwrap()], open: two_children() };
    Reshard { stream_uid: "uid-1".into(), log: "g0".into(), reshard }
}

fn a_resharded() -> Resharded {
    let sealed =
        SealedShard { id: ShardId::new(1).unwrap(), last_offset: 300, arrival_ms: 1_700_000_000_000 };
    Resharded { sealed: vec![sealed], opened: two_children() }
}

fn the_end() -> ReadOutcome {
    ReadOutcome {
        runs: Vec::new(),
        next_offset: 9,
        millis_behind_latest: 0,
        successors: Some(two_children()),
    }
}

#[test]
fn unknown_fields_are_ignored() {
    assert_eq!(decode(with_field(&request(&an_append()), UNKNOWN, 1)), Ok(Ok(an_append())));
    assert_eq!(decode(with_field(&request(&a_locate()), UNKNOWN, 1)), Ok(Ok(a_locate())));
    assert_eq!(decode(with_field(&request(&a_read()), UNKNOWN, 1)), Ok(Ok(a_read())));
    assert_eq!(decode(with_field(&request(&a_follow()), UNKNOWN, 1)), Ok(Ok(a_follow())));
    assert_eq!(decode(with_field(&request(&a_reshard()), UNKNOWN, 1)), Ok(Ok(a_reshard())));
    let outcomes = vec![Ok(Appended { first_offset: 1, arrival_ms: 2 })];
    let appended = with_field(&answer::<Append>(Ok(outcomes.clone())), UNKNOWN, 1);
    assert_eq!(receive::<Append>(appended), Ok(Ok(outcomes)));
    assert_eq!(receive::<Locate>(with_field(&answer::<Locate>(Ok(AT_300)), UNKNOWN, 1)), Ok(Ok(AT_300)));
    let frame = with_field(&bytes(encode_frame(Ok(&a_frame()))), UNKNOWN, 1);
    assert_eq!(receive_records(frame), Ok((vec![a_frame()], None)));
}

#[test]
fn message_of_an_older_version_with_fewer_fields_is_read() {
    // Fields 3 and 4 are the stream and the log; an append without a clock and an id, a read without what bounds a
    // frame.
    let named = |head: &mut Vec<u8>| {
        prost::encoding::string::encode(3, &"uid-1".to_owned(), head);
        prost::encoding::string::encode(4, &"g0".to_owned(), head);
    };
    let older = Append { id: None, runs: Vec::new(), ..an_append() };
    assert_eq!(decode(only(named)), Ok(Ok(older)));
    let read = only(|head| {
        named(head);
        // The trim horizon, as field 6.
        head.extend([6 << 3 | 2, 2, 1 << 3, 1]);
        prost::encoding::uint32::encode(7, &10, head);
    });
    let position = Position::TrimHorizon;
    let (max_records, max_bytes, max_frame_bytes) = (10, 0, 0);
    let shard = ShardId::FIRST;
    let older = Read { shard, position, max_records, max_bytes, max_frame_bytes, ..a_read() };
    assert_eq!(decode(read), Ok(Ok(older)));
}

#[test]
fn what_a_request_requires_and_this_version_does_not_know_is_not_done() {
    let refused = |decoded: Result<Refusal, Broken>| {
        assert!(matches!(&decoded, Ok(Refusal::Unsupported(text)) if text.contains("1000")), "{decoded:?}");
    };
    let requires = |body| with_field(&body, REQUIRES, UNKNOWN.into());
    refused(decode::<Append>(requires(request(&an_append()))).map(Result::unwrap_err));
    refused(decode::<Locate>(requires(request(&a_locate()))).map(Result::unwrap_err));
    refused(decode::<Read>(requires(request(&a_read()))).map(Result::unwrap_err));
    refused(decode::<Follow>(requires(request(&a_follow()))).map(Result::unwrap_err));
    refused(decode::<Reshard>(requires(request(&a_reshard()))).map(Result::unwrap_err));
    let unknown_position = only(|head| head.extend([6 << 3 | 2, 2, 1 << 3, 9]));
    assert!(matches!(decode::<Locate>(unknown_position), Ok(Err(Refusal::Unsupported(_)))));
}

#[test]
fn outcome_that_is_not_known_is_an_unknown_outcome() {
    // An outcome with another field than those that are known, beside one that is known.
    let outcomes = only(|head| {
        head.extend([2 << 3 | 2, 2, 9 << 3, 1]);
        head.extend([2 << 3 | 2, 4, 1 << 3 | 2, 2, 1 << 3, 5]);
    });
    let outcomes = receive::<Append>(outcomes).unwrap().unwrap();
    assert!(matches!(outcomes[0], Err(Refusal::OutcomeUnknown(_))));
    assert_eq!(outcomes[1], Ok(Appended { first_offset: 5, arrival_ms: 0 }));
    // A refusal of a newer kind.
    let refused = only(|head| head.extend([1 << 3 | 2, 2, 1 << 3, 99]));
    assert!(matches!(receive::<Append>(refused.clone()), Ok(Err(Refusal::OutcomeUnknown(_)))));
    assert!(matches!(receive::<Locate>(refused.clone()), Ok(Err(Refusal::OutcomeUnknown(_)))));
    assert!(matches!(receive_records(refused), Ok((_, Some(Refusal::OutcomeUnknown(_))))));
    // Nothing that is known.
    let nothing = only(|head| prost::encoding::uint32::encode(UNKNOWN, &1, head));
    assert!(matches!(receive::<Locate>(nothing.clone()), Ok(Err(Refusal::OutcomeUnknown(_)))));
    assert!(matches!(receive::<Reshard>(nothing.clone()), Ok(Err(Refusal::OutcomeUnknown(_)))));
    assert!(matches!(receive_records(nothing), Ok((_, Some(Refusal::OutcomeUnknown(_))))));
}

#[test]
fn blocks_are_as_long_as_the_head_says() {
    let body = request(&an_append());
    assert!(decode::<Append>(body.slice(..body.len() - 1)).is_err());
    assert!(decode::<Append>([&body[..], b"x"].concat().into()).is_err());
}

#[test]
fn each_block_that_is_received_keeps_nothing_but_itself() {
    let append = decode::<Append>(request(&an_append())).unwrap().unwrap();
    let (outcomes, _) = receive_records(bytes(encode_frame(Ok(&a_frame())))).unwrap();
    let received = append.runs.iter().map(|run| run.block.bytes());
    for bytes in received.chain(outcomes[0].runs.iter().map(|run| run.block.bytes())) {
        assert!(bytes.is_unique());
    }
}

#[tokio::test(start_paused = true)]
async fn large_record_may_take_the_time_that_its_bytes_take() {
    let mut record = RecordBlockBuilder::default();
    record.push(Record { partition_key: "key", data: &vec![0; 4 << 20] });
    let run = ReadRun { first_offset: 1, arrival_ms: 1, block: record.build() };
    let outcome = ReadOutcome { runs: vec![run], next_offset: 2, millis_behind_latest: 0, successors: None };
    let frame = bytes(encode_frame(Ok(&outcome)));
    for (seconds_a_mib, arrives) in [(4, true), (20, false)] {
        let pieces: Vec<_> = frame.chunks(1 << 20).map(Bytes::copy_from_slice).collect();
        let body = stream::iter(pieces).then(move |piece| async move {
            tokio::time::sleep(Duration::from_secs(seconds_a_mib)).await;
            Ok::<_, Infallible>(hyper::body::Frame::data(piece))
        });
        let received = Read::receive(Frames::new(StreamBody::new(Box::pin(body)))).await;
        let budget = ByteBudget::new(8 << 20, Counts::unseen());
        let received = received.unwrap().unwrap().next(&budget).await.unwrap();
        assert_eq!(received.is_ok(), arrives, "{seconds_a_mib} s a MiB");
    }
}

/// The name of a message, its bytes as this version writes it, and whether bytes are read as that message.
type Golden = (&'static str, Bytes, fn(Bytes) -> bool);

/// Every message of this version.
fn golden() -> Vec<Golden> {
    let outcomes =
        || vec![Ok(Appended { first_offset: 300, arrival_ms: 1_700_000_000_000 }), Err(a_refusal())];
    fn a_refusal() -> Refusal {
        Refusal::NotReady("it recovers".into())
    }
    vec![
        ("append", request(&an_append()), |body| decode(body) == Ok(Ok(an_append()))),
        ("append-answer", answer::<Append>(Ok(outcomes())), |body| {
            let appended = Ok(Appended { first_offset: 300, arrival_ms: 1_700_000_000_000 });
            receive::<Append>(body) == Ok(Ok(vec![appended, Err(a_refusal())]))
        }),
        ("append-refused", answer::<Append>(Err(a_refusal())), |body| {
            receive::<Append>(body) == Ok(Err(a_refusal()))
        }),
        ("append-sealed", answer::<Append>(Ok(vec![Err(Refusal::Sealed(two_children()))])), |body| {
            receive::<Append>(body) == Ok(Ok(vec![Err(Refusal::Sealed(two_children()))]))
        }),
        ("locate", request(&a_locate()), |body| decode(body) == Ok(Ok(a_locate()))),
        ("locate-answer", answer::<Locate>(Ok(AT_300)), |body| receive::<Locate>(body) == Ok(Ok(AT_300))),
        ("locate-answer-of-time", answer::<Locate>(Ok(OF_TIME)), |body| {
            receive::<Locate>(body) == Ok(Ok(OF_TIME))
        }),
        ("read", request(&a_read()), |body| decode(body) == Ok(Ok(a_read()))),
        ("follow", request(&a_follow()), |body| decode(body) == Ok(Ok(a_follow()))),
        ("records", bytes(encode_frame(Ok(&a_frame()))), |body| {
            receive_records(body) == Ok((vec![a_frame()], None))
        }),
        ("records-end", bytes(encode_frame(Ok(&the_end()))), |body| {
            receive_records(body) == Ok((vec![the_end()], None))
        }),
        ("reshard", request(&a_reshard()), |body| decode(body) == Ok(Ok(a_reshard()))),
        ("reshard-answer", answer::<Reshard>(Ok(a_resharded())), |body| {
            receive::<Reshard>(body) == Ok(Ok(a_resharded()))
        }),
        ("reshard-refused", answer::<Reshard>(Err(a_refusal())), |body| {
            receive::<Reshard>(body) == Ok(Err(a_refusal()))
        }),
        ("records-refused", bytes(encode_frame(Err(a_refusal()))), |body| {
            receive_records(body) == Ok((Vec::new(), Some(a_refusal())))
        }),
    ]
}

fn golden_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/protocol")
}

#[test]
fn messages_of_every_version_are_read_and_this_one_writes_its_own() {
    let messages = golden();
    for version in std::fs::read_dir(golden_dir()).unwrap() {
        let version = version.unwrap().path();
        for (name, written, reads) in &messages {
            // A message is as old as the version that has it first.
            let Ok(kept) = std::fs::read(version.join(name)) else { continue };
            assert!(reads(kept.clone().into()), "{name} of {}", version.display());
            if version.ends_with(env!("CARGO_PKG_VERSION")) {
                assert_eq!(*written, kept, "{name}");
            }
        }
    }
    let own = golden_dir().join(env!("CARGO_PKG_VERSION"));
    assert!(
        messages.iter().all(|(name, ..)| own.join(name).exists()),
        "run keep_the_messages_of_this_version"
    );
}

/// Run by hand, once a version: `cargo test -p shard-server keep_the_messages -- --ignored`.
#[test]
#[ignore = "it writes what the other test compares with"]
fn keep_the_messages_of_this_version() {
    let own = golden_dir().join(env!("CARGO_PKG_VERSION"));
    std::fs::create_dir_all(&own).unwrap();
    for (name, written, _) in golden() {
        std::fs::write(own.join(name), written).unwrap();
    }
}
