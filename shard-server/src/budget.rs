//! A bound on bytes that are in memory at once.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounter, IntGauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const UNIT_BYTES: usize = 1024;
/// How long a request may wait for its turn.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// A budget of bytes: who asks first is served first. Cloning shares it.
#[derive(Clone, Debug)]
pub struct ByteBudget {
    units: Arc<Semaphore>,
    total_units: u32,
    charged_percent: usize,
    counts: Counts,
}

/// What is counted of a budget.
#[derive(Clone, Debug)]
pub struct Counts {
    /// What is taken now.
    pub taken_bytes: IntGauge,
    /// How often there was nothing left for a request.
    pub refusals: IntCounter,
}

/// Bytes of a budget, given back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    permits: OwnedSemaphorePermit,
    taken_bytes: IntGauge,
}

/// The budget was used up for longer than a request may wait.
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

    /// Has each permit take so many percent of what is asked for: what is made of the bytes needs memory too.
    #[must_use]
    pub fn charging(self, charged_percent: usize) -> Self {
        Self { charged_percent, ..self }
    }

    /// Whether at least half of it is left.
    #[must_use]
    pub fn is_half_free(&self) -> bool {
        self.units.available_permits() >= self.total_units as usize / 2
    }

    /// How many bytes are left.
    #[must_use]
    pub fn free_bytes(&self) -> usize {
        self.units.available_permits() * UNIT_BYTES
    }

    /// Takes a permit, waiting for others to give theirs back; one of more than the whole budget takes all of it. Who
    /// waits must hold nothing that others wait for.
    ///
    /// # Errors
    /// If that took longer than 10 s.
    pub async fn take(&self, bytes: usize) -> Result<Permit, Exhausted> {
        // Mostly there is room: then nothing is set up for waiting.
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

    /// Takes a permit if nobody has to be waited for; that there is none is not counted.
    pub fn take_free(&self, bytes: usize) -> Option<Permit> {
        let units = self.units_of(bytes);
        Arc::clone(&self.units).try_acquire_many_owned(units).ok().map(|permits| self.permit(permits))
    }

    /// Takes a permit, however long that takes.
    pub async fn wait(&self, bytes: usize) -> Permit {
        let units = self.units_of(bytes);
        let permits = Arc::clone(&self.units).acquire_many_owned(units).await;
        self.permit(permits.expect("nobody closes it"))
    }

    /// A permit of nothing, for which nobody waits.
    ///
    /// # Panics
    /// Never: nobody closes a budget.
    #[must_use]
    pub fn nothing(&self) -> Permit {
        self.permit(Arc::clone(&self.units).try_acquire_many_owned(0).expect("nobody closes it"))
    }

    /// Splits a permit: what so many bytes take, and the rest.
    #[must_use]
    pub fn split(&self, mut permit: Permit, bytes: usize) -> (Permit, Permit) {
        let units = (self.units_of(bytes) as usize).min(permit.permits.num_permits());
        let first = permit
            .permits
            .split(units)
            .map(|permits| Permit { permits, taken_bytes: permit.taken_bytes.clone() });
        (first.unwrap_or_else(|| self.nothing()), permit)
    }

    /// Counts somebody who did not get a permit.
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
    /// How many bytes it stands for.
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
    /// Of a budget that nobody looks at.
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
    async fn share_is_waited_for_but_not_for_ever() {
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
    async fn share_of_more_than_all_takes_all() {
        assert!(ByteBudget::new(1024, Counts::unseen()).take(1 << 30).await.is_ok());
    }
}
