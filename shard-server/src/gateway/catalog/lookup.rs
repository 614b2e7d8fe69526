//! Looks up streams: in the copy first, and at the service before a client hears that a stream does not exist.

use std::sync::Arc;
use std::time::Instant;

use catalog::control::{Control, FindStream, Refusal, RefusalCode, StreamKey};
use catalog::feed::CatalogEvent;
use catalog::{Stream, StreamName, StreamStatus};

use super::{CatalogCopy, ControlPlane};
use crate::gateway::Call;

/// The copy and the service behind it.
#[derive(Debug)]
pub struct Catalog {
    copy: CatalogCopy,
    control: Box<dyn ControlPlane>,
}

/// Why a lookup found no stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// The catalog service says that it does not exist.
    NotFound,
    /// The copy does not have it, and the service is unreachable: it may exist.
    Unreachable(String),
}

impl Catalog {
    /// A catalog that asks `control` for streams that are not in `copy`.
    #[must_use]
    pub fn new(copy: CatalogCopy, control: impl ControlPlane + 'static) -> Self {
        Self { copy, control: Box::new(control) }
    }

    /// The copy.
    #[must_use]
    pub fn copy(&self) -> &CatalogCopy {
        &self.copy
    }

    /// A stream for a data call: from the copy, or else from the service.
    ///
    /// # Errors
    /// If it does not exist, or the service could not be asked.
    pub async fn find(&self, call: &Call<'_>, name: &StreamName) -> Result<Arc<Stream>, LookupError> {
        match self.copy.find(call.scope(), name) {
            Some(stream) => Ok(stream),
            None => self.ask(call, name).await,
        }
    }

    /// A stream for a control call, which must see the effect of earlier ones: from the service or, while that is
    /// unavailable, from the copy.
    ///
    /// # Errors
    /// If it does not exist, or the service could not be asked.
    pub async fn find_newest(&self, call: &Call<'_>, name: &StreamName) -> Result<Arc<Stream>, LookupError> {
        match self.ask(call, name).await {
            Err(LookupError::Unreachable(reason)) => {
                self.copy.find(call.scope(), name).ok_or(LookupError::Unreachable(reason))
            }
            answered => answered,
        }
    }

    /// Does a control call.
    ///
    /// # Errors
    /// If it was refused, or the service could not be asked.
    pub async fn control<C: Control>(&self, call: &Call<'_>, control: C) -> Result<C::Answer, Refusal> {
        self.control_until(control, call.deadline).await
    }

    async fn control_until<C: Control>(&self, control: C, deadline: Instant) -> Result<C::Answer, Refusal> {
        let answer = self.control.call(control.into(), deadline).await?;
        let mismatch = || Refusal::new(RefusalCode::Unavailable, "the catalog service answered another call");
        C::answer(answer).ok_or_else(mismatch)
    }

    /// Does a control call that changes a stream. Later calls here see the change; they see a deleted stream DELETING
    /// or, once the feed reports it, gone.
    ///
    /// # Errors
    /// If it was refused, or the service could not be asked.
    pub async fn change<C: Control>(
        &self,
        call: &Call<'_>,
        name: &StreamName,
        control: C,
    ) -> Result<C::Answer, Refusal> {
        let answer = self.control(call, control).await?;
        let _seen = self.ask(call, name).await;
        Ok(answer)
    }

    /// Whether the service still has a stream: not one that is being deleted, and none that was created again under its
    /// name.
    ///
    /// # Errors
    /// If the service could not be asked by the deadline.
    pub async fn still_has(&self, stream: &Stream, deadline: Instant) -> Result<bool, Refusal> {
        let Stream { account_id, region, name, .. } = stream;
        let find = FindStream { account_id: account_id.clone(), region: region.clone(), name: name.clone() };
        let found = self.control_until(find, deadline).await?;
        Ok(found.is_some_and(|found| found.uid == stream.uid && found.status != StreamStatus::Deleting))
    }

    /// A stream as the service has it now.
    ///
    /// # Errors
    /// If it does not exist, or the service could not be asked.
    pub async fn ask(&self, call: &Call<'_>, name: &StreamName) -> Result<Arc<Stream>, LookupError> {
        let StreamKey { account_id, region, name: key } = call.key(name);
        match self.control(call, FindStream { account_id, region, name: key }).await {
            Ok(Some(stream)) => {
                self.copy.apply(CatalogEvent::Changed(stream));
                // The copy may be newer than the answer.
                self.copy.find(call.scope(), name).ok_or(LookupError::NotFound)
            }
            // The copy is not changed: the answer may be older than the copy, and a removal is final.
            Ok(None) => Err(LookupError::NotFound),
            Err(refusal) => Err(LookupError::Unreachable(refusal.message)),
        }
    }
}
