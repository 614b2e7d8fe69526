//! Serves HTTP/1.1 and HTTP/2 (by prior knowledge) on a port, and drains connections before it closes. A connection
//! too many never waits in silence: it is refused.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use futures::future::Abortable;
use futures::{FutureExt as _, TryFutureExt as _};
use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::{Body, Incoming};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::Termination;
use super::exchange::{Exchange, ExchangeExecutor};
use super::port::{Excess, Limits, Port};

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
/// The read buffer of an HTTP/1.1 connection, and the most bytes that it takes from an answer before they are sent.
const BUFFER_BYTES: usize = 64 << 10;
/// How long a connection beyond the limit of its port is served, and how long its end may take then.
const EXCESS_TIME: Duration = Duration::from_secs(2);
/// How long to wait after a failed accept, such as when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves connections until termination is ordered. Then it accepts no more connections, lets requests under way finish
/// (for 20 s at most) and returns.
///
/// Of the connections beyond the limit of the port some are served for a moment, and their requests carry [`Excess`];
/// the others are closed at once.
pub async fn serve<S, B>(listener: TcpListener, port: Port, service: S, termination: Termination)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let (own, excess) = (builder(port.limits), builder(Limits::EXCESS));
    let connections = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(port.limits.connections));
    let excess_permits = Arc::new(Semaphore::new(Limits::EXCESS.connections));
    loop {
        let accepted = tokio::select! {
            () = termination.ordered() => break,
            accepted = accept(&listener) => accepted,
        };
        let Some(socket) = accepted else { continue };
        let (exchange, registration) = Exchange::of_connection();
        let (service, watcher, termination) = (service.clone(), connections.watcher(), termination.clone());
        let (serving, permit) = if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            (serve_one(socket, own.clone(), service, watcher, termination).left_future(), permit)
        } else {
            port.refuse();
            let Ok(permit) = Arc::clone(&excess_permits).try_acquire_owned() else { continue };
            let reason = Excess { connections: port.limits.connections };
            (serve_excess(socket, excess.clone(), service, reason).right_future(), permit)
        };
        let open = port.open();
        tokio::spawn(async move {
            if exchange.run(Abortable::new(serving, registration)).await.is_err() {
                tracing::debug!("connection was closed");
            }
            drop((permit, open));
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

/// Serves a connection until it ends.
async fn serve_one<S, B>(
    socket: TcpStream,
    builder: Builder<ExchangeExecutor>,
    service: S,
    watcher: Watcher,
    termination: Termination,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let has_sent = tokio::select! {
        () = termination.ordered() => None,
        has_sent = first_bytes(&socket, HEAD_TIMEOUT) => has_sent,
    };
    if has_sent.is_none() {
        return;
    }
    let serving = builder.serve_connection(TokioIo::new(socket), service);
    if let Err(error) = watcher.watch(serving.into_owned()).await {
        tracing::debug!(%error, "connection ended");
    }
}

/// Serves a connection that is one too many: one request over HTTP/1.1, or those of a moment over HTTP/2.
async fn serve_excess<S, B>(socket: TcpStream, builder: Builder<ExchangeExecutor>, service: S, reason: Excess)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    if first_bytes(&socket, EXCESS_TIME).await.is_none() {
        return;
    }
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(reason);
        let closes = request.version() <= Version::HTTP_11;
        service.call(request).map_ok(move |mut response| {
            if closes {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            response
        })
    });
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(socket), service));
    if tokio::time::timeout(EXCESS_TIME, serving.as_mut()).await.is_err() {
        serving.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(EXCESS_TIME, serving).await;
    }
}

async fn accept(listener: &TcpListener) -> Option<TcpStream> {
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
            Some(socket)
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Waits for the bytes that tell which protocol a client speaks; hyper would wait for them without a limit.
async fn first_bytes(socket: &TcpStream, timeout: Duration) -> Option<()> {
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
    tokio::time::timeout(timeout, received).await.ok().flatten()
}

fn builder(limits: Limits) -> Builder<ExchangeExecutor> {
    let mut builder = Builder::new(ExchangeExecutor);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_send_buf_size(limits.send_buffer_bytes)
        .max_frame_size(limits.frame_bytes)
        .initial_stream_window_size(limits.stream_window_bytes)
        .initial_connection_window_size(limits.connection_window_bytes)
        .keep_alive_interval(PING_PERIOD)
        .keep_alive_timeout(PING_PERIOD);
    builder
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use bytes::Bytes;
    use futures::future::BoxFuture;
    use http::StatusCode;
    use http_body_util::{BodyExt as _, Empty, Full};
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
        let serving = tokio::spawn(serve(listener, Port::unseen(Limits::PARTS), service, termination));

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
    async fn port(limits: Limits) -> (tokio::sync::watch::Sender<bool>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, termination) = Termination::by_hand();
        let service = service_fn(|_| async { Ok(Response::new(Empty::<Bytes>::new())) });
        tokio::spawn(serve(listener, Port::unseen(limits), service, termination));
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

    /// A client of one connection, and its end.
    async fn connect(
        address: SocketAddr,
        http2: bool,
    ) -> (BoxedSend, tokio::task::JoinHandle<Result<(), hyper::Error>>) {
        let socket = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let request = || Request::builder().uri("http://port/").body(Empty::<Bytes>::new()).unwrap();
        if http2 {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), socket).await.unwrap();
            return (Box::new(move || sender.send_request(request()).boxed()), tokio::spawn(connection));
        }
        let (mut sender, connection) = hyper::client::conn::http1::handshake(socket).await.unwrap();
        (Box::new(move || sender.send_request(request()).boxed()), tokio::spawn(connection))
    }

    type BoxedSend = Box<dyn FnMut() -> BoxFuture<'static, hyper::Result<Response<Incoming>>> + Send>;

    async fn text_of(send: &mut BoxedSend) -> String {
        String::from_utf8(send().await.unwrap().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn connection_beyond_the_limit_is_answered_with_a_reason_and_closed() {
        let limits = Limits { connections: 1, ..Limits::PARTS };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_end, termination) = Termination::by_hand();
        let service = service_fn(|request: Request<Incoming>| async move {
            let excess = request.extensions().get::<Excess>();
            Ok(Response::new(excess.map_or("served".to_owned(), Excess::to_string)))
        });
        let port = Port::unseen(limits);
        tokio::spawn(serve(listener, port.clone(), service, termination));
        for http2 in [false, true] {
            // The server may not have seen the end of the one before yet.
            let is_free = async {
                loop {
                    let (mut first, connection) = connect(address, http2).await;
                    if text_of(&mut first).await == "served" {
                        return (first, connection);
                    }
                }
            };
            let is_free = tokio::time::timeout(Duration::from_secs(30), is_free).await;
            let (first, connection) = is_free.expect("a connection is free again");
            for http2 in [false, true] {
                let before = port.refused();
                let (mut second, closed) = connect(address, http2).await;
                assert_eq!(text_of(&mut second).await, "too many connections, 1 are open");
                tokio::time::timeout(Duration::from_secs(30), closed)
                    .await
                    .expect("it is closed")
                    .unwrap()
                    .unwrap();
                assert_eq!(port.refused(), before + 1);
            }
            drop(first);
            connection.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn connections_beyond_those_that_are_answered_are_closed_at_once() {
        let (_end, address) = port(Limits { connections: 0, ..Limits::PARTS }).await;
        let mut waiting = Vec::new();
        for _ in 0..Limits::EXCESS.connections {
            waiting.push(TcpStream::connect(address).await.unwrap());
        }
        let mut further = TcpStream::connect(address).await.unwrap();
        assert_eq!(further.read(&mut [0; 16]).await.unwrap_or(0), 0);
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
