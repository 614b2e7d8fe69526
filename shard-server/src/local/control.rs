//! The control calls of `local`, which this process does itself.

use std::sync::Arc;

use catalog::Stream;
use catalog::control::{CreateStream, DeleteStream, FindStream, Refusal, RefusalCode};
use futures::future::BoxFuture;

use super::LocalCatalog;
use crate::gateway::catalog::ControlPlane;

impl ControlPlane for Arc<LocalCatalog> {
    fn create_stream(&self, call: CreateStream) -> BoxFuture<'_, Result<(), Refusal>> {
        let catalog = Self::clone(self);
        detached(async move { LocalCatalog::create_stream(&catalog, call).await })
    }

    fn delete_stream(&self, call: DeleteStream) -> BoxFuture<'_, Result<(), Refusal>> {
        let catalog = Self::clone(self);
        detached(async move { LocalCatalog::delete_stream(&catalog, call).await })
    }

    fn find_stream(&self, call: FindStream) -> BoxFuture<'_, Result<Option<Stream>, Refusal>> {
        Box::pin(async move { LocalCatalog::find_stream(self, &call) })
    }
}

/// Runs a change in a task of its own, so that it completes even if its connection is closed.
fn detached(
    change: impl Future<Output = Result<(), Refusal>> + Send + 'static,
) -> BoxFuture<'static, Result<(), Refusal>> {
    Box::pin(async move {
        tokio::spawn(change).await.unwrap_or_else(|error| {
            Err(Refusal { code: RefusalCode::Unavailable, message: error.to_string() })
        })
    })
}
