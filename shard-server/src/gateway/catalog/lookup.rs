//! Asking for a stream: the copy first, the service before anybody is told that there is none.

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

/// Why there is no stream to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The catalog says that there is none.
    Absent,
    /// The copy does not know it and the service could not be asked, so that nobody knows.
    Unreachable(String),
}

impl Catalog {
    /// A catalog that asks `control` for what `copy` does not know.
    #[must_use]
    pub fn new(copy: CatalogCopy, control: impl ControlPlane + 'static) -> Self {
        Self { copy, control: Box::new(control) }
    }

    /// The copy.
    #[must_use]
    pub fn copy(&self) -> &CatalogCopy {
        &self.copy
    }

    /// A stream for a data call: as the copy knows it, or else as the service does.
    ///
    /// # Errors
    /// If there is none, or that cannot be known.
    pub async fn find(&self, account_id: &str, name: &StreamName) -> Result<Arc<Stream>, Unknown> {
        match self.copy.find(account_id, name) {
            Some(stream) => Ok(stream),
            None => self.ask(account_id, name).await,
        }
    }

    /// A stream for a control call, which must see what earlier control calls did: as the service knows it, or,
    /// where that is away, the copy.
    ///
    /// # Errors
    /// If there is none, or that cannot be known.
    pub async fn find_newest(&self, account_id: &str, name: &StreamName) -> Result<Arc<Stream>, Unknown> {
        match self.ask(account_id, name).await {
            Err(Unknown::Unreachable(reason)) => {
                self.copy.find(account_id, name).ok_or(Unknown::Unreachable(reason))
            }
            answered => answered,
        }
    }

    /// Makes a stream. Later calls here see it.
    ///
    /// # Errors
    /// If it was refused, or the service could not be asked.
    pub async fn create_stream(&self, call: CreateStream) -> Result<(), Refusal> {
        let (account_id, name) = (call.account_id.clone(), call.name.clone());
        self.control.create_stream(call).await?;
        let _seen = self.ask(&account_id, &name).await;
        Ok(())
    }

    /// Deletes a stream. Later calls here see it DELETING or, as the feed brings it, gone.
    ///
    /// # Errors
    /// If it was refused, or the service could not be asked.
    pub async fn delete_stream(&self, call: DeleteStream) -> Result<(), Refusal> {
        let (account_id, name) = (call.account_id.clone(), call.name.clone());
        self.control.delete_stream(call).await?;
        let _seen = self.ask(&account_id, &name).await;
        Ok(())
    }

    /// A stream as the service knows it now.
    ///
    /// # Errors
    /// If there is none, or the service could not be asked.
    pub async fn ask(&self, account_id: &str, name: &StreamName) -> Result<Arc<Stream>, Unknown> {
        let call = FindStream { account_id: account_id.into(), name: name.clone() };
        match self.control.find_stream(call).await {
            Ok(Some(stream)) => {
                self.copy.apply(CatalogEvent::Changed(stream));
                // Where the copy is newer than the answer, the copy is right.
                self.copy.find(account_id, name).ok_or(Unknown::Absent)
            }
            // The copy keeps what it has: the answer may be older than the copy, and Removed is for ever.
            Ok(None) => Err(Unknown::Absent),
            Err(refusal) => Err(Unknown::Unreachable(refusal.message)),
        }
    }
}
