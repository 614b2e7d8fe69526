//! Streams are split and merged while they are written and read.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    PutRecordsRequestEntry, ScalingType, Shard, ShardFilter, ShardFilterType, ShardIteratorType, StreamStatus,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::program::{LIMIT, Local, create, data_dir, iterator, local, put};

const STREAM: &str = "orders";
/// The middle of the ring.
pub const MIDDLE: &str = "170141183460469231731687303715884105728";
const QUARTER: &str = "85070591730234615865843651857942052864";

fn id(index: u32) -> String {
    format!("shardId-{index:012}")
}

/// Splits a shard of the stream `orders`.
pub async fn split(client: &Client, shard: u32, key: &str) {
    let split = client.split_shard().stream_name(STREAM).shard_to_split(id(shard)).new_starting_hash_key(key);
    split.send().await.unwrap();
    until_active(client).await;
}

/// Merges shards of the stream `orders`.
pub async fn merge(client: &Client, first: u32, second: u32) {
    let merge = client.merge_shards().stream_name(STREAM).shard_to_merge(id(first));
    merge.adjacent_shard_to_merge(id(second)).send().await.unwrap();
    until_active(client).await;
}

async fn resize(client: &Client, target: i32) {
    let update = client.update_shard_count().stream_name(STREAM).target_shard_count(target);
    update.scaling_type(ScalingType::UniformScaling).send().await.unwrap();
}

async fn until_active(client: &Client) {
    let active = async {
        loop {
            let summary = client.describe_stream_summary().stream_name(STREAM).send().await.unwrap();
            match summary.stream_description_summary.unwrap().stream_status {
                StreamStatus::Active => return,
                status => assert_eq!(status, StreamStatus::Updating),
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, active).await.expect("it is ACTIVE in time");
}

async fn shards(client: &Client, filter: Option<ShardFilterType>) -> Vec<Shard> {
    let filter = filter.map(|kind| ShardFilter::builder().r#type(kind).build().unwrap());
    let list = client.list_shards().stream_name(STREAM).set_shard_filter(filter);
    list.send().await.unwrap().shards.unwrap()
}

fn ids(shards: &[Shard]) -> Vec<String> {
    shards.iter().map(|shard| shard.shard_id.clone()).collect()
}

fn ending(shard: &Shard) -> Option<&str> {
    shard.sequence_number_range.as_ref().unwrap().ending_sequence_number.as_deref()
}

#[tokio::test]
async fn split_and_merge_have_the_lineage_that_aws_shows() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, STREAM, 1).await;
    let (_, first) = put(&client, STREAM, "a", "1").await;
    split(&client, 0, MIDDLE).await;
    merge(&client, 1, 2).await;
    let all = shards(&client, None).await;
    assert_eq!(ids(&all), (0..4).map(id).collect::<Vec<_>>());
    assert_eq!(all[1].parent_shard_id, Some(id(0)));
    assert_eq!((&all[3].parent_shard_id, &all[3].adjacent_parent_shard_id), (&Some(id(1)), &Some(id(2))));
    assert_eq!(all[2].hash_key_range.as_ref().unwrap().starting_hash_key, MIDDLE);
    let closed: Vec<_> = all.iter().map(|shard| ending(shard).is_some()).collect();
    assert_eq!(closed, [true, true, true, false]);
    let starting =
        |shard: &Shard| shard.sequence_number_range.as_ref().unwrap().starting_sequence_number.clone();
    assert!(first.as_str() < ending(&all[0]).unwrap() && *ending(&all[0]).unwrap() < *starting(&all[1]));
    assert!(*ending(&all[2]).unwrap() < *starting(&all[3]));

    assert_eq!(ids(&shards(&client, Some(ShardFilterType::AtLatest)).await), [id(3)]);
    assert_eq!(ids(&shards(&client, Some(ShardFilterType::AtTrimHorizon)).await), [id(0)]);
    assert_eq!(shards(&client, Some(ShardFilterType::FromTrimHorizon)).await.len(), 4);
    let summary = client.describe_stream_summary().stream_name(STREAM).send().await.unwrap();
    assert_eq!(summary.stream_description_summary.unwrap().open_shard_count, 1);
    let page = client.list_shards().stream_name(STREAM).max_results(3).send().await.unwrap();
    let rest = client.list_shards().next_token(page.next_token.unwrap()).send().await.unwrap();
    assert_eq!(ids(&rest.shards.unwrap()), [id(3)]);

    // What is in a closed shard is read, then its children are named.
    let horizon = iterator(&client, STREAM, &id(0), ShardIteratorType::TrimHorizon).await;
    let records = client.get_records().shard_iterator(horizon).send().await.unwrap();
    assert_eq!((records.records.len(), records.child_shards), (1, None));
    let latest = iterator(&client, STREAM, &id(0), ShardIteratorType::Latest).await;
    for next in [records.next_shard_iterator.unwrap(), latest] {
        let end = client.get_records().shard_iterator(next).send().await.unwrap();
        assert_eq!((end.next_shard_iterator, end.millis_behind_latest), (None, Some(0)));
        let children = end.child_shards.unwrap();
        let parents: Vec<_> = children.iter().map(|child| child.parent_shards.clone()).collect();
        assert_eq!(parents, [[id(0)], [id(0)]]);
        assert_eq!(children[1].hash_key_range.as_ref().unwrap().starting_hash_key, MIDDLE);
    }
    let behind = client.get_shard_iterator().stream_name(STREAM).shard_id(id(0));
    let behind = behind.shard_iterator_type(ShardIteratorType::AfterSequenceNumber);
    let behind = behind.starting_sequence_number(ending(&all[0]).unwrap()).send().await.unwrap_err();
    assert!(behind.into_service_error().is_invalid_argument_exception());
    let again = client.split_shard().stream_name(STREAM).shard_to_split(id(0)).new_starting_hash_key(QUARTER);
    let error = again.send().await.unwrap_err().into_service_error();
    assert!(error.to_string().contains("has already been merged or split"), "{error}");
}

#[tokio::test]
async fn shard_count_is_updated_with_the_totals_of_aws() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, STREAM, 4).await;
    let update = client.update_shard_count().stream_name(STREAM).target_shard_count(5);
    let answer = update.scaling_type(ScalingType::UniformScaling).send().await.unwrap();
    assert_eq!((answer.current_shard_count, answer.target_shard_count), (Some(4), Some(5)));
    assert_eq!((answer.stream_name.as_deref(), answer.stream_arn.is_some()), (Some(STREAM), true));
    until_active(&client).await;
    assert_eq!(shards(&client, None).await.len(), 15);
    assert_eq!(shards(&client, Some(ShardFilterType::AtLatest)).await.len(), 5);
    let update = client.update_shard_count().stream_name(STREAM).target_shard_count(11);
    let error =
        update.scaling_type(ScalingType::UniformScaling).send().await.unwrap_err().into_service_error();
    assert!(error.is_limit_exceeded_exception(), "{error}");
}

/// What writers were answered, and what of theirs is unknown. A record's data is `KEY-NUMBER`, and `KEY` its key.
#[derive(Default)]
struct Written {
    acknowledged: HashSet<String>,
    unknown: HashSet<String>,
}

struct Load {
    written: Mutex<Written>,
    acknowledged: watch::Sender<usize>,
    /// The next number of each key.
    numbers: Mutex<BTreeMap<String, u64>>,
}

impl Load {
    fn new() -> Arc<Self> {
        let (written, acknowledged) = (Mutex::default(), watch::Sender::new(0));
        Arc::new(Self { written, acknowledged, numbers: Mutex::default() })
    }

    /// Waits until so many more records are acknowledged.
    async fn more(&self, records: usize) {
        let mut acknowledged = self.acknowledged.subscribe();
        let enough = *acknowledged.borrow() + records;
        let waited = timeout(LIMIT, acknowledged.wait_for(|count| *count >= enough)).await;
        waited.expect("records are acknowledged in time").unwrap();
    }

    fn next(&self, key: &str) -> String {
        let mut numbers = self.numbers.lock().unwrap();
        let number = numbers.entry(key.into()).or_default();
        *number += 1;
        let data = format!("{key}-{number:06}");
        self.written.lock().unwrap().unknown.insert(data.clone());
        data
    }
}

/// Puts records of two keys until the endpoint is gone: one by one, or six at a time.
async fn write(client: Client, load: Arc<Load>, writer: u32) {
    let keys = [format!("{writer}a"), format!("{writer}b")];
    loop {
        let count = if writer.is_multiple_of(2) { 1 } else { 3 };
        let data: Vec<_> =
            (0..count).flat_map(|_| keys.iter().map(|key| (key.clone(), load.next(key)))).collect();
        let is_done = match data.as_slice() {
            [first, second] => {
                let one = |(key, data): &(String, String)| {
                    client
                        .put_record()
                        .stream_name(STREAM)
                        .partition_key(key)
                        .data(Blob::new(data.as_bytes()))
                };
                one(first).send().await.is_ok() && one(second).send().await.is_ok()
            }
            data => {
                let entry = |(key, data): &(String, String)| {
                    PutRecordsRequestEntry::builder()
                        .partition_key(key)
                        .data(Blob::new(data.as_bytes()))
                        .build()
                };
                let entries = data.iter().map(entry).collect::<Result<_, _>>().unwrap();
                let put = client.put_records().stream_name(STREAM).set_records(Some(entries)).send().await;
                put.is_ok_and(|answer| {
                    assert_eq!(answer.failed_record_count, Some(0), "{:?}", answer.records);
                    true
                })
            }
        };
        if !is_done {
            return;
        }
        let mut written = load.written.lock().unwrap();
        for (_, data) in data {
            written.unknown.remove(&data);
            written.acknowledged.insert(data);
        }
        load.acknowledged.send_replace(written.acknowledged.len());
    }
}

/// Reads all of the stream, parents before children, as consumers do.
async fn read_lineage(client: &Client) -> Vec<String> {
    let mut found = Vec::new();
    let mut done: HashSet<String> = HashSet::new();
    let mut due: Vec<_> = shards(client, Some(ShardFilterType::AtTrimHorizon)).await;
    let mut waiting = Vec::new();
    let mut parents: BTreeMap<String, Vec<String>> = BTreeMap::new();
    due.drain(..).for_each(|shard| waiting.push(shard.shard_id));
    while let Some(at) = waiting.iter().position(|shard| {
        parents.get(shard).is_none_or(|parents| parents.iter().all(|parent| done.contains(parent)))
    }) {
        let shard = waiting.remove(at);
        let mut next = Some(iterator(client, STREAM, &shard, ShardIteratorType::TrimHorizon).await);
        while let Some(from) = next.take() {
            let answer = client.get_records().shard_iterator(from).send().await.unwrap();
            let is_tip = answer.records.is_empty() && answer.millis_behind_latest == Some(0);
            found.extend(answer.records.iter().map(|record| {
                let data = String::from_utf8(record.data.as_ref().to_vec()).unwrap();
                assert!(data.starts_with(record.partition_key.as_deref().unwrap()));
                data
            }));
            next = answer.next_shard_iterator.filter(|_| !is_tip);
            for child in answer.child_shards.unwrap_or_default() {
                if parents.insert(child.shard_id.clone(), child.parent_shards).is_none() {
                    waiting.push(child.shard_id);
                }
            }
        }
        done.insert(shard);
    }
    assert!(waiting.is_empty(), "parents of {waiting:?} were never found");
    found
}

/// Checks that everything that was acknowledged is there, once, and in the order of its key.
fn check(found: &[String], written: &Written) {
    let mut last: BTreeMap<&str, &str> = BTreeMap::new();
    let mut all = HashSet::new();
    for data in found {
        let (key, number) = data.split_once('-').unwrap();
        let is_known = written.acknowledged.contains(data) || written.unknown.contains(data);
        assert!(is_known, "{data} was never put");
        assert!(all.insert(data), "{data} is there twice");
        if let Some(before) = last.insert(key, number) {
            assert!(before < number, "{data} comes behind {before}");
        }
    }
    let lost: Vec<_> = written.acknowledged.iter().filter(|data| !all.contains(data)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_and_readers_go_through_splits_and_merges_without_an_error() {
    let (_data_dir, local) = local().await;
    let client = local.client();
    create(&client, STREAM, 2).await;
    let load = Load::new();
    let mut writers = JoinSet::new();
    (0..4).for_each(|writer| drop(writers.spawn(write(client.clone(), Arc::clone(&load), writer))));
    load.more(100).await;
    split(&client, 0, QUARTER).await;
    load.more(100).await;
    merge(&client, 3, 1).await;
    load.more(100).await;
    for target in [4, 3, 6, 3] {
        resize(&client, target).await;
        load.more(50).await;
        until_active(&client).await;
        load.more(50).await;
    }
    assert_eq!(writers.try_join_next().map(drop), None, "a writer met an error");
    writers.shutdown().await;
    check(&read_lineage(&client).await, &load.written.lock().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_amid_splits_and_merges_lose_double_and_reorder_nothing() {
    let data_dir = data_dir();
    let load = Load::new();
    for round in 0..40 {
        let local = Local::start(data_dir.path(), &[]).await;
        let client = local.client();
        if round == 0 {
            create(&client, STREAM, 2).await;
        }
        // What was under way is done, and only once.
        until_active(&client).await;
        let open = shards(&client, Some(ShardFilterType::AtLatest)).await.len();
        assert!([2, 4, 8].contains(&open), "{open} shards are open");
        check(&read_lineage(&client).await, &load.written.lock().unwrap());
        let mut writers = JoinSet::new();
        (0..4).for_each(|writer| drop(writers.spawn(write(client.clone(), Arc::clone(&load), writer))));
        load.more(5).await;
        resize(
            &client,
            if open == 2 || open == 4 && round % 3 != 0 { open as i32 * 2 } else { open as i32 / 2 },
        )
        .await;
        // Another moment of the change in every round.
        load.more(round * 7 % 40).await;
        local.kill().await;
        while let Some(ended) = writers.join_next().await {
            ended.unwrap();
        }
    }
    let local = Local::start(data_dir.path(), &[]).await;
    let client = local.client();
    until_active(&client).await;
    let found = read_lineage(&client).await;
    let written = load.written.lock().unwrap();
    check(&found, &written);
    assert!(written.acknowledged.len() > 200, "{}", written.acknowledged.len());
}
