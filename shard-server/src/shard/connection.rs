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

/// How long one attempt to connect may take, names included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait between attempts: first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LAST_PAUSE: Duration = Duration::from_millis(500);
/// A node that went away is noticed after these two together.
const PING_PERIOD: Duration = Duration::from_secs(2);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// What the member may send on one stream, and on all of the connection, before it has to wait. As many streams as there
/// may be that nobody takes from now ([`crate::gateway`] bounds them) leave the connection to the others.
pub const STREAM_WINDOW_BYTES: u32 = 128 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// The connection to one address, made when it is needed and again when it broke. The name is looked up each time: a
/// pod that restarts has another IP.
#[derive(Debug)]
pub struct Connection {
    address: String,
    slot: Mutex<Option<Sender>>,
    last_error: Mutex<String>,
    /// Held by the one who connects.
    connecting: tokio::sync::Mutex<()>,
}

impl Connection {
    /// Connects to `host:port` when first asked.
    pub fn new(address: String) -> Self {
        let last_error = Mutex::new("no connection yet".into());
        Self { address, slot: Mutex::new(None), last_error, connecting: tokio::sync::Mutex::new(()) }
    }

    /// The connection, if it is there.
    pub fn open(&self) -> Option<Sender> {
        self.slot().clone().filter(|sender| !sender.is_closed())
    }

    /// The connection, however long it takes to make it: bound it from outside. One caller connects, others wait for it.
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

    /// Gives the connection up: the next call connects anew. What is under way on it goes on.
    pub fn forget(&self) {
        self.slot().take();
    }

    /// Why there was no connection, the last time there was none.
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
