//! Serves HTTP/1.1 and HTTP/2 (by prior knowledge) on a port, and drains connections before it closes.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use futures::future::Abortable;
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

/// How long requests under way may take after termination began. Kubernetes kills after 30 s.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a client may take to send the first bytes of a connection, and over HTTP/1.1 the head of each request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The first bytes of an HTTP/2 client.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long to wait for more of an incomplete preface.
const PREFACE_PAUSE: Duration = Duration::from_millis(50);
/// How often an HTTP/2 client is pinged, and how long it may take to answer.
const PING_PERIOD: Duration = Duration::from_secs(20);
/// How long a client may leave sent bytes unacknowledged, in milliseconds, before its connection is closed.
const STALL_MS: u32 = 30_000;
/// How long a connection is idle before the first TCP keepalive probe, and the time between probes.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// The read buffer of an HTTP/1.1 connection, and the most bytes that are taken from an answer before they are sent.
const BUFFER_BYTES: usize = 64 << 10;
/// How long to wait after a failed accept, such as when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The limits of a port. Unread bodies take at most `connections` times `connection_window_bytes` of memory, as a
/// window is no smaller than the read buffer of HTTP/1.1.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections; further ones wait in the kernel's queue.
    pub connections: usize,
    /// The most concurrent requests on one HTTP/2 connection.
    pub streams: u32,
    /// The flow-control window of an HTTP/2 stream.
    pub stream_window_bytes: u32,
    /// The flow-control window of an HTTP/2 connection. Larger than that of a stream, so that a stream that is not read
    /// does not block the others.
    pub connection_window_bytes: u32,
}

impl Limits {
    /// For a port of applications, which may be many: 256 MiB.
    pub const APPLICATIONS: Self = Self {
        connections: 1024,
        streams: 128,
        stream_window_bytes: 128 << 10,
        connection_window_bytes: 256 << 10,
    };
    /// For a port of parts of Kinetes, which are few and send much over one connection: 128 MiB.
    pub const PARTS: Self = Self {
        connections: 128,
        streams: 1024,
        stream_window_bytes: 512 << 10,
        connection_window_bytes: 1 << 20,
    };
}

/// Serves connections until termination is ordered. Then it accepts no more connections, lets requests under way finish
/// (for 20 s at most) and returns.
pub async fn serve<S, B>(listener: TcpListener, limits: Limits, service: S, termination: Termination)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let builder = builder(limits);
    let connections = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(limits.connections));
    loop {
        let accepted = tokio::select! {
            () = termination.ordered() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((socket, permit)) = accepted else { continue };
        let (exchange, registration) = Exchange::of_connection();
        let (service, builder) = (service.clone(), builder.clone());
        let (watcher, termination) = (connections.watcher(), termination.clone());
        let served = async move {
            let has_sent = tokio::select! {
                () = termination.ordered() => None,
                has_sent = first_bytes(&socket) => has_sent,
            };
            if has_sent.is_none() {
                return;
            }
            let serving = builder.serve_connection(TokioIo::new(socket), service);
            if let Err(error) = watcher.watch(serving.into_owned()).await {
                tracing::debug!(%error, "connection ended");
            }
        };
        tokio::spawn(async move {
            if exchange.run(Abortable::new(served, registration)).await.is_err() {
                tracing::debug!("connection was closed");
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, connections.shutdown()).await.is_err() {
        tracing::warn!(
            seconds = DRAIN_TIMEOUT.as_secs(),
            "requests under way did not finish in time and are dropped"
        );
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((socket, _)) => {
            // Answers are small, and clients wait for them: do not delay them to fill a packet.
            let _ = socket.set_nodelay(true);
            // A client that acknowledges nothing for so long is dead or stalled.
            let _ = sockopt::set_tcp_user_timeout(&socket, STALL_MS);
            // Detects clients that vanished without closing the connection.
            let _ = sockopt::set_socket_keepalive(&socket, true);
            let _ = sockopt::set_tcp_keepidle(&socket, KEEPALIVE);
            let _ = sockopt::set_tcp_keepintvl(&socket, KEEPALIVE);
            Some((socket, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Waits for the bytes that tell which protocol a client speaks; hyper would wait for them without a limit.
async fn first_bytes(socket: &TcpStream) -> Option<()> {
    let mut seen = [0; PREFACE.len()];
    let received = async {
        loop {
            let bytes = socket.peek(&mut seen).await.ok()?;
            if bytes == 0 || bytes == PREFACE.len() || !PREFACE.starts_with(&seen[..bytes]) {
                return (bytes > 0).then_some(());
            }
            tokio::time::sleep(PREFACE_PAUSE).await;
        }
    };
    tokio::time::timeout(HEAD_TIMEOUT, received).await.ok().flatten()
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
        .keep_alive_interval(PING_PERIOD)
        .keep_alive_timeout(PING_PERIOD);
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
    async fn request_under_way_is_answered_and_no_new_connection_accepted_after_termination_began() {
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
        let serving = tokio::spawn(serve(listener, Limits::PARTS, service, termination));

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

    /// A port whose services answer 200 to everything.
    async fn port(limits: Limits) -> (tokio::sync::watch::Sender<bool>, std::net::SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, termination) = Termination::by_hand();
        let service = service_fn(|_| async { Ok(Response::new(Empty::<Bytes>::new())) });
        tokio::spawn(serve(listener, limits, service, termination));
        (end, address)
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_sends_no_complete_preface_is_disconnected() {
        let (_end, address) = port(Limits::APPLICATIONS).await;
        for sent in ["", "P", "PRI * HTTP/2.0\r\n"] {
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(sent.as_bytes()).await.unwrap();
            // Closing a connection with unread bytes resets it.
            assert_eq!(socket.read(&mut [0; 16]).await.unwrap_or(0), 0, "{sent}");
        }
    }

    #[tokio::test]
    async fn preface_that_arrives_in_parts_is_accepted() {
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
    /// The window of a connection before its first update (RFC 9113, 6.9.2).
    const INITIAL_CONNECTION_WINDOW_BYTES: u32 = 65_535;

    #[tokio::test]
    async fn http_2_windows_are_those_of_the_limits() {
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
                    WINDOW_UPDATE => connection = Some(INITIAL_CONNECTION_WINDOW_BYTES + number(&payload)),
                    _ => {}
                }
            }
            assert_eq!(stream, Some(limits.stream_window_bytes));
            assert_eq!(connection, Some(limits.connection_window_bytes));
        }
    }
}
