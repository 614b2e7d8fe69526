//! Budgets that bound the bytes in memory.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounter, IntGauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const UNIT_BYTES: usize = 1024;
/// How long a request may wait for a permit.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// A budget of bytes. Permits are given in the order of requests. Cloning shares it.
#[derive(Clone, Debug)]
pub struct ByteBudget {
    units: Arc<Semaphore>,
    total_units: u32,
    charged_percent: usize,
    counts: Counts,
}

/// The metrics of a budget.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Bytes taken now.
    pub taken_bytes: IntGauge,
    /// Requests that got no permit.
    pub refusals: IntCounter,
}

/// Bytes of a budget, given back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    permits: OwnedSemaphorePermit,
    taken_bytes: IntGauge,
}

/// No budget was left for as long as a request may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too much is under way; try again")]
pub struct Exhausted;

impl ByteBudget {
    /// A budget of about so many bytes.
    #[must_use]
    pub fn new(bytes: usize, counts: Counts) -> Self {
        let total_units = units_of(bytes);
        let units = Arc::new(Semaphore::new(total_units as usize));
        Self { units, total_units, charged_percent: 100, counts }
    }

    /// Charges each permit this percentage of its bytes: what is produced from the bytes needs memory, too.
    #[must_use]
    pub fn charging(self, charged_percent: usize) -> Self {
        Self { charged_percent, ..self }
    }

    /// Whether at least half of it is left.
    #[must_use]
    pub fn is_half_free(&self) -> bool {
        self.units.available_permits() >= self.total_units as usize / 2
    }

    /// The bytes that are left.
    #[must_use]
    pub fn free_bytes(&self) -> usize {
        self.units.available_permits() * UNIT_BYTES
    }

    /// Takes a permit, and waits for one if need be. A permit for more than the whole budget takes all of it. The
    /// caller must hold no permit that others may wait for.
    ///
    /// # Errors
    /// If there is none within 10 s.
    pub async fn take(&self, bytes: usize) -> Result<Permit, Exhausted> {
        // Mostly budget is left: then no timer is set.
        match self.take_free(bytes) {
            Some(permit) => Ok(permit),
            None => tokio::time::timeout(MAX_WAIT, self.wait(bytes)).await.map_err(|_| self.refuse()),
        }
    }

    /// Takes a permit without waiting.
    ///
    /// # Errors
    /// If there is none.
    pub fn try_take(&self, bytes: usize) -> Result<Permit, Exhausted> {
        self.take_free(bytes).ok_or_else(|| self.refuse())
    }

    /// Takes a permit without waiting. A missing permit is not counted as a refusal.
    pub fn take_free(&self, bytes: usize) -> Option<Permit> {
        let units = self.units_of(bytes);
        Arc::clone(&self.units).try_acquire_many_owned(units).ok().map(|permits| self.permit(permits))
    }

    /// Takes a permit, and waits without a limit.
    pub async fn wait(&self, bytes: usize) -> Permit {
        let units = self.units_of(bytes);
        let permits = Arc::clone(&self.units).acquire_many_owned(units).await;
        self.permit(permits.expect("never closed"))
    }

    /// A permit for no bytes.
    ///
    /// # Panics
    /// Never: a budget is never closed.
    #[must_use]
    pub fn nothing(&self) -> Permit {
        self.permit(Arc::clone(&self.units).try_acquire_many_owned(0).expect("never closed"))
    }

    /// Splits a permit into one for so many bytes, and the rest.
    #[must_use]
    pub fn split(&self, mut permit: Permit, bytes: usize) -> (Permit, Permit) {
        let units = (self.units_of(bytes) as usize).min(permit.permits.num_permits());
        let first = permit
            .permits
            .split(units)
            .map(|permits| Permit { permits, taken_bytes: permit.taken_bytes.clone() });
        (first.unwrap_or_else(|| self.nothing()), permit)
    }

    /// Counts a refusal.
    pub fn refuse(&self) -> Exhausted {
        self.counts.refusals.inc();
        Exhausted
    }

    fn units_of(&self, bytes: usize) -> u32 {
        units_of(bytes * self.charged_percent / 100).min(self.total_units)
    }

    fn permit(&self, permits: OwnedSemaphorePermit) -> Permit {
        let permit = Permit { permits, taken_bytes: self.counts.taken_bytes.clone() };
        permit.taken_bytes.add(permit.bytes() as i64);
        permit
    }
}

impl Permit {
    /// The bytes that it has taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.permits.num_permits() * UNIT_BYTES
    }

    /// Adds another permit of the same budget.
    pub fn merge(&mut self, mut other: Self) {
        if let Some(permits) = other.permits.split(other.permits.num_permits()) {
            self.permits.merge(permits);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.taken_bytes.sub(self.bytes() as i64);
    }
}

#[cfg(test)]
impl Counts {
    /// Metrics that are not registered.
    pub fn unseen() -> Self {
        Self {
            taken_bytes: IntGauge::new("taken", "taken").unwrap(),
            refusals: IntCounter::new("refusals", "refusals").unwrap(),
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
    async fn permit_is_waited_for_up_to_a_limit() {
        let counts = Counts::unseen();
        let budget = ByteBudget::new(4096, counts.clone());
        let permit = budget.take(4000).await.unwrap();
        assert_eq!((counts.taken_bytes.get(), counts.refusals.get()), (4096, 0));
        assert_eq!(budget.take(1).await.unwrap_err(), Exhausted);
        assert_eq!(budget.try_take(1).unwrap_err(), Exhausted);
        drop(permit);
        assert!(budget.take(1).await.is_ok());
        assert_eq!((counts.taken_bytes.get(), counts.refusals.get()), (0, 2));
    }

    #[tokio::test]
    async fn permit_for_more_than_the_budget_takes_all_of_it() {
        assert!(ByteBudget::new(1024, Counts::unseen()).take(1 << 30).await.is_ok());
    }
}
