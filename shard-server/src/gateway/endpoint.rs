//! What all operations share: whose endpoint this is, which streams there are, where their records are.

use std::sync::Arc;

use catalog::{Shard, ShardId, ShardState, Stream, StreamName, StreamStatus};
use kinesis_wire::request::StreamRef;
use kinesis_wire::{Error, ErrorCode};
use tokio::sync::watch;

use super::catalog::{Catalog, Unknown};
use super::log_limit::LogLimit;
use super::memory::{Memory, Sizes};
use super::metrics::Metrics;
use super::route::{Route, Routes};
use super::token::TokenKeys;
use crate::budget::Exhausted;
use crate::clock::Clock;
use crate::protocol::Refusal;

/// The parts of an endpoint.
pub struct Parts {
    /// Region of all ARNs.
    pub region: String,
    /// Account of all callers.
    pub account_id: String,
    /// The streams.
    pub catalog: Catalog,
    /// The groups.
    pub routes: Arc<Routes>,
    /// The newest keys of iterators and NextTokens.
    pub keys: watch::Receiver<TokenKeys>,
    /// The time.
    pub clock: Clock,
    /// What it counts.
    pub metrics: Metrics,
}

/// A Kinesis endpoint of one account in one region.
pub struct Endpoint {
    parts: Parts,
    memory: Memory,
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
        Self { parts, memory, warnings: LogLimit::default() }
    }

    /// Region of all ARNs.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.parts.region
    }

    /// Account of all callers.
    #[must_use]
    pub fn account_id(&self) -> &str {
        &self.parts.account_id
    }

    /// The streams.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.parts.catalog
    }

    /// What it counts.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.parts.metrics
    }

    /// Bounds requests and answers.
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The keys of iterators and NextTokens as they are now.
    #[must_use]
    pub fn keys(&self) -> TokenKeys {
        self.parts.keys.borrow().clone()
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        (self.parts.clock)()
    }

    /// The name of the stream that a request means; nothing if it means none.
    ///
    /// # Errors
    /// If it names a stream of another region or account.
    pub fn name_of(&self, stream: &StreamRef<'_>) -> Result<Option<StreamName>, Error> {
        if let Some(arn) = stream.parsed_arn() {
            let (region, account_id) = (self.region(), self.account_id());
            if arn.region != region || arn.account_id != account_id {
                let message = format!(
                    "StreamARN names region {} and account {}; this endpoint serves region {region} and account \
                     {account_id}",
                    arn.region, arn.account_id
                );
                return Err(Error::new(ErrorCode::InvalidArgumentException, message));
            }
        }
        match stream.stream_name() {
            None => Ok(None),
            Some(name) => {
                name.parse().map(Some).map_err(|_| Error::stream_not_found(name, self.account_id()))
            }
        }
    }

    /// The name of the stream of a request that must mean one.
    ///
    /// # Errors
    /// If it means none, or a stream of another region or account.
    pub fn required_name_of(&self, stream: &StreamRef<'_>) -> Result<StreamName, Error> {
        self.name_of(stream)?.ok_or_else(|| {
            Error::new(
                ErrorCode::InvalidArgumentException,
                "Either StreamName or StreamARN should be provided.",
            )
        })
    }

    /// A stream that takes records. One that is CREATING or DELETING counts as not there, as in AWS, but only the
    /// catalog service may say that it is.
    ///
    /// # Errors
    /// If there is none, or that cannot be known now.
    pub async fn find_writable(&self, name: &StreamName) -> Result<Arc<Stream>, Error> {
        let known = self.catalog().find(self.account_id(), name).await;
        let known = known.map_err(|unknown| self.unknown_stream(name, unknown))?;
        if is_writable(&known) {
            return Ok(known);
        }
        let newest = self.catalog().ask(self.account_id(), name).await;
        let newest = newest.map_err(|unknown| self.unknown_stream(name, unknown))?;
        if is_writable(&newest) { Ok(newest) } else { Err(self.unknown_stream(name, Unknown::Absent)) }
    }

    /// A stream for a control call; see [`Catalog::find_newest`].
    ///
    /// # Errors
    /// If there is none, or that cannot be known now.
    pub async fn find_newest(&self, name: &StreamName) -> Result<Arc<Stream>, Error> {
        let found = self.catalog().find_newest(self.account_id(), name).await;
        found.map_err(|unknown| self.unknown_stream(name, unknown))
    }

    /// A shard that a reader names, and its stream. Only the catalog service may say that either is not there.
    ///
    /// `stream_uid` is what the stream must be, where the reader knows.
    ///
    /// # Errors
    /// If there is none, or that cannot be known now.
    pub async fn find_shard(
        &self,
        name: &StreamName,
        id: ShardId,
        stream_uid: Option<&str>,
    ) -> Result<(Arc<Stream>, Shard), Error> {
        let absent = || Error::shard_not_found(id, name.as_str(), self.account_id());
        let shard_error = |unknown| match unknown {
            Unknown::Absent => absent(),
            Unknown::Unreachable(reason) => unreachable_catalog(name, &reason),
        };
        let readable = |stream: Arc<Stream>| {
            let wanted = stream_uid.is_none_or(|uid| stream.uid == uid);
            let shard =
                stream.shard(id).filter(|shard| wanted && shard.state != ShardState::Pending).cloned()?;
            Some((stream, shard))
        };
        let known = self.catalog().find(self.account_id(), name).await.map_err(shard_error)?;
        if let Some(found) = readable(known) {
            return Ok(found);
        }
        let newest = self.catalog().ask(self.account_id(), name).await.map_err(shard_error)?;
        readable(newest).ok_or_else(absent)
    }

    /// The route to a log.
    ///
    /// # Errors
    /// If nobody serves it.
    pub fn route(&self, stream: &Stream, log: &str) -> Result<Route, Refusal> {
        self.parts.routes.to_log(stream, log)
    }

    /// Notes a group's refusal, and gives what a client is told of it.
    pub fn refused(&self, refusal: &Refusal) -> Error {
        self.note(&[refusal]);
        error_of(refusal)
    }

    /// Notes what groups refused of one request.
    pub fn note(&self, refusals: &[&Refusal]) {
        refusals.iter().for_each(|refusal| self.metrics().refused(refusal));
        let Some(first) = refusals.first() else { return };
        if let Some(left_out) = self.warnings.due(first.label()) {
            tracing::warn!(refusals = refusals.len(), %first, left_out, "shard groups refused");
        }
    }

    /// Notes that there was no memory for an answer, and gives what a client is told of it.
    pub(super) fn exhausted(&self, exhausted: Exhausted) -> Error {
        self.note_exhausted(exhausted);
        store_failure("The endpoint has no memory for the answer now: try again.")
    }

    /// Notes that there was no memory for a request or an answer.
    pub(super) fn note_exhausted(&self, exhausted: Exhausted) {
        if let Some(left_out) = self.warnings.due("memory") {
            tracing::warn!(%exhausted, left_out, "refused");
        }
    }

    fn unknown_stream(&self, name: &StreamName, unknown: Unknown) -> Error {
        match unknown {
            Unknown::Absent => Error::stream_not_found(name.as_str(), self.account_id()),
            Unknown::Unreachable(reason) => unreachable_catalog(name, &reason),
        }
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

/// What a client is told of a group's refusal: never that a stream or shard does not exist.
#[must_use]
pub fn error_of(refusal: &Refusal) -> Error {
    match refusal {
        Refusal::UnknownShard(_)
        | Refusal::NotReady(_)
        | Refusal::OutcomeUnknown(_)
        | Refusal::Invalid(_)
        | Refusal::Unsupported(_) => Error::bare(ErrorCode::InternalFailure),
        Refusal::QueueFull => store_failure("The shard's log is busy: try again."),
        Refusal::StorageFull => store_failure("The shard's volume is full: make room, then try again."),
        Refusal::LogStopped(_) => store_failure("The shard's log has stopped: see what its process logged."),
        Refusal::Damaged(_) => {
            store_failure("The shard's log is damaged there: see what its process logged.")
        }
    }
}

fn store_failure(message: &'static str) -> Error {
    Error::new(ErrorCode::InternalFailure, message)
}
