//! Redis Streams: a stream a shard, the requests pipelined.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline, Value, cmd, pipe};

use super::{Page, Producer, Reader, Service, Start};
use crate::records::Record;

/// Entries that a reader asks for at once.
const LIMIT: usize = 10_000;

/// How long an answer may take: the library's own half a second is less than a busy disk needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The streams of a server.
pub struct Redis {
    address: SocketAddr,
    shards: AtomicU32,
}

impl Redis {
    /// A server without streams.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, shards: AtomicU32::new(0) }
    }

    async fn connect(&self) -> Result<MultiplexedConnection> {
        let client = Client::open(format!("redis://{}", self.address))?;
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
    }
}

impl Service for Redis {
    type Request = Pipeline;
    type Producer = Connection;
    type Reader = StreamReader;

    /// A stream is made by its first entry.
    async fn create(&self, shards: u32) -> Result<()> {
        self.shards.store(shards, Ordering::Relaxed);
        self.connect().await?;
        Ok(())
    }

    fn request(&self, records: &[Record]) -> Result<Pipeline> {
        let shards = self.shards.load(Ordering::Relaxed) as usize;
        let mut pipeline = pipe();
        for record in records {
            let shard = crc32c::crc32c(record.key.as_bytes()) as usize % shards;
            pipeline.cmd("XADD").arg(name(shard)).arg("*").arg(&record.key).arg(&record.data);
        }
        Ok(pipeline)
    }

    async fn producer(&self, _: usize) -> Result<Connection> {
        Ok(Connection(self.connect().await?))
    }

    async fn readers(&self, start: Start) -> Result<Vec<StreamReader>> {
        let mut readers = vec![];
        for shard in 0..self.shards.load(Ordering::Relaxed) as usize {
            let mut connection = self.connect().await?;
            let mut last = "0-0".to_owned();
            if start == Start::Newest {
                let newest: Value = cmd("XREVRANGE")
                    .arg(name(shard))
                    .arg("+")
                    .arg("-")
                    .arg("COUNT")
                    .arg(1)
                    .query_async(&mut connection)
                    .await?;
                if let Some((id, _)) = entries(&newest).last() {
                    last = String::from_utf8_lossy(id).into_owned();
                }
            }
            readers.push(StreamReader { connection, name: name(shard), last });
        }
        Ok(readers)
    }
}

/// A connection that puts.
pub struct Connection(MultiplexedConnection);

impl Producer for Connection {
    type Request = Pipeline;

    async fn put(&mut self, request: &Pipeline) -> Result<()> {
        let _: Vec<String> = request.query_async(&mut self.0).await?;
        Ok(())
    }
}

/// A reader of one stream.
pub struct StreamReader {
    connection: MultiplexedConnection,
    name: String,
    last: String,
}

impl Reader for StreamReader {
    type Page = Entries;

    async fn next(&mut self) -> Result<Entries> {
        let from = format!("({}", self.last);
        let mut range = cmd("XRANGE");
        range.arg(&self.name).arg(from).arg("+").arg("COUNT").arg(LIMIT);
        let page = Entries(range.query_async(&mut self.connection).await?);
        if let Some((id, _)) = entries(&page.0).last() {
            self.last = String::from_utf8_lossy(id).into_owned();
        }
        Ok(page)
    }
}

/// An answer to XRANGE.
pub struct Entries(Value);

impl Page for Entries {
    fn count(&self) -> u64 {
        entries(&self.0).count() as u64
    }

    fn is_last(&self) -> bool {
        self.count() == 0
    }

    fn each(&self, mut visit: impl FnMut(&[u8], &[u8])) -> Result<()> {
        for (_, fields) in entries(&self.0) {
            let [Value::BulkString(key), Value::BulkString(data)] = fields else {
                return Err(anyhow::anyhow!("an entry without one field")).context("XRANGE");
            };
            visit(key, data);
        }
        Ok(())
    }
}

/// Identifier and fields of each entry.
fn entries(answer: &Value) -> impl Iterator<Item = (&[u8], &[Value])> {
    let list = if let Value::Array(list) = answer { &list[..] } else { &[] };
    list.iter().filter_map(|entry| match entry {
        Value::Array(parts) => match &parts[..] {
            [Value::BulkString(id), Value::Array(fields)] => Some((&id[..], &fields[..])),
            _ => None,
        },
        _ => None,
    })
}

fn name(shard: usize) -> String {
    format!("bench-{shard}")
}
