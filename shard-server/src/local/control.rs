//! The control calls of `local`, done in this process.

use std::sync::Arc;

use catalog::Stream;
use catalog::control::{CreateStream, DeleteStream, FindStream, Refusal, RefusalCode};
use futures::future::BoxFuture;

use super::LocalCatalog;
use crate::gateway::catalog::ControlPlane;

impl ControlPlane for Arc<LocalCatalog> {
    fn create_stream(&self, call: CreateStream) -> BoxFuture<'_, Result<(), Refusal>> {
        let catalog = Self::clone(self);
        to_its_end(async move { LocalCatalog::create_stream(&catalog, call).await })
    }

    fn delete_stream(&self, call: DeleteStream) -> BoxFuture<'_, Result<(), Refusal>> {
        let catalog = Self::clone(self);
        to_its_end(async move { LocalCatalog::delete_stream(&catalog, call).await })
    }

    fn find_stream(&self, call: FindStream) -> BoxFuture<'_, Result<Option<Stream>, Refusal>> {
        Box::pin(async move { LocalCatalog::find_stream(self, &call) })
    }
}

/// In a task of its own, so that it does not end with the connection that asked for it.
fn to_its_end(
    change: impl Future<Output = Result<(), Refusal>> + Send + 'static,
) -> BoxFuture<'static, Result<(), Refusal>> {
    Box::pin(async move {
        tokio::spawn(change).await.unwrap_or_else(|error| {
            Err(Refusal { code: RefusalCode::Unavailable, message: error.to_string() })
        })
    })
}
