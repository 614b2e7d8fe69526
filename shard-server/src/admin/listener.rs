//! A port of HTTP/1.1 and HTTP/2 (by prior knowledge) that drains before it closes.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{AbortHandle, AbortRegistration, Abortable};
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::Termination;
use super::exchange::{Exchange, ExchangeExecutor};

/// How long requests under way may take once the process ends. Kubernetes kills after 30 s.
const DRAIN: Duration = Duration::from_secs(20);
/// How long a client may take to say which protocol it speaks, and over HTTP/1.1 to send a request's head, or to send
/// another request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// What a client of HTTP/2 sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long to wait for the rest of a preface that came in parts.
const PREFACE_PAUSE: Duration = Duration::from_millis(50);
/// How often an HTTP/2 client is asked whether it still lives, and how long it may take to answer.
const PING: Duration = Duration::from_secs(20);
/// How long a client may take nothing of what it was sent, in milliseconds, before its connection is ended.
const STALL_MS: u32 = 30_000;
/// How long a connection is silent before the system asks whether the client is still there, and between asking again.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// What an HTTP/1.1 connection reads ahead, a head included, and what is taken from an answer before it is sent.
const BUFFER_BYTES: usize = 64 << 10;
/// How long to wait after the system refused to accept, which it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the connections of a port may take in memory before anybody reads a body: `connections` times
/// `connection_window_bytes`, as that is no less than what one of HTTP/1.1 reads ahead.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections; more wait in the kernel's queue.
    pub connections: usize,
    /// The most requests under way on one HTTP/2 connection.
    pub streams: u32,
    /// What a client may send on one HTTP/2 stream before it has to wait.
    pub stream_window_bytes: u32,
    /// What it may send on all streams of a connection. More than a stream's, so that one that waits stops no other.
    pub connection_window_bytes: u32,
}

impl Limits {
    /// Of a port for applications, which may be many: 256 MiB.
    pub const APPLICATIONS: Self = Self {
        connections: 1024,
        streams: 128,
        stream_window_bytes: 128 << 10,
        connection_window_bytes: 256 << 10,
    };
    /// Of a port for parts of Kinetes, which are few and send much over one connection: 128 MiB.
    pub const PARTS: Self = Self {
        connections: 128,
        streams: 1024,
        stream_window_bytes: 512 << 10,
        connection_window_bytes: 1 << 20,
    };
}

/// A connection, for those who may have to end it. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Connection(AbortHandle);

impl Connection {
    /// The handle of a connection, and what its task is registered by.
    #[must_use]
    pub fn new() -> (Self, AbortRegistration) {
        let (handle, registration) = AbortHandle::new_pair();
        (Self(handle), registration)
    }

    /// Ends it now, with all that is under way on it; false if it was ended before.
    pub fn end(&self) -> bool {
        let is_new = !self.0.is_aborted();
        self.0.abort();
        is_new
    }
}

/// Serves connections of parts of Kinetes, as [`serve_each`].
pub async fn serve<S, B>(listener: TcpListener, service: S, termination: Termination)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    serve_each(listener, Limits::PARTS, |_| service.clone(), termination).await;
}

/// Serves connections, each by a service of its own, until the process is told to end; then accepts no more, lets what is
/// under way finish (for 20 s at most) and returns.
pub async fn serve_each<S, B>(
    listener: TcpListener,
    limits: Limits,
    service_of: impl Fn(Connection) -> S,
    termination: Termination,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let builder = builder(limits);
    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let accepted = tokio::select! {
            () = termination.ordered() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((socket, place)) = accepted else { continue };
        let (connection, registration) = Connection::new();
        let handle = connection.0.clone();
        let service = service_of(connection);
        let (watcher, builder, termination) = (connections.watcher(), builder.clone(), termination.clone());
        let served = async move {
            let begun = tokio::select! {
                () = termination.ordered() => None,
                begun = begun(&socket) => begun,
            };
            if begun.is_none() {
                return;
            }
            let serving = builder.serve_connection(TokioIo::new(socket), service);
            if let Err(error) = watcher.watch(serving.into_owned()).await {
                tracing::debug!(%error, "connection ended");
            }
        };
        tokio::spawn(async move {
            if Exchange::run(handle, Abortable::new(served, registration)).await.is_err() {
                tracing::debug!("connection was ended");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, connections.shutdown()).await.is_err() {
        tracing::warn!(
            seconds = DRAIN.as_secs(),
            "requests under way did not finish in time and are dropped"
        );
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((socket, _)) => {
            // Answers are small and waited for: never hold them back to fill a packet.
            let _ = socket.set_nodelay(true);
            // A client that takes nothing at all for so long is gone, or might as well be.
            let _ = sockopt::set_tcp_user_timeout(&socket, STALL_MS);
            // One that is gone without a word is found out.
            let _ = sockopt::set_socket_keepalive(&socket, true);
            let _ = sockopt::set_tcp_keepidle(&socket, KEEPALIVE);
            let _ = sockopt::set_tcp_keepintvl(&socket, KEEPALIVE);
            Some((socket, place))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Waits until a client has said which protocol it speaks, for which hyper would wait for ever.
async fn begun(socket: &TcpStream) -> Option<()> {
    let mut seen = [0; PREFACE.len()];
    let said = async {
        loop {
            let bytes = socket.peek(&mut seen).await.ok()?;
            if bytes == 0 || bytes == PREFACE.len() || !PREFACE.starts_with(&seen[..bytes]) {
                return (bytes > 0).then_some(());
            }
            tokio::time::sleep(PREFACE_PAUSE).await;
        }
    };
    tokio::time::timeout(HEAD_TIMEOUT, said).await.ok().flatten()
}

fn builder(limits: Limits) -> Builder<ExchangeExecutor> {
    let mut builder = Builder::new(ExchangeExecutor);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_send_buf_size(BUFFER_BYTES)
        .initial_stream_window_size(limits.stream_window_bytes)
        .initial_connection_window_size(limits.connection_window_bytes)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;
    use http_body_util::{Empty, Full};
    use hyper::service::service_fn;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn request_under_way_is_answered_and_no_new_connection_taken_once_the_process_ends() {
        let (begun, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (service_begun, service_finish) = (begun.clone(), finish.clone());
        let service = service_fn(move |_| {
            let (begun, finish) = (service_begun.clone(), service_finish.clone());
            async move {
                begun.notify_one();
                finish.notified().await;
                Ok(Response::new(Full::new(Bytes::from("done"))))
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, termination) = Termination::by_hand();
        let serving = tokio::spawn(serve(listener, service, termination));

        let socket = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), socket).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder().uri("http://member/").body(Empty::<Bytes>::new()).unwrap();
        let answer = tokio::spawn(async move { sender.send_request(request).await });
        begun.notified().await;

        end.send_replace(true);
        let refused = async {
            while TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), refused).await.unwrap();
        assert!(!serving.is_finished());
        finish.notify_one();
        assert_eq!(answer.await.unwrap().unwrap().status(), StatusCode::OK);
        tokio::time::timeout(Duration::from_secs(10), serving).await.unwrap().unwrap();
    }

    /// A port of services that answer nothing but 200.
    async fn port(limits: Limits) -> (tokio::sync::watch::Sender<bool>, std::net::SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, termination) = Termination::by_hand();
        let service = |_| service_fn(|_| async { Ok(Response::new(Empty::<Bytes>::new())) });
        tokio::spawn(serve_each(listener, limits, service, termination));
        (end, address)
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_does_not_say_what_it_speaks_is_left() {
        let (_end, address) = port(Limits::APPLICATIONS).await;
        for said in ["", "P", "PRI * HTTP/2.0\r\n"] {
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(said.as_bytes()).await.unwrap();
            // The end of a connection with unread bytes is a reset.
            assert_eq!(socket.read(&mut [0; 16]).await.unwrap_or(0), 0, "{said}");
        }
    }

    #[tokio::test]
    async fn preface_in_parts_is_a_preface() {
        let (_end, address) = port(Limits::APPLICATIONS).await;
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(&PREFACE[..5]).await.unwrap();
        tokio::task::yield_now().await;
        socket.write_all(&PREFACE[5..]).await.unwrap();
        let mut head = [0; 9];
        socket.read_exact(&mut head).await.unwrap();
        assert_eq!(head[3], SETTINGS);
    }

    const SETTINGS: u8 = 4;
    const INITIAL_WINDOW_SIZE: u16 = 4;
    const WINDOW_UPDATE: u8 = 8;
    /// What a connection takes before the first update of its window (RFC 9113, 6.9.2).
    const FIRST_WINDOW_BYTES: u32 = 65_535;

    #[tokio::test]
    async fn client_of_http_2_is_told_the_windows_that_the_bound_counts_on() {
        for limits in [Limits::APPLICATIONS, Limits::PARTS] {
            let (_end, address) = port(limits).await;
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(PREFACE).await.unwrap();
            socket.write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]).await.unwrap();
            let (mut stream, mut connection) = (None, None);
            while stream.is_none() || connection.is_none() {
                let mut head = [0; 9];
                socket.read_exact(&mut head).await.unwrap();
                let mut payload = vec![0; usize::from(head[2])];
                socket.read_exact(&mut payload).await.unwrap();
                let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
                match head[3] {
                    SETTINGS => {
                        let settings = payload.chunks(6);
                        let window = settings.filter(|s| s[..2] == INITIAL_WINDOW_SIZE.to_be_bytes());
                        stream = stream.or(window.map(|setting| number(&setting[2..])).next());
                    }
                    WINDOW_UPDATE => connection = Some(FIRST_WINDOW_BYTES + number(&payload)),
                    _ => {}
                }
            }
            assert_eq!(stream, Some(limits.stream_window_bytes));
            assert_eq!(connection, Some(limits.connection_window_bytes));
        }
    }
}
