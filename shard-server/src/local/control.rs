//! The control calls of `local`, which this process does itself.

use std::sync::Arc;
use std::time::Instant;

use catalog::control::{ControlAnswer, ControlCall, Refusal, RefusalCode};
use futures::future::BoxFuture;

use super::LocalCatalog;
use crate::gateway::catalog::ControlPlane;

impl ControlPlane for Arc<LocalCatalog> {
    fn call(&self, call: ControlCall, deadline: Instant) -> BoxFuture<'_, Result<ControlAnswer, Refusal>> {
        let catalog = Self::clone(self);
        Box::pin(async move {
            if let ControlCall::FindStream(call) = &call {
                return catalog.find_stream(call).map(ControlAnswer::FindStream);
            }
            // In a task of its own, so that it completes even if its connection is closed.
            let done = tokio::spawn(async move { catalog.answer(call).await });
            let unavailable = |reason: &str| Err(Refusal::new(RefusalCode::Unavailable, reason));
            match tokio::time::timeout_at(deadline.into(), done).await {
                Ok(Ok(answered)) => answered,
                Ok(Err(panicked)) => unavailable(&panicked.to_string()),
                Err(_elapsed) => unavailable("the disk is slow: the call may still be done"),
            }
        })
    }
}

impl LocalCatalog {
    async fn answer(self: &Arc<Self>, call: ControlCall) -> Result<ControlAnswer, Refusal> {
        Ok(match call {
            ControlCall::CreateStream(call) => ControlAnswer::CreateStream(self.create_stream(call).await?),
            ControlCall::DeleteStream(call) => ControlAnswer::DeleteStream(self.delete_stream(call).await?),
            ControlCall::FindStream(call) => ControlAnswer::FindStream(self.find_stream(&call)?),
            ControlCall::ChangeStream(call) => ControlAnswer::ChangeStream(self.change_stream(call).await?),
            ControlCall::ChangeShards(call) => ControlAnswer::ChangeShards(self.change_shards(call).await?),
            ControlCall::TagResource(call) => ControlAnswer::TagResource(self.tag(call).await?),
            ControlCall::UntagResource(call) => ControlAnswer::UntagResource(self.untag(call).await?),
            ControlCall::ListTags(call) => ControlAnswer::ListTags(self.tags(&call).await?),
            ControlCall::RegisterConsumer(call) => {
                ControlAnswer::RegisterConsumer(self.register_consumer(call).await?)
            }
            ControlCall::DeregisterConsumer(call) => {
                ControlAnswer::DeregisterConsumer(self.deregister_consumer(call).await?)
            }
            ControlCall::FindConsumer(call) => ControlAnswer::FindConsumer(self.find_consumer(&call).await?),
            ControlCall::ListConsumers(call) => {
                ControlAnswer::ListConsumers(self.list_consumers(&call).await?)
            }
            ControlCall::DescribeLimits(call) => {
                ControlAnswer::DescribeLimits(self.describe_limits(&call).await)
            }
            ControlCall::DescribeAccount(call) => {
                ControlAnswer::DescribeAccount(self.describe_account(&call).await)
            }
            ControlCall::UpdateAccount(call) => {
                ControlAnswer::UpdateAccount(self.update_account(call).await?)
            }
        })
    }
}
