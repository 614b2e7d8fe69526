//! The load: the same for every system.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::records::{RECORD_BYTES, Record, Tally, tally};
use crate::service::events::Subscription;
use crate::service::kinesis::Kinesis;
use crate::service::{Page, Producer, Reader, Service, Start};

/// The longest that reading everything may take.
const READ_LIMIT: Duration = Duration::from_secs(120);

/// After so long without an event everything that was put has been pushed.
const QUIET: Duration = Duration::from_secs(1);

/// What putting came to.
pub struct Puts {
    /// Records a second.
    pub rate: f64,
    /// Microseconds from a request to its answer.
    pub latency_us: Histogram<u64>,
    /// All that was acknowledged.
    pub acknowledged: Tally,
}

/// Puts the records of each of `requests` over and over, on `connections` at once, for as long as told.
///
/// # Errors
/// If a record is refused or an answer is lost.
pub async fn put<S: Service>(
    service: &Arc<S>,
    requests: &[Vec<Record>],
    connections: usize,
    duration: Duration,
) -> Result<Puts> {
    let prepared: Vec<_> = requests
        .iter()
        .map(|records| Ok((service.request(records)?, tally(records))))
        .collect::<Result<_>>()?;
    let prepared = Arc::new(prepared);
    let mut producers = vec![];
    for number in 0..connections {
        producers.push(service.producer(number).await?);
    }
    let mut tasks = JoinSet::new();
    let begun = Instant::now();
    for (number, mut producer) in producers.into_iter().enumerate() {
        let prepared = Arc::clone(&prepared);
        tasks.spawn(async move {
            let mut latency_us = Histogram::<u64>::new(3)?;
            let mut counts = vec![0; prepared.len()];
            // Every connection begins elsewhere, so that they never put the same at once.
            let mut next = number * prepared.len() / connections;
            while begun.elapsed() < duration {
                let sent = Instant::now();
                producer.put(&prepared[next].0).await?;
                latency_us.record(u64::try_from(sent.elapsed().as_micros())?)?;
                counts[next] += 1;
                next = (next + 1) % prepared.len();
            }
            anyhow::Ok((latency_us, counts))
        });
    }
    let mut puts = Puts { rate: 0.0, latency_us: Histogram::new(3)?, acknowledged: Tally::default() };
    while let Some(done) = tasks.join_next().await {
        let (latency_us, counts) = done??;
        puts.latency_us.add(&latency_us)?;
        for (count, (_, tally)) in counts.into_iter().zip(prepared.iter()) {
            puts.acknowledged.add_times(*tally, count);
        }
    }
    puts.rate = puts.acknowledged.count as f64 / begun.elapsed().as_secs_f64();
    Ok(puts)
}

/// What reading came to.
pub struct Gets {
    /// Records that were read.
    pub records: u64,
    /// Records a second.
    pub rate: f64,
}

/// Reads the first `shards` shards from the oldest record until nothing more is there, and only counts, so that the
/// reader costs little. Stops after `duration`.
///
/// # Errors
/// If a page cannot be read.
pub async fn catch_up<S: Service>(service: &Arc<S>, shards: usize, duration: Duration) -> Result<Gets> {
    let readers = service.readers(Start::Oldest).await?;
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for mut reader in readers.into_iter().take(shards) {
        tasks.spawn(async move {
            let mut count = 0;
            while begun.elapsed() < duration {
                let page = reader.next().await?;
                count += page.count();
                if page.is_last() {
                    break;
                }
            }
            anyhow::Ok(count)
        });
    }
    let mut records = 0;
    while let Some(done) = tasks.join_next().await {
        records += done??;
    }
    Ok(Gets { records, rate: records as f64 / begun.elapsed().as_secs_f64() })
}

/// Reads everything, and compares count and hash with what was acknowledged.
///
/// # Errors
/// If they differ.
pub async fn read_back<S: Service>(service: &Arc<S>, acknowledged: Tally) -> Result<()> {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for mut reader in service.readers(Start::Oldest).await? {
        tasks.spawn(async move {
            let mut read = Tally::default();
            loop {
                ensure!(begun.elapsed() < READ_LIMIT, "everything is not read within {READ_LIMIT:?}");
                let page = reader.next().await?;
                page.each(|key, data| read.add(key, data))?;
                if page.is_last() {
                    return Ok(read);
                }
            }
        });
    }
    let mut read = Tally::default();
    while let Some(done) = tasks.join_next().await {
        read.add_times(done??, 1);
    }
    ensure!(read == acknowledged, "what is read, {read:?}, is not what was acknowledged, {acknowledged:?}");
    Ok(())
}

/// A producer puts `rate` records a second, one a request, into a stream of one shard; a reader polls it each millisecond.
/// Gives the microseconds from each record's sending to its arrival at the reader.
///
/// # Errors
/// If a record is refused or does not arrive.
pub async fn put_to_get<S: Service>(
    service: &Arc<S>,
    rate: u64,
    duration: Duration,
) -> Result<Histogram<u64>> {
    let begun = Instant::now();
    let reader = service.readers(Start::Newest).await?.pop().context("a stream without shards")?;
    let (ended, is_over) = watch::channel(false);
    let reading = tokio::spawn(poll(reader, begun, is_over));
    put_paced(service, rate, begun, duration, ended, reading).await
}

/// As [`put_to_get`], but a registered consumer has the records pushed.
///
/// # Errors
/// If a record is refused or does not arrive.
pub async fn put_to_event(service: &Arc<Kinesis>, rate: u64, duration: Duration) -> Result<Histogram<u64>> {
    let begun = Instant::now();
    let subscription = service.subscribe().await?;
    let (ended, is_over) = watch::channel(false);
    let reading = tokio::spawn(follow(subscription, begun, is_over));
    put_paced(service, rate, begun, duration, ended, reading).await
}

/// Puts `rate` records a second, each with the time of its sending; says when that has `ended`, and gives what was read.
async fn put_paced<S: Service>(
    service: &Arc<S>,
    rate: u64,
    begun: Instant,
    duration: Duration,
    ended: watch::Sender<bool>,
    reading: JoinHandle<Result<Histogram<u64>>>,
) -> Result<Histogram<u64>> {
    let record = |sent: u64| {
        let mut data = sent.to_be_bytes().to_vec();
        data.resize(RECORD_BYTES, b'x');
        Record { key: "customer-7".to_owned(), data }
    };
    let mut producer = service.producer(0).await?;
    let mut put = 0;
    let mut tick = interval(Duration::from_micros(1_000_000 / rate));
    while begun.elapsed() < duration {
        tick.tick().await;
        producer.put(&service.request(&[record(micros_since(begun))])?).await?;
        put += 1;
    }
    ended.send_replace(true);
    let latency_us = reading.await??;
    ensure!(latency_us.len() == put, "{put} records were put, {} arrived", latency_us.len());
    Ok(latency_us)
}

/// Polls until putting has ended and nothing more is there.
async fn poll<R: Reader>(
    mut reader: R,
    begun: Instant,
    is_over: watch::Receiver<bool>,
) -> Result<Histogram<u64>> {
    let mut latency_us = Histogram::<u64>::new(3)?;
    let mut tick = interval(Duration::from_millis(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let is_over = *is_over.borrow();
        let page = reader.next().await?;
        note_latency(&page, begun, &mut latency_us)?;
        if is_over && page.is_last() {
            return Ok(latency_us);
        }
    }
}

/// Takes events until putting has ended, and then until nothing comes for a while.
async fn follow(
    mut subscription: Subscription,
    begun: Instant,
    mut is_over: watch::Receiver<bool>,
) -> Result<Histogram<u64>> {
    let mut latency_us = Histogram::<u64>::new(3)?;
    loop {
        tokio::select! {
            event = subscription.next() => note_latency(&event?, begun, &mut latency_us)?,
            _ = is_over.wait_for(|is_over| *is_over) => break,
        }
    }
    while let Ok(event) = timeout(QUIET, subscription.next()).await {
        note_latency(&event?, begun, &mut latency_us)?;
    }
    Ok(latency_us)
}

/// Notes how long ago the records of a page were sent.
fn note_latency(page: &impl Page, begun: Instant, latency_us: &mut Histogram<u64>) -> Result<()> {
    let arrived = micros_since(begun);
    let mut recorded = Ok(());
    page.each(|_, data| {
        let sent = data.first_chunk().map(|sent| u64::from_be_bytes(*sent)).unwrap_or_default();
        recorded = latency_us.record(arrived.saturating_sub(sent));
    })?;
    Ok(recorded?)
}

fn micros_since(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)
}
