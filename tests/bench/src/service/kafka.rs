//! Kafka: a partition a shard; each producer on a connection and a partition of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use anyhow::{Context, Result};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::RecordAndOffset;

use super::{Page, Producer, Reader, Service, Start};
use crate::records::Record;

const TOPIC: &str = "bench";

/// Bytes that a reader asks for at once.
const PAGE_BYTES: i32 = 8 << 20;

/// The topic of a broker.
pub struct Kafka {
    address: SocketAddr,
    partitions: AtomicU32,
}

impl Kafka {
    /// A broker without a topic.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, partitions: AtomicU32::new(0) }
    }

    async fn connect(&self) -> Result<Client> {
        Ok(ClientBuilder::new(vec![self.address.to_string()]).build().await?)
    }

    async fn partition(&self, number: u32) -> Result<PartitionClient> {
        let client = self.connect().await?;
        let partition = i32::try_from(number)?;
        Ok(client.partition_client(TOPIC, partition, UnknownTopicHandling::Retry).await?)
    }
}

impl Service for Kafka {
    type Request = Vec<rskafka::record::Record>;
    type Producer = Connection;
    type Reader = PartitionReader;

    async fn create(&self, shards: u32) -> Result<()> {
        self.partitions.store(shards, Ordering::Relaxed);
        let controller = self.connect().await?.controller_client()?;
        controller
            .create_topic(TOPIC, i32::try_from(shards)?, 1, 10_000)
            .await
            .context("the topic is not made")
    }

    fn request(&self, records: &[Record]) -> Result<Self::Request> {
        let of = |record: &Record| rskafka::record::Record {
            key: Some(record.key.clone().into_bytes()),
            value: Some(record.data.clone()),
            headers: BTreeMap::new(),
            timestamp: SystemTime::now().into(),
        };
        Ok(records.iter().map(of).collect())
    }

    async fn producer(&self, number: usize) -> Result<Connection> {
        let partitions = self.partitions.load(Ordering::Relaxed) as usize;
        Ok(Connection(self.partition(u32::try_from(number % partitions)?).await?))
    }

    async fn readers(&self, start: Start) -> Result<Vec<PartitionReader>> {
        let mut readers = vec![];
        for number in 0..self.partitions.load(Ordering::Relaxed) {
            let partition = self.partition(number).await?;
            let at = if start == Start::Oldest { OffsetAt::Earliest } else { OffsetAt::Latest };
            let offset = partition.get_offset(at).await?;
            readers.push(PartitionReader { partition, offset });
        }
        Ok(readers)
    }
}

/// A connection that puts, acknowledged by all replicas (there is one).
pub struct Connection(PartitionClient);

impl Producer for Connection {
    type Request = Vec<rskafka::record::Record>;

    async fn put(&mut self, request: &Self::Request) -> Result<()> {
        self.0.produce(request.clone(), Compression::NoCompression).await?;
        Ok(())
    }
}

/// A reader of one partition.
pub struct PartitionReader {
    partition: PartitionClient,
    offset: i64,
}

impl Reader for PartitionReader {
    type Page = Fetched;

    async fn next(&mut self) -> Result<Fetched> {
        let (records, _) = self.partition.fetch_records(self.offset, 1..PAGE_BYTES, 1).await?;
        if let Some(last) = records.last() {
            self.offset = last.offset + 1;
        }
        Ok(Fetched(records))
    }
}

/// An answer to Fetch.
pub struct Fetched(Vec<RecordAndOffset>);

impl Page for Fetched {
    fn count(&self) -> u64 {
        self.0.len() as u64
    }

    fn is_last(&self) -> bool {
        self.0.is_empty()
    }

    fn each(&self, mut visit: impl FnMut(&[u8], &[u8])) -> Result<()> {
        for RecordAndOffset { record, .. } in &self.0 {
            let (key, data) = (record.key.as_deref(), record.value.as_deref());
            visit(key.context("a record without key")?, data.context("a record without value")?);
        }
        Ok(())
    }
}
