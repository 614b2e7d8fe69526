//! A bound on the bytes of requests and answers that are in memory at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const UNIT_BYTES: usize = 1024;
/// How long a request may wait for its turn.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// A budget of bytes. Cloning shares it.
#[derive(Clone, Debug)]
pub struct ByteBudget {
    units: Arc<Semaphore>,
    total_units: u32,
}

/// A part of a budget, given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    _permit: OwnedSemaphorePermit,
}

/// The budget was used up for longer than a request may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too much is under way; try again")]
pub struct Exhausted;

impl ByteBudget {
    /// A budget of about so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let total_units = units_of(bytes);
        Self { units: Arc::new(Semaphore::new(total_units as usize)), total_units }
    }

    /// Takes a share, waiting for others to give theirs back; one of more than the whole budget takes all of it.
    ///
    /// # Errors
    /// If that took longer than 10 s.
    pub async fn take(&self, bytes: usize) -> Result<Share, Exhausted> {
        let units = units_of(bytes).min(self.total_units);
        let acquire = self.units.clone().acquire_many_owned(units);
        match tokio::time::timeout(MAX_WAIT, acquire).await {
            Ok(Ok(permit)) => Ok(Share { _permit: permit }),
            Ok(Err(_)) | Err(_) => Err(Exhausted),
        }
    }
}

fn units_of(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES).max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn share_is_waited_for_but_not_for_ever() {
        let budget = ByteBudget::new(4096);
        let share = budget.take(4000).await.unwrap();
        assert_eq!(budget.take(1).await.unwrap_err(), Exhausted);
        drop(share);
        assert!(budget.take(1).await.is_ok());
    }

    #[tokio::test]
    async fn share_of_more_than_all_takes_all() {
        assert!(ByteBudget::new(1024).take(1 << 30).await.is_ok());
    }
}
