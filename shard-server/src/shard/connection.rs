//! A kept HTTP/2 connection to one member of a group.

use std::fmt::Debug;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
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

/// Opens connections to one member.
pub trait Dialer: Debug + Send + Sync {
    /// Opens one. Takes 2 s at most.
    fn dial(&self) -> BoxFuture<'_, io::Result<Sender>>;
}

/// Connects by TCP to `host:port`. The name is looked up each time, as a pod that restarts gets another IP.
#[derive(Debug)]
pub struct TcpDialer(pub String);

/// The connection to one member.
#[derive(Debug)]
pub struct Connection {
    dialer: Box<dyn Dialer>,
    slot: Mutex<Option<Sender>>,
    /// Held while another is opened beside the open one.
    replacing: tokio::sync::Mutex<()>,
}

impl Connection {
    /// None is open yet.
    pub fn new(dialer: Box<dyn Dialer>) -> Self {
        Self { dialer, slot: Mutex::default(), replacing: tokio::sync::Mutex::default() }
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
        let sender = self.dialer.dial().await?;
        tracing::debug!(dialer = ?self.dialer, "connected");
        *self.slot() = Some(sender.clone());
        Ok(sender)
    }

    /// Opens another, unless that is under way: the name may lead to another pod by now. Calls take the open one until
    /// then, and those under way continue over it.
    pub async fn replace(&self) {
        if let Ok(_replacing) = self.replacing.try_lock()
            && let Err(error) = self.connect().await
        {
            tracing::debug!(dialer = ?self.dialer, %error, "not connected anew");
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Sender>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dialer for TcpDialer {
    fn dial(&self) -> BoxFuture<'_, io::Result<Sender>> {
        Box::pin(async {
            let connecting = async {
                let socket = connect_any(&self.0).await?;
                socket.set_nodelay(true)?;
                handshake(socket).await
            };
            let timed_out = |_| io::Error::from(io::ErrorKind::TimedOut);
            tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.map_err(timed_out)?
        })
    }
}

/// Begins HTTP/2 over an open socket.
///
/// # Errors
/// If the member does not speak it.
pub async fn handshake<S>(socket: S) -> io::Result<Sender>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_PERIOD)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .max_frame_size(Limits::PARTS.frame_bytes)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .handshake(TokioIo::new(socket))
        .await
        .map_err(io::Error::other)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{DuplexStream, duplex};
    use tokio::sync::Notify;

    /// Opens a pipe each time it is told to, and keeps the other ends.
    #[derive(Debug, Default)]
    struct ToldDialer(Notify, Mutex<Vec<DuplexStream>>);

    impl Dialer for &'static ToldDialer {
        fn dial(&self) -> BoxFuture<'_, io::Result<Sender>> {
            Box::pin(async {
                self.0.notified().await;
                let (ours, theirs) = duplex(1 << 10);
                self.1.lock().unwrap().push(theirs);
                handshake(ours).await
            })
        }
    }

    #[tokio::test]
    async fn open_connection_serves_until_another_is_open() {
        let dialer: &ToldDialer = Box::leak(Box::default());
        let connection = Connection::new(Box::new(dialer));
        dialer.0.notify_one();
        connection.connect().await.unwrap();
        let mut replacing = std::pin::pin!(connection.replace());
        assert!(futures::poll!(replacing.as_mut()).is_pending());
        assert!(connection.open().is_some());
        connection.replace().await;
        assert_eq!(dialer.1.lock().unwrap().len(), 1, "one is opened at a time");
        dialer.0.notify_one();
        replacing.await;
        assert!(connection.open().is_some());
        assert_eq!(dialer.1.lock().unwrap().len(), 2);
    }
}
