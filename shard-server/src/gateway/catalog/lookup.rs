//! Looks up streams: in the copy first, and at the service before a client hears that a stream does not exist.

use std::sync::Arc;

use catalog::control::{CreateStream, DeleteStream, FindStream, Refusal};
use catalog::feed::CatalogEvent;
use catalog::{Stream, StreamName};

use super::{CatalogCopy, ControlPlane};

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
    pub async fn find(&self, account_id: &str, name: &StreamName) -> Result<Arc<Stream>, LookupError> {
        match self.copy.find(account_id, name) {
            Some(stream) => Ok(stream),
            None => self.ask(account_id, name).await,
        }
    }

    /// A stream for a control call, which must see the effect of earlier ones: from the service or, while that is
    /// unavailable, from the copy.
    ///
    /// # Errors
    /// If it does not exist, or the service could not be asked.
    pub async fn find_newest(&self, account_id: &str, name: &StreamName) -> Result<Arc<Stream>, LookupError> {
        match self.ask(account_id, name).await {
            Err(LookupError::Unreachable(reason)) => {
                self.copy.find(account_id, name).ok_or(LookupError::Unreachable(reason))
            }
            answered => answered,
        }
    }

    /// Creates a stream. Later calls here see it.
    ///
    /// # Errors
    /// If it was refused, or the service could not be asked.
    pub async fn create_stream(&self, call: CreateStream) -> Result<(), Refusal> {
        let (account_id, name) = (call.account_id.clone(), call.name.clone());
        self.control.create_stream(call).await?;
        let _seen = self.ask(&account_id, &name).await;
        Ok(())
    }

    /// Deletes a stream. Later calls here see it DELETING or, once the feed reports it, gone.
    ///
    /// # Errors
    /// If it was refused, or the service could not be asked.
    pub async fn delete_stream(&self, call: DeleteStream) -> Result<(), Refusal> {
        let (account_id, name) = (call.account_id.clone(), call.name.clone());
        self.control.delete_stream(call).await?;
        let _seen = self.ask(&account_id, &name).await;
        Ok(())
    }

    /// A stream as the service has it now.
    ///
    /// # Errors
    /// If it does not exist, or the service could not be asked.
    pub async fn ask(&self, account_id: &str, name: &StreamName) -> Result<Arc<Stream>, LookupError> {
        let call = FindStream { account_id: account_id.into(), name: name.clone() };
        match self.control.find_stream(call).await {
            Ok(Some(stream)) => {
                self.copy.apply(CatalogEvent::Changed(stream));
                // The copy may be newer than the answer.
                self.copy.find(account_id, name).ok_or(LookupError::NotFound)
            }
            // The copy is not changed: the answer may be older than the copy, and a removal is final.
            Ok(None) => Err(LookupError::NotFound),
            Err(refusal) => Err(LookupError::Unreachable(refusal.message)),
        }
    }
}
