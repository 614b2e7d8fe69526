//! What is left to one shard group while the three others of its stream hang: their pods are stopped by a signal, so
//! that they take connections and never answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use md5::{Digest, Md5};
use tokio::task::JoinSet;

use crate::load::{self, Puts};
use crate::records::{Record, requests};
use crate::server::Server;
use crate::service::kinesis::Kinesis;
use crate::service::{Producer, Reader, Service, Start};

/// Groups of the stream, each with one shard.
pub const GROUPS: u32 = 4;

/// How many of them hang.
const HUNG: usize = 3;

/// Connections that put to the group that does not hang.
pub const CONNECTIONS: usize = 16;

/// Connections that put to the groups that hang, and as many that put to all groups at once.
const OTHERS: usize = 8;

/// Pollers of each shard that hangs.
const POLLERS: usize = 4;

/// How long groups that hung may take until they serve again.
const RECOVERY_LIMIT: Duration = Duration::from_secs(60);

/// A pause between two calls of the others, so that they take little of the machine.
const PAUSE: Duration = Duration::from_millis(10);

/// What came out.
pub struct Outcome {
    /// Putting to the group that does not hang, before.
    pub before: Puts,
    /// The same while the others hang.
    pub beside_hung: Puts,
    /// From when the others went on until each had acknowledged a record.
    pub recovery: Duration,
}

/// Puts for so long to the first of four groups, while others put to all and poll, and then again while three hang.
///
/// # Errors
/// If a record for the first group is refused, or the others do not recover.
pub async fn measure(server: &Server, service: &Arc<Kinesis>, duration: Duration) -> Result<Outcome> {
    let one_each = requests(1, 0);
    let (healthy, hung): (Vec<_>, Vec<_>) = one_each.into_iter().partition(|records| shard(&records[0]) == 0);
    let over_all = requests(20, 1);
    let ended = Arc::new(AtomicBool::new(false));
    let mut others = JoinSet::new();
    for number in 0..OTHERS {
        others.spawn(put_on(Arc::clone(service), requests_of(service, &hung)?, number, Arc::clone(&ended)));
        let over_all = requests_of(service, &over_all)?;
        others.spawn(put_on(Arc::clone(service), over_all, number, Arc::clone(&ended)));
    }
    for _ in 0..POLLERS {
        for reader in service.readers(Start::Newest).await?.into_iter().skip(1) {
            others.spawn(poll_on(reader, Arc::clone(&ended)));
        }
    }
    let before = load::put(service, &healthy, CONNECTIONS, duration).await?;
    let hanging = server.hang_last(HUNG)?;
    let beside_hung = load::put(service, &healthy, CONNECTIONS, duration).await?;
    drop(hanging);
    let begun = Instant::now();
    for shard_index in 1..GROUPS {
        let records = hung.iter().find(|records| shard(&records[0]) == shard_index);
        let request = service.request(records.map_or(&[], |records| &records[..]))?;
        let mut producer = service.producer(0).await?;
        while producer.put(&request).await.is_err() {
            ensure!(begun.elapsed() < RECOVERY_LIMIT, "group {shard_index} does not recover");
            tokio::time::sleep(PAUSE).await;
        }
    }
    let recovery = begun.elapsed();
    ended.store(true, Ordering::Release);
    while let Some(done) = others.join_next().await {
        done?;
    }
    Ok(Outcome { before, beside_hung, recovery })
}

/// Which of the four shards takes a record.
fn shard(record: &Record) -> u32 {
    u32::from(Md5::digest(record.key.as_bytes())[0] >> 6)
}

fn requests_of<S: Service>(service: &Arc<S>, records: &[Vec<Record>]) -> Result<Vec<S::Request>> {
    records.iter().map(|records| service.request(records)).collect()
}

/// Puts over and over, whatever the answers are.
async fn put_on(
    service: Arc<Kinesis>,
    requests: Vec<<Kinesis as Service>::Request>,
    number: usize,
    ended: Arc<AtomicBool>,
) {
    let mut next = number * requests.len() / OTHERS;
    while !ended.load(Ordering::Acquire) {
        let Ok(mut producer) = service.producer(number).await else { return };
        let mut is_good = true;
        while is_good && !ended.load(Ordering::Acquire) {
            is_good = producer.put(&requests[next]).await.is_ok();
            next = (next + 1) % requests.len();
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Polls over and over, whatever the answers are.
async fn poll_on(mut reader: impl Reader, ended: Arc<AtomicBool>) {
    while !ended.load(Ordering::Acquire) {
        reader.next().await.ok();
        tokio::time::sleep(PAUSE).await;
    }
}
