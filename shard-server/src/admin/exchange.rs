//! A request and its answer while they are under way, for those who may have to end them.

use futures::future::{AbortHandle, Abortable};
use hyper::rt::Executor;

tokio::task_local! {
    static CURRENT: Exchange;
}

/// A request and its answer over HTTP/2; over HTTP/1.1 the whole connection.
#[derive(Clone, Debug)]
pub struct Exchange(AbortHandle);

impl Exchange {
    /// The one that the caller answers; none where nothing is answered.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs what answers, of which this handle is.
    pub(super) async fn run<T>(handle: AbortHandle, answering: impl Future<Output = T>) -> T {
        CURRENT.scope(Self(handle), answering).await
    }

    /// Ends it now, also where the client takes nothing: an HTTP/2 stream is reset, and the others of its connection go on.
    pub fn end(&self) {
        self.0.abort();
    }
}

/// Runs the streams of HTTP/2 connections, so that each can be ended by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExchangeExecutor;

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for ExchangeExecutor {
    fn execute(&self, exchange: F) {
        let (handle, registration) = AbortHandle::new_pair();
        tokio::spawn(Exchange::run(handle, Abortable::new(exchange, registration)));
    }
}
