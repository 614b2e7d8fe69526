//! What all operations share: the identity of the endpoint, the catalog, the routes to shard groups, and the memory budgets.

use std::sync::Arc;
use std::time::Duration;

use catalog::control::{self, ConsumerKey, Control, FindConsumer, RefusalCode};
use catalog::{Shard, ShardId, ShardState, Stream, StreamName, StreamStatus};
use kinesis_wire::{Error, ErrorCode, Operation};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::access_keys::AccessKeys;
use super::call::{Call, Identity};
use super::catalog::{Catalog, LookupError, Scope};
use super::memory::{Memory, Sizes};
use super::metrics::Metrics;
use super::route::{Route, Routes};
use super::subscriptions::Subscriptions;
use super::token::TokenKeys;
use crate::budget::Exhausted;
use crate::clock::Clock;
use crate::log_limit::LogLimit;
use crate::protocol::Refusal;

/// How long an answer that names a new shard waits until listings show the shard.
const LISTING_PATIENCE: Duration = Duration::from_millis(250);

/// The parts of an endpoint.
pub struct Parts {
    /// Whose streams it serves.
    pub identity: Identity,
    /// The streams.
    pub catalog: Catalog,
    /// The groups.
    pub routes: Arc<Routes>,
    /// The newest keys of iterators and NextTokens.
    pub keys: watch::Receiver<TokenKeys>,
    /// The newest access keys; `None` if any key is accepted.
    pub access_keys: Option<watch::Receiver<AccessKeys>>,
    /// The time.
    pub clock: Clock,
    /// The metrics.
    pub metrics: Metrics,
}

/// A Kinesis endpoint.
pub struct Endpoint {
    parts: Parts,
    memory: Memory,
    subscriptions: Subscriptions,
    warnings: LogLimit,
}

impl Endpoint {
    /// An endpoint of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self::with_memory(parts, Sizes::DEFAULT)
    }

    /// An endpoint of these parts within these bounds.
    pub(super) fn with_memory(parts: Parts, sizes: Sizes) -> Self {
        let memory = Memory::new(sizes, &parts.metrics);
        let subscriptions = Subscriptions::new(parts.metrics.subscriptions.clone());
        Self { parts, memory, subscriptions, warnings: LogLimit::default() }
    }

    /// Whose streams it serves.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.parts.identity
    }

    /// The streams.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.parts.catalog
    }

    /// The metrics.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.parts.metrics
    }

    /// The memory budgets of requests and answers.
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The subscriptions to shards.
    pub(super) fn subscriptions(&self) -> &Subscriptions {
        &self.subscriptions
    }

    /// The current keys of iterators and NextTokens.
    #[must_use]
    pub fn keys(&self) -> TokenKeys {
        self.parts.keys.borrow().clone()
    }

    /// The current access keys; `None` if any key is accepted.
    #[must_use]
    pub fn access_keys(&self) -> Option<AccessKeys> {
        self.parts.access_keys.as_ref().map(|keys| keys.borrow().clone())
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        (self.parts.clock)()
    }

    /// A stream that takes records. As in AWS, one that is CREATING or DELETING is not found, but only the catalog
    /// service may say that it is in that state.
    ///
    /// # Errors
    /// If it does not exist, or the service could not be asked.
    pub async fn find_writable(&self, call: &Call<'_>, name: &StreamName) -> Result<Arc<Stream>, Error> {
        let known = self.catalog().find(call, name).await;
        let known = known.map_err(|error| lookup_error(call, name, error))?;
        if is_writable(&known) {
            return Ok(known);
        }
        let newest = self.catalog().ask(call, name).await;
        let newest = newest.map_err(|error| lookup_error(call, name, error))?;
        if is_writable(&newest) { Ok(newest) } else { Err(lookup_error(call, name, LookupError::NotFound)) }
    }

    /// A stream for a control call; see [`Catalog::find_newest`].
    ///
    /// # Errors
    /// If it does not exist, or the service could not be asked.
    pub async fn find_newest(&self, call: &Call<'_>, name: &StreamName) -> Result<Arc<Stream>, Error> {
        let found = self.catalog().find_newest(call, name).await;
        found.map_err(|error| lookup_error(call, name, error))
    }

    /// Does a control call.
    ///
    /// # Errors
    /// If it was refused, or the service could not be asked.
    pub async fn control<C: Control>(&self, call: &Call<'_>, control: C) -> Result<C::Answer, Error> {
        let answer = self.catalog().control(call, control).await;
        answer.map_err(|refusal| control_error(call.operation, refusal))
    }

    /// Checks that a consumer exists. While the catalog service is unavailable, one that it has found before counts as
    /// there: subscriptions go on without it.
    ///
    /// # Errors
    /// If it does not exist, or the service could not be asked.
    pub async fn check_consumer(
        &self,
        call: &Call<'_>,
        stream: &StreamName,
        key: ConsumerKey,
        arn: &str,
    ) -> Result<(), Error> {
        let find = FindConsumer { stream: call.key(stream), consumer: key };
        match self.catalog().control(call, find).await {
            Ok(_found) => {
                self.subscriptions.remember(arn);
                Ok(())
            }
            Err(refusal) if refusal.code == RefusalCode::Unavailable && self.subscriptions.remembers(arn) => {
                Ok(())
            }
            Err(refusal) => {
                if refusal.code == RefusalCode::ResourceNotFound {
                    self.subscriptions.forget(|known| known == arn);
                }
                Err(control_error(call.operation, refusal))
            }
        }
    }

    /// Does a control call that changes a stream; see [`Catalog::change`].
    ///
    /// # Errors
    /// If it was refused, or the service could not be asked.
    pub async fn change<C: Control>(
        &self,
        call: &Call<'_>,
        name: &StreamName,
        control: C,
    ) -> Result<C::Answer, Error> {
        let answer = self.catalog().change(call, name, control).await;
        let answer = answer.map_err(|refusal| control_error(call.operation, refusal))?;
        tracing::info!(operation = %call.operation, stream = %name, caller = call.caller, "changed by the API");
        Ok(answer)
    }

    /// A shard that a reader names, and its stream. Only the catalog service may say that either does not exist.
    ///
    /// `stream_uid` is the UID that the stream must have, if the reader knows it.
    ///
    /// # Errors
    /// If it does not exist, or the service could not be asked.
    pub async fn find_shard(
        &self,
        call: &Call<'_>,
        name: &StreamName,
        id: ShardId,
        stream_uid: Option<&str>,
    ) -> Result<(Arc<Stream>, Shard), Error> {
        let not_found = || Error::shard_not_found(id, name.as_str(), call.account_id);
        let shard_error = |error| match error {
            LookupError::NotFound => not_found(),
            LookupError::Unreachable(reason) => unreachable_catalog(name, &reason),
        };
        let readable = |stream: Arc<Stream>| {
            let wanted = stream_uid.is_none_or(|uid| stream.uid == uid);
            let shard =
                stream.shard(id).filter(|shard| wanted && shard.state != ShardState::Pending).cloned()?;
            Some((stream, shard))
        };
        let known = self.catalog().find(call, name).await.map_err(shard_error)?;
        if let Some(found) = readable(known) {
            return Ok(found);
        }
        let newest = self.catalog().ask(call, name).await.map_err(shard_error)?;
        readable(newest).ok_or_else(not_found)
    }

    /// Waits until a listing here shows these shards, but not for long: it is as good as late then.
    pub async fn wait_until_listed(&self, stream: &Stream, shards: &[ShardId]) {
        let Some(newest) = shards.iter().max() else { return };
        let copy = self.catalog().copy();
        let listed = async {
            let mut changes = copy.changes();
            let scope = Scope { account_id: &stream.account_id, region: stream.region.as_deref() };
            while copy.find(scope, &stream.name).is_some_and(|known| {
                known.uid == stream.uid && known.shards.last().is_some_and(|last| last.id < *newest)
            }) {
                if let Err(RecvError::Closed) = changes.recv().await {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(LISTING_PATIENCE, listed).await;
    }

    /// The route to a log.
    ///
    /// # Errors
    /// If no group serves it.
    pub fn route(&self, stream: &Stream, log: &str) -> Result<Route, Refusal> {
        self.parts.routes.to_log(stream, log)
    }

    /// Counts and logs a group's refusal, and returns the error for the client.
    pub fn refused(&self, refusal: &Refusal) -> Error {
        self.report(&[refusal]);
        error_of(refusal)
    }

    /// Counts and logs the refusals of groups for one request.
    pub fn report(&self, refusals: &[&Refusal]) {
        refusals.iter().for_each(|refusal| self.metrics().refused(refusal));
        let Some(first) = refusals.first() else { return };
        if let Some(left_out) = self.warnings.due(first.label()) {
            tracing::warn!(refusals = refusals.len(), %first, left_out, "shard groups refused");
        }
    }

    /// Logs that there was no memory for an answer, and returns the error for the client.
    pub(super) fn exhausted(&self, exhausted: Exhausted) -> Error {
        self.report_exhausted(exhausted);
        store_failure("The endpoint has no memory for the answer now: try again.")
    }

    /// Logs that there was no memory for a request or an answer.
    pub(super) fn report_exhausted(&self, exhausted: Exhausted) {
        if let Some(left_out) = self.warnings.due("memory") {
            tracing::warn!(%exhausted, left_out, "refused");
        }
    }
}

fn lookup_error(call: &Call<'_>, name: &StreamName, error: LookupError) -> Error {
    match error {
        LookupError::NotFound => Error::stream_not_found(name.as_str(), call.account_id),
        LookupError::Unreachable(reason) => unreachable_catalog(name, &reason),
    }
}

fn is_writable(stream: &Stream) -> bool {
    match stream.status {
        StreamStatus::Active | StreamStatus::Updating => true,
        StreamStatus::Creating | StreamStatus::Deleting => false,
    }
}

fn unreachable_catalog(stream: &StreamName, reason: &str) -> Error {
    tracing::warn!(%stream, reason, "the catalog service cannot be asked for a stream");
    Error::bare(ErrorCode::InternalFailure)
}

/// The error for the client of a refused control call.
fn control_error(operation: Operation, refusal: control::Refusal) -> Error {
    let code = match refusal.code {
        RefusalCode::ResourceInUse => ErrorCode::ResourceInUseException,
        RefusalCode::ResourceNotFound => ErrorCode::ResourceNotFoundException,
        RefusalCode::InvalidArgument => ErrorCode::InvalidArgumentException,
        RefusalCode::LimitExceeded => ErrorCode::LimitExceededException,
        RefusalCode::NotServed => return Error::not_served_yet(operation),
        RefusalCode::Unavailable => {
            tracing::warn!(%operation, reason = refusal.message, "the catalog service did not do a control call");
            return Error::bare(ErrorCode::InternalFailure);
        }
    };
    Error::new(code, refusal.message)
}

/// The error for the client of a call that a group refused. It never says that a stream or shard does not exist.
#[must_use]
pub fn error_of(refusal: &Refusal) -> Error {
    match refusal {
        Refusal::UnknownShard(_)
        | Refusal::Sealed(_)
        | Refusal::NotReady(_)
        | Refusal::OutcomeUnknown(_)
        | Refusal::Invalid(_)
        | Refusal::Unsupported(_) => Error::bare(ErrorCode::InternalFailure),
        Refusal::QueueFull => store_failure("The shard's log is busy: try again."),
        Refusal::StorageFull => store_failure("The shard's volume is full: make room, then try again."),
        Refusal::LogStopped(_) => store_failure("The shard's log has stopped: see what its process logged."),
        Refusal::Corrupt(_) => {
            store_failure("The shard's log is corrupt there: see what its process logged.")
        }
    }
}

fn store_failure(message: &'static str) -> Error {
    Error::new(ErrorCode::InternalFailure, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unavailable_service_is_an_internal_failure_without_a_message() {
        let refusal = control::Refusal::new(RefusalCode::Unavailable, "connection refused");
        let error = control_error(Operation::CreateStream, refusal);
        assert_eq!(error, Error::bare(ErrorCode::InternalFailure));
    }

    #[test]
    fn operation_that_the_service_does_not_serve_is_named() {
        let refusal = control::Refusal::new(RefusalCode::NotServed, "no such path");
        let error = control_error(Operation::AddTagsToStream, refusal);
        assert_eq!(error, Error::not_served_yet(Operation::AddTagsToStream));
    }
}
