//! A kept HTTP/2 connection to one member of a group.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpStream, lookup_host};

use super::body::Pieces;
use crate::admin::Limits;

/// Sends requests over one connection, many at a time.
pub type Sender = http2::SendRequest<Pieces>;

/// How long one attempt to connect may take, including the name lookup.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A dead node is detected after the sum of these two.
const PING_PERIOD: Duration = Duration::from_secs(2);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// The flow-control windows of a stream and of the connection. [`crate::gateway`] bounds the streams that are not read
/// now, so that they cannot fill the window of the connection.
pub const STREAM_WINDOW_BYTES: u32 = 512 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// The connection to one address. The name is looked up each time it is opened, as a pod that restarts gets another IP.
#[derive(Debug)]
pub struct Connection {
    address: String,
    slot: Mutex<Option<Sender>>,
}

impl Connection {
    /// Will connect to `host:port`.
    pub fn new(address: String) -> Self {
        Self { address, slot: Mutex::new(None) }
    }

    /// The open connection, if any.
    pub fn open(&self) -> Option<Sender> {
        self.slot().clone().filter(|sender| !sender.is_closed())
    }

    /// Opens it. Takes 2 s at most.
    ///
    /// # Errors
    /// If nobody answers.
    pub async fn connect(&self) -> io::Result<Sender> {
        let sender = connect(&self.address).await?;
        tracing::debug!(address = self.address, "connected");
        *self.slot() = Some(sender.clone());
        Ok(sender)
    }

    /// Drops the connection: the next call opens another one. Calls under way continue.
    pub fn forget(&self) {
        self.slot().take();
    }

    fn slot(&self) -> MutexGuard<'_, Option<Sender>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(address: &str) -> io::Result<Sender> {
    let (sender, connection) = tokio::time::timeout(CONNECT_TIMEOUT, async {
        let socket = connect_any(address).await?;
        socket.set_nodelay(true)?;
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_PERIOD)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .max_frame_size(Limits::PARTS.frame_bytes)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(io::Error::other)
    })
    .await
    .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to a group broke");
        }
    });
    Ok(sender)
}

/// The first of the name's addresses that answers.
async fn connect_any(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host(address).await? {
        match TcpStream::connect(address).await {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}
