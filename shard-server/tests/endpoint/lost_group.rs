//! A pod that stops answering, under load: it costs its own records, and nothing of the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use futures::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{sleep, timeout};

use crate::installation::{Gateway, Pod, installation};
use crate::program::{client, iterator, read_all};

/// Far more than all of a test takes, and less than what each call would take if it waited for the lost group.
const LIMIT: Duration = Duration::from_secs(60);
/// Readers of the lost group, and its writers of 512 KiB each: more than the read budget and the quarter of the hold budget
/// that is for groups that do not answer.
const READERS: usize = 64;
const WRITERS: usize = 40;

/// How long a client waits before it tries again: so long that 40 clients with 512 KiB each leave processors to the other tests
/// that run at the same time.
const RETRY: Duration = Duration::from_secs(5);

fn signal(pod: &Pod, signal: Signal) {
    let id = i32::try_from(pod.process.id().unwrap()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
}

fn entry(shard: u128, data: String) -> PutRecordsRequestEntry {
    let entry = PutRecordsRequestEntry::builder().partition_key("key").data(Blob::new(data));
    entry.explicit_hash_key((shard << 126).to_string()).build().unwrap()
}

/// Puts one record; whether it was acknowledged.
async fn put(client: &Client, shard: u128, data: String) -> bool {
    let put = client.put_record().stream_name("orders").partition_key("key").data(Blob::new(data));
    put.explicit_hash_key((shard << 126).to_string()).send().await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_pod_delays_and_refuses_nobody_elses_records_and_is_found_again() {
    let installation = installation().await;
    let gateway = Gateway::start(installation.operator.address, None, installation.keys.path()).ready().await;
    let client = client(&gateway.url);
    let lost = &installation.pods[1];
    // Shards 0 and 1 are in the first pod, 2 and 3 in the second.
    let [healthy_shard, lost_shard] = ["shardId-000000000000", "shardId-000000000003"];
    assert!(put(&client, 0, "0".into()).await && put(&client, 3, "lost 0".into()).await);
    let horizon = iterator(&client, "orders", lost_shard, ShardIteratorType::TrimHorizon).await;
    signal(lost, Signal::STOP);

    let ends = Arc::new(AtomicBool::new(false));
    let readers = (0..READERS).map(|_| {
        let (client, horizon, ends) = (client.clone(), horizon.clone(), Arc::clone(&ends));
        tokio::spawn(async move {
            while !ends.load(Ordering::Relaxed) {
                let _ = client.get_records().shard_iterator(&horizon).send().await;
                sleep(RETRY).await;
            }
        })
    });
    let writers = (0..WRITERS).map(|_| {
        let (client, ends) = (client.clone(), Arc::clone(&ends));
        tokio::spawn(async move {
            while !ends.load(Ordering::Relaxed) {
                put(&client, 2, "x".repeat(512 << 10)).await;
                sleep(RETRY).await;
            }
        })
    });
    let load: Vec<_> = readers.chain(writers).collect();

    let others = async {
        let mut next = iterator(&client, "orders", healthy_shard, ShardIteratorType::TrimHorizon).await;
        let mut read = Vec::new();
        for number in 1..=300 {
            assert!(put(&client, 0, number.to_string()).await, "put {number}");
            let answer = client.get_records().shard_iterator(&next).send().await.expect("a healthy shard");
            read.extend(answer.records.iter().map(|record| record.data.clone().into_inner()));
            next = answer.next_shard_iterator.unwrap();
        }
        assert_eq!(read.len(), 301);
        // Each would take 10 s if it waited for the lost group anew.
        for number in 0..30 {
            let records = vec![entry(1, number.to_string()), entry(3, format!("maybe {number}"))];
            let answer = client.put_records().stream_name("orders").set_records(Some(records)).send().await;
            let records = answer.unwrap().records;
            assert_eq!(records[0].error_code, None);
            assert_eq!(records[1].error_code.as_deref(), Some("InternalFailure"));
        }
    };
    timeout(LIMIT, others).await.expect("nobody waits for the lost pod");

    signal(lost, Signal::CONT);
    let found = async {
        while !put(&client, 3, "lost 1".into()).await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, found).await.expect("the pod is found again");
    ends.store(true, Ordering::Relaxed);
    join_all(load).await;
    let all = read_all(&client, "orders").await;
    let count = |data: &str| all.iter().filter(|record| *record == data).count();
    assert_eq!((count("lost 0"), count("lost 1")), (1, 1));
    assert_eq!((1..=300).filter(|number| count(&number.to_string()) == 0).count(), 0);
}
