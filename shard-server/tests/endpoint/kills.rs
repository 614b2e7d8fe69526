//! Kills the server under load, over and over: every acknowledgement holds.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, Record, ShardIteratorType};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::program::{LIMIT, Local, create, data_dir, iterator};

const ROUNDS: u64 = 200;
const SHARDS: i32 = 4;
const PRODUCERS: u64 = 4;
const STREAM: &str = "orders";

/// What clients saw. A record's data is `PRODUCER-NUMBER`, each once.
#[derive(Default)]
struct Seen {
    /// Data of records that were acknowledged, to shard and sequence number.
    acknowledged: HashMap<String, (String, String)>,
    /// Records whose outcome a client does not know.
    unknown: HashSet<String>,
    /// Data of records that were read, to shard and sequence number.
    read: HashMap<String, (String, String)>,
}

/// Who puts and reads, over all rounds.
struct Load {
    seen: Mutex<Seen>,
    /// How many records were acknowledged.
    acknowledged: watch::Sender<usize>,
    /// The next number of each producer.
    numbers: Vec<AtomicU64>,
}

/// What a log was found to hold, which never changes again.
#[derive(Default)]
struct Held {
    /// Each shard's last record that was checked.
    last: BTreeMap<String, String>,
    /// All data that was found.
    all: HashSet<String>,
    /// The last number of each producer in each shard.
    numbers: HashMap<(String, String), u64>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_kills_lose_double_and_reorder_nothing() {
    let data_dir = data_dir();
    let load = Arc::new(Load {
        seen: Mutex::default(),
        acknowledged: watch::Sender::new(0),
        numbers: (0..PRODUCERS).map(|_| AtomicU64::new(0)).collect(),
    });
    let mut held = Held::default();
    for round in 0..ROUNDS {
        let local = Local::start(data_dir.path(), &[]).await;
        let client = local.client();
        if round == 0 {
            create(&client, STREAM, SHARDS).await;
        }
        held.check(&client, &load.seen).await;
        let mut acknowledged = load.acknowledged.subscribe();
        // Another moment of the load in every round.
        let enough = *acknowledged.borrow() + 10 + (round as usize * 37) % 150;
        let mut tasks = JoinSet::new();
        for producer in 0..PRODUCERS {
            tasks.spawn(produce(client.clone(), Arc::clone(&load), producer));
        }
        tasks.spawn(follow(client.clone(), Arc::clone(&load)));
        let waited = timeout(LIMIT, acknowledged.wait_for(|count| *count >= enough)).await;
        waited.expect("records are acknowledged in time").unwrap();
        local.kill().await;
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    }
    let local = Local::start(data_dir.path(), &[]).await;
    held.check(&local.client(), &load.seen).await;
    // And once more from the very beginning.
    let mut again = Held::default();
    again.check(&local.client(), &load.seen).await;
    assert_eq!(again.all, held.all);
    let seen = load.seen.lock().unwrap();
    println!(
        "{ROUNDS} kills: {} acknowledged, {} of unknown outcome, {} in the log; 0 lost, 0 doubled, 0 reordered",
        seen.acknowledged.len(),
        seen.unknown.len(),
        held.all.len()
    );
    assert!(seen.acknowledged.len() > ROUNDS as usize * 10 && !seen.unknown.is_empty());
}

/// Puts records, one by one and five at a time, until the endpoint is gone.
async fn produce(client: Client, load: Arc<Load>, producer: u64) {
    loop {
        let count = if producer.is_multiple_of(2) { 1 } else { 5 };
        let first = load.numbers[producer as usize].fetch_add(count, Relaxed);
        let data: Vec<_> = (first..first + count).map(|number| format!("{producer}-{number}")).collect();
        load.seen.lock().unwrap().unknown.extend(data.iter().cloned());
        let places = if count == 1 {
            let put =
                client.put_record().stream_name(STREAM).partition_key(&data[0]).data(Blob::new(&*data[0]));
            put.send().await.map(|answer| vec![(answer.shard_id, answer.sequence_number)]).ok()
        } else {
            let entry = |data: &String| {
                let entry =
                    PutRecordsRequestEntry::builder().partition_key(data).data(Blob::new(data.as_bytes()));
                entry.build().unwrap()
            };
            let put = client.put_records().stream_name(STREAM);
            let answer = put.set_records(Some(data.iter().map(entry).collect())).send().await.ok();
            answer.map(|answer| {
                let place = |entry: aws_sdk_kinesis::types::PutRecordsResultEntry| {
                    (entry.shard_id.unwrap(), entry.sequence_number.unwrap())
                };
                answer.records.into_iter().map(place).collect()
            })
        };
        let Some(places) = places else { return };
        let mut seen = load.seen.lock().unwrap();
        for (data, place) in data.into_iter().zip(places) {
            seen.unknown.remove(&data);
            seen.acknowledged.insert(data, place);
        }
        load.acknowledged.send_replace(seen.acknowledged.len());
    }
}

/// Reads a shard at its tip until the endpoint is gone.
async fn follow(client: Client, load: Arc<Load>) {
    let shard = "shardId-000000000000";
    let mut next = iterator(&client, STREAM, shard, ShardIteratorType::Latest).await;
    while let Ok(answer) = client.get_records().shard_iterator(&next).send().await {
        for record in &answer.records {
            let place = (shard.to_owned(), record.sequence_number.clone());
            load.seen.lock().unwrap().read.insert(text(record), place);
        }
        next = answer.next_shard_iterator.unwrap();
    }
}

impl Held {
    /// Reads what is new in every shard, and compares all with what clients saw.
    async fn check(&mut self, client: &Client, seen: &Mutex<Seen>) {
        for index in 0..SHARDS {
            let shard = format!("shardId-{index:012}");
            for record in self.new_records(client, &shard).await {
                self.take(&shard, &record, seen);
            }
        }
        let seen = seen.lock().unwrap();
        let lost: Vec<_> = seen.acknowledged.keys().filter(|data| !self.all.contains(*data)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let gone: Vec<_> = seen.read.keys().filter(|data| !self.all.contains(*data)).collect();
        assert!(gone.is_empty(), "read before and gone: {gone:?}");
    }

    fn take(&mut self, shard: &str, record: &Record, seen: &Mutex<Seen>) {
        let data = text(record);
        let place = (shard.to_owned(), record.sequence_number.clone());
        let seen = seen.lock().unwrap();
        for known in [seen.acknowledged.get(&data), seen.read.get(&data)].into_iter().flatten() {
            assert_eq!(*known, place, "record {data} has moved");
        }
        assert!(
            seen.acknowledged.contains_key(&data) || seen.unknown.contains(&data),
            "record {data} was never put"
        );
        assert!(self.all.insert(data.clone()), "record {data} is there twice");
        let (producer, number) = data.split_once('-').unwrap();
        let number = number.parse::<u64>().unwrap();
        let before = self.numbers.insert((shard.into(), producer.into()), number);
        assert!(before.is_none_or(|before| before < number), "record {data} of {shard} is out of order");
        if let Some(last) = self.last.insert(shard.into(), record.sequence_number.clone()) {
            assert!(last < record.sequence_number, "sequence numbers of {shard} go back");
        }
    }

    async fn new_records(&self, client: &Client, shard: &str) -> Vec<Record> {
        let mut next = match self.last.get(shard) {
            None => iterator(client, STREAM, shard, ShardIteratorType::TrimHorizon).await,
            Some(last) => {
                let get = client.get_shard_iterator().stream_name(STREAM).shard_id(shard);
                let get = get.shard_iterator_type(ShardIteratorType::AfterSequenceNumber);
                let answer = get.starting_sequence_number(last).send().await.unwrap();
                answer.shard_iterator.unwrap()
            }
        };
        let mut records = Vec::new();
        loop {
            let answer = client.get_records().shard_iterator(&next).send().await.unwrap();
            let empty = answer.records.is_empty();
            records.extend(answer.records);
            if empty && answer.millis_behind_latest == Some(0) {
                return records;
            }
            next = answer.next_shard_iterator.unwrap();
        }
    }
}

fn text(record: &Record) -> String {
    String::from_utf8(record.data.as_ref().to_vec()).unwrap()
}
