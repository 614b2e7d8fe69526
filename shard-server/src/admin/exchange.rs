//! A request and its answer while they are under way, for those who may have to end them.

use futures::future::{AbortHandle, AbortRegistration, Abortable};
use hyper::rt::Executor;

tokio::task_local! {
    static CURRENT: Exchange;
}

/// A request and its answer over HTTP/2; over HTTP/1.1 the whole connection. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Exchange {
    handle: AbortHandle,
    /// The connection of an HTTP/2 stream.
    connection: Option<AbortHandle>,
}

impl Exchange {
    /// The one that the caller answers; none where nothing is answered.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// A connection, and the registration for its task.
    pub(crate) fn of_connection() -> (Self, AbortRegistration) {
        let (handle, registration) = AbortHandle::new_pair();
        (Self { handle, connection: None }, registration)
    }

    /// A stream of this connection, and the registration for its task.
    pub(crate) fn of_stream(&self) -> (Self, AbortRegistration) {
        let (handle, registration) = AbortHandle::new_pair();
        (Self { handle, connection: Some(self.handle.clone()) }, registration)
    }

    /// Runs what answers, of which this is the exchange.
    pub(crate) async fn run<T>(self, answering: impl Future<Output = T>) -> T {
        CURRENT.scope(self, answering).await
    }

    /// Whether it is one of several on its connection: a stream of HTTP/2.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.connection.is_some()
    }

    /// Ends it now, also where the client takes nothing: an HTTP/2 stream is reset, and the others of its connection go
    /// on. What the connection was given of its answer is freed when the connection next writes, unless that includes
    /// the end of the answer. False if it was ended before.
    pub fn end(&self) -> bool {
        let is_new = !self.handle.is_aborted();
        self.handle.abort();
        is_new
    }

    /// Closes its connection at once, with all its exchanges.
    pub fn end_connection(&self) {
        self.connection.as_ref().unwrap_or(&self.handle).abort();
    }
}

/// Runs the streams of HTTP/2 connections, so that each can be ended by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExchangeExecutor;

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for ExchangeExecutor {
    fn execute(&self, answering: F) {
        // The connection is what is polled now.
        match Exchange::current() {
            Some(connection) => {
                let (exchange, registration) = connection.of_stream();
                tokio::spawn(exchange.run(Abortable::new(answering, registration)));
            }
            None => {
                tokio::spawn(answering);
            }
        }
    }
}
