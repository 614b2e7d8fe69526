//! A port of HTTP/1.1 and HTTP/2 (by prior knowledge) that drains before it closes.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use rustix::net::sockopt;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::Termination;

/// The most connections of one port; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 4_096;
/// The most requests under way on one HTTP/2 connection.
const MAX_STREAMS: u32 = 1_024;
/// How long requests under way may take once the process ends. Kubernetes kills after 30 s.
const DRAIN: Duration = Duration::from_secs(20);
/// How long a client may take to send a request's head over HTTP/1.1.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How often an HTTP/2 client is asked whether it still lives, and how long it may take to answer.
const PING: Duration = Duration::from_secs(20);
/// What a client may send on one HTTP/2 stream, and on all of a connection, before it has to wait.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
/// How long a client may take nothing of what it was sent, in milliseconds, before its connection is ended: until then it
/// holds a piece of an answer in memory.
const STALL_MS: u32 = 30_000;
/// How long to wait after the system refused to accept, which it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves connections until the process is told to end; then accepts no more, lets what is under way finish (for 20 s
/// at most) and returns.
pub async fn serve<S, B>(listener: TcpListener, service: S, termination: Termination)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let builder = builder();
    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = termination.ordered() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((socket, place)) = accepted else { continue };
        let connection = builder.serve_connection(TokioIo::new(socket), service.clone()).into_owned();
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
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
) -> Option<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((socket, _)) => {
            // Answers are small and waited for: never hold them back to fill a packet.
            let _ = socket.set_nodelay(true);
            // A client that takes nothing at all for so long is gone, or might as well be.
            let _ = sockopt::set_tcp_user_timeout(&socket, STALL_MS);
            Some((socket, place))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
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
    use hyper_util::rt::TokioIo;
    use tokio::net::TcpStream;
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
}
