//! A Kinesis endpoint over HTTP/1.1 and JSON, with signed requests. Bodies are made and signed before the clock starts.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use memchr::memmem;
use serde_json::{Value, json};

use super::{Page, Producer, Reader, Service, Start};
use crate::records::Record;

/// The most records that GetRecords takes.
const LIMIT: u32 = 10_000;

/// A stream of an endpoint.
#[derive(Clone)]
pub struct Kinesis {
    /// Where the endpoint is.
    pub address: SocketAddr,
    /// The stream's name.
    pub stream: String,
    /// Requests that put tell the SHA-256 of their body, which the endpoint then computes too.
    pub hashed: bool,
}

impl Kinesis {
    /// Reads a record that arrived at this time, in milliseconds since 1970, or later.
    ///
    /// # Errors
    /// If there is none.
    pub async fn read_at(&self, arrival_ms: u64) -> Result<()> {
        let mut connection = Connection::open(self.address).await?;
        let request = json!({
            "StreamName": self.stream,
            "ShardId": "shardId-000000000000",
            "ShardIteratorType": "AT_TIMESTAMP",
            "Timestamp": arrival_ms as f64 / 1e3,
        });
        let answer: Value = serde_json::from_slice(&connection.call("GetShardIterator", &request).await?)?;
        let request = json!({"ShardIterator": answer["ShardIterator"], "Limit": 1});
        let answer = Records(connection.call("GetRecords", &request).await?);
        ensure!(answer.count() == 1, "no record from {arrival_ms} on");
        Ok(())
    }
}

impl Service for Kinesis {
    type Request = Request<Full<Bytes>>;
    type Producer = Connection;
    type Reader = ShardReader;

    async fn create(&self, shards: u32) -> Result<()> {
        let mut connection = Connection::open(self.address).await?;
        let stream = &self.stream;
        connection.call("CreateStream", &json!({"StreamName": stream, "ShardCount": shards})).await?;
        loop {
            let answer = connection.call("DescribeStreamSummary", &json!({"StreamName": stream})).await?;
            let summary: Value = serde_json::from_slice(&answer)?;
            if summary["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE" {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn request(&self, records: &[Record]) -> Result<Self::Request> {
        let fields = |record: &Record| {
            json!({
                "Data": base64_simd::STANDARD.encode_to_string(&record.data),
                "PartitionKey": record.key,
            })
        };
        let (operation, body) = if let [record] = records {
            let mut body = fields(record);
            body["StreamName"] = self.stream.clone().into();
            ("PutRecord", body)
        } else {
            let records: Vec<_> = records.iter().map(fields).collect();
            ("PutRecords", json!({"StreamName": self.stream, "Records": records}))
        };
        signed(self.address, operation, &body, self.hashed)
    }

    async fn producer(&self, _: usize) -> Result<Connection> {
        Connection::open(self.address).await
    }

    async fn readers(&self, start: Start) -> Result<Vec<ShardReader>> {
        let mut connection = Connection::open(self.address).await?;
        let answer = connection.call("ListShards", &json!({"StreamName": self.stream})).await?;
        let shards: Value = serde_json::from_slice(&answer)?;
        let mut readers = vec![];
        for shard in shards["Shards"].as_array().context("an answer to ListShards without Shards")? {
            let start = if start == Start::Oldest { "TRIM_HORIZON" } else { "LATEST" };
            let request = json!({
                "StreamName": self.stream,
                "ShardId": shard["ShardId"],
                "ShardIteratorType": start,
            });
            let answer: Value =
                serde_json::from_slice(&connection.call("GetShardIterator", &request).await?)?;
            let iterator = answer["ShardIterator"].as_str().context("no ShardIterator")?.to_owned();
            readers.push(ShardReader { connection: Connection::open(self.address).await?, iterator });
        }
        Ok(readers)
    }
}

/// A connection to an endpoint.
pub struct Connection {
    address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Opens one.
    ///
    /// # Errors
    /// If the endpoint cannot be reached.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        Ok(Self { address, sender: sender(address).await? })
    }

    /// Signs and sends a request, and gives the body of its answer.
    ///
    /// # Errors
    /// If the answer is not 200.
    pub async fn call(&mut self, operation: &str, body: &Value) -> Result<Bytes> {
        let (status, answer) = self.send(signed(self.address, operation, body, false)?).await?;
        ensure!(status == StatusCode::OK, "{operation}: {status} {}", String::from_utf8_lossy(&answer));
        Ok(answer)
    }

    /// Signs and sends a request, and gives the body of its answer as it comes.
    ///
    /// # Errors
    /// If the answer is not 200.
    pub async fn stream(&mut self, operation: &str, body: &Value) -> Result<Incoming> {
        let request = signed(self.address, operation, body, false)?;
        let answer = self.answer(request).await?;
        let (status, body) = (answer.status(), answer.into_body());
        if status != StatusCode::OK {
            let text = body.collect().await.context("an answer broke off")?.to_bytes();
            bail!("{operation}: {status} {}", String::from_utf8_lossy(&text));
        }
        Ok(body)
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes)> {
        let answer = self.answer(request).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await.context("an answer broke off")?.to_bytes()))
    }

    async fn answer(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        // Some endpoints close the connection now and then.
        if self.sender.ready().await.is_err() {
            self.sender = sender(self.address).await?;
        }
        self.sender.send_request(request).await.context("no answer")
    }
}

impl Producer for Connection {
    type Request = Request<Full<Bytes>>;

    async fn put(&mut self, request: &Self::Request) -> Result<()> {
        let (status, answer) = self.send(request.clone()).await?;
        ensure!(status == StatusCode::OK, "{status} {}", String::from_utf8_lossy(&answer));
        let Some(failed) = number_behind(&answer, b"\"FailedRecordCount\"") else { return Ok(()) };
        ensure!(failed == 0, "{failed} records of a request failed");
        Ok(())
    }
}

/// A reader of one shard.
pub struct ShardReader {
    connection: Connection,
    iterator: String,
}

impl Reader for ShardReader {
    type Page = Records;

    async fn next(&mut self) -> Result<Records> {
        let body = json!({"ShardIterator": self.iterator, "Limit": LIMIT});
        loop {
            let request = signed(self.connection.address, "GetRecords", &body, false)?;
            let (status, answer) = self.connection.send(request).await?;
            if status == StatusCode::OK {
                let next = text_behind(&answer, b"\"NextShardIterator\"");
                self.iterator = next.context("an open shard without NextShardIterator")?;
                return Ok(Records(answer));
            }
            let text = String::from_utf8_lossy(&answer);
            if !text.contains("ProvisionedThroughputExceeded") {
                bail!("GetRecords: {status} {text}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// An answer to GetRecords, or an event of a subscription.
pub struct Records(pub(super) Bytes);

impl Page for Records {
    fn count(&self) -> u64 {
        memmem::find_iter(&self.0, b"\"SequenceNumber\"").count() as u64
    }

    fn is_last(&self) -> bool {
        memmem::find(&self.0, b"\"SequenceNumber\"").is_none()
            && number_behind(&self.0, b"\"MillisBehindLatest\"") == Some(0)
    }

    fn each(&self, mut visit: impl FnMut(&[u8], &[u8])) -> Result<()> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer<'a> {
            #[serde(borrow)]
            records: Vec<Item<'a>>,
        }
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Item<'a> {
            #[serde(borrow)]
            partition_key: Cow<'a, str>,
            #[serde(borrow)]
            data: Cow<'a, str>,
        }
        let answer: Answer<'_> = sonic_rs::from_slice(&self.0)?;
        let mut data = vec![];
        for item in answer.records {
            data.clear();
            base64_simd::STANDARD.decode_append(item.data.as_bytes(), &mut data)?;
            visit(item.partition_key.as_bytes(), &data);
        }
        Ok(())
    }
}

/// A connection of HTTP/1.1.
///
/// # Errors
/// If nobody listens at the address.
pub async fn sender(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move { connection.await.ok() });
    Ok(sender)
}

fn signed(address: SocketAddr, operation: &str, body: &Value, hashed: bool) -> Result<Request<Full<Bytes>>> {
    let body = Bytes::from(serde_json::to_vec(body)?);
    let target = format!("Kinesis_20131202.{operation}");
    let mut request = Request::post("/")
        .header("host", address.to_string())
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", &target)
        .body(Full::new(body.clone()))?;
    let identity: Identity = Credentials::new("AKIDEXAMPLE", "example", None, None, "bench").into();
    let mut settings = SigningSettings::default();
    if hashed {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("kinesis")
        .time(SystemTime::now())
        .settings(settings)
        .build()?
        .into();
    let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", &target)];
    let uri = format!("http://{address}/");
    let signable = SignableRequest::new("POST", &uri, headers.into_iter(), SignableBody::Bytes(&body))?;
    let (instructions, _) = sign(signable, &parameters)?.into_parts();
    instructions.apply_to_request_http1x(&mut request);
    Ok(request)
}

/// The text behind a name, found without parsing what lies before: the data is base64 and holds no quotation mark.
fn text_behind(answer: &[u8], name: &[u8]) -> Option<String> {
    let value = &answer[memmem::rfind(answer, name)? + name.len()..];
    let text = &value[memchr::memchr(b'"', value)? + 1..];
    Some(String::from_utf8_lossy(&text[..memchr::memchr(b'"', text)?]).into_owned())
}

fn number_behind(answer: &[u8], name: &[u8]) -> Option<u64> {
    let value = &answer[memmem::rfind(answer, name)? + name.len()..];
    let digits =
        value.iter().skip_while(|byte| !byte.is_ascii_digit()).take_while(|byte| byte.is_ascii_digit());
    digits.map(|digit| u64::from(digit - b'0')).reduce(|number, digit| number * 10 + digit)
}
