//! A kept HTTP/2 connection to one member of a group.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpStream, lookup_host};

use super::body::Pieces;

/// Sends requests over one connection, many at a time.
pub type Sender = http2::SendRequest<Pieces>;

/// How long one attempt to connect may take, including the name lookup.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The pause between attempts: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LAST_PAUSE: Duration = Duration::from_millis(500);
/// A dead node is detected after the sum of these two.
const PING_PERIOD: Duration = Duration::from_secs(2);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// The flow-control windows of a stream and of the connection. [`crate::gateway`] bounds the streams that are not read
/// now, so that they cannot fill the window of the connection.
pub const STREAM_WINDOW_BYTES: u32 = 128 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// The connection to one address. It is opened on demand, and again after it broke. The name is looked up each time, as
/// a pod that restarts gets another IP.
#[derive(Debug)]
pub struct Connection {
    address: String,
    slot: Mutex<Option<Sender>>,
    last_error: Mutex<String>,
    /// Locked while connecting.
    connecting: tokio::sync::Mutex<()>,
}

impl Connection {
    /// Connects to `host:port` when first asked.
    pub fn new(address: String) -> Self {
        let last_error = Mutex::new("no connection yet".into());
        Self { address, slot: Mutex::new(None), last_error, connecting: tokio::sync::Mutex::new(()) }
    }

    /// The open connection, if any.
    pub fn open(&self) -> Option<Sender> {
        self.slot().clone().filter(|sender| !sender.is_closed())
    }

    /// The connection, opened if need be. Takes any time: the caller must bound it. One caller connects, the others
    /// wait.
    pub async fn ready(&self) -> Sender {
        let _connecting = self.connecting.lock().await;
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(sender) = self.open() {
                return sender;
            }
            match connect(&self.address).await {
                Ok(sender) => {
                    tracing::debug!(address = self.address, "connected");
                    *self.slot() = Some(sender);
                }
                Err(error) => {
                    tracing::debug!(address = self.address, %error, "cannot connect");
                    *self.noted() = error.to_string();
                    tokio::time::sleep(pause).await;
                    pause = LAST_PAUSE.min(pause * 2);
                }
            }
        }
    }

    /// Drops the connection: the next call opens another one. Calls under way continue.
    pub fn forget(&self) {
        self.slot().take();
    }

    /// The last error of connecting.
    pub fn last_error(&self) -> String {
        format!("{}: {}", self.address, self.noted())
    }

    fn slot(&self) -> MutexGuard<'_, Option<Sender>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn noted(&self) -> MutexGuard<'_, String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner)
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
