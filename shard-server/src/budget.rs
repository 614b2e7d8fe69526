//! Budgets that bound the bytes in memory.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounter, IntGauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const UNIT_BYTES: usize = 1024;
/// What a large permit takes at once.
const STEP_UNITS: u32 = 256;
/// How long a request may wait for a permit.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// A budget of bytes. Permits are given in the order of requests. Cloning shares it.
///
/// A request for half of the budget would stop all that come later, for as long as it takes until half is free. So a
/// large permit first takes a lane, of which there are few, and then its bytes in small steps, between the others.
#[derive(Clone, Debug)]
pub struct ByteBudget {
    units: Arc<Semaphore>,
    total_units: u32,
    charged_percent: usize,
    lanes: Option<Lanes>,
    counts: Counts,
}

#[derive(Clone, Debug)]
struct Lanes {
    above_bytes: usize,
    free: Arc<Semaphore>,
    /// The most that a large permit takes, so that the permits of all lanes fit.
    most_units: u32,
}

/// The lane of a large permit; nothing for another one.
#[derive(Debug)]
pub struct Lane(Option<Arc<OwnedSemaphorePermit>>);

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
    /// Given back with the last part of a large permit.
    lane: Lane,
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
        Self { units, total_units, charged_percent: 100, lanes: None, counts }
    }

    /// Charges each permit this percentage of its bytes: what is produced from the bytes needs memory, too.
    #[must_use]
    pub fn charging(self, charged_percent: usize) -> Self {
        Self { charged_percent, ..self }
    }

    /// Gives so many lanes to permits for more than some bytes. One of them takes at most its part of the budget.
    #[must_use]
    pub fn with_lanes(self, lanes: u32, above_bytes: usize) -> Self {
        let free = Arc::new(Semaphore::new(lanes as usize));
        let most_units = (self.total_units / lanes).max(1);
        Self { lanes: Some(Lanes { above_bytes, free, most_units }), ..self }
    }

    /// Whether a permit for so many bytes takes a lane.
    #[must_use]
    pub fn is_large(&self, bytes: usize) -> bool {
        self.lanes_of(bytes).is_some()
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
        let lane = match self.lanes_of(bytes) {
            Some(lanes) => Some(Arc::new(Arc::clone(&lanes.free).try_acquire_owned().ok()?)),
            None => None,
        };
        let permits = Arc::clone(&self.units).try_acquire_many_owned(self.units_of(bytes)).ok()?;
        Some(self.permit(permits, Lane(lane)))
    }

    /// Takes a permit, and waits without a limit.
    pub async fn wait(&self, bytes: usize) -> Permit {
        let lane = self.lane(bytes).await;
        self.wait_in(lane, bytes).await
    }

    /// Waits for a lane, if a permit for so many bytes takes one.
    ///
    /// # Panics
    /// Never: a budget is never closed.
    pub async fn lane(&self, bytes: usize) -> Lane {
        let Some(lanes) = self.lanes_of(bytes) else { return Lane(None) };
        let lane = Arc::clone(&lanes.free).acquire_owned().await;
        Lane(Some(Arc::new(lane.expect("never closed"))))
    }

    /// Takes a permit in its lane, and waits without a limit.
    ///
    /// # Panics
    /// Never: a budget is never closed.
    pub async fn wait_in(&self, lane: Lane, bytes: usize) -> Permit {
        let units = self.units_of(bytes);
        let step_units = if lane.0.is_some() { units.min(STEP_UNITS) } else { units };
        let mut permit = self.acquire(step_units, lane).await;
        while permit.units() < units {
            permit.merge(self.acquire(step_units.min(units - permit.units()), Lane(None)).await);
        }
        permit
    }

    async fn acquire(&self, units: u32, lane: Lane) -> Permit {
        let permits = Arc::clone(&self.units).acquire_many_owned(units).await;
        self.permit(permits.expect("never closed"), lane)
    }

    /// A permit for no bytes.
    ///
    /// # Panics
    /// Never: a budget is never closed.
    #[must_use]
    pub fn nothing(&self) -> Permit {
        let nothing = Arc::clone(&self.units).try_acquire_many_owned(0);
        self.permit(nothing.expect("never closed"), Lane(None))
    }

    /// Splits a permit into one for so many bytes, and the rest.
    #[must_use]
    pub fn split(&self, mut permit: Permit, bytes: usize) -> (Permit, Permit) {
        let units = (self.units_of(bytes) as usize).min(permit.permits.num_permits());
        let first = permit.permits.split(units).map(|permits| Permit {
            permits,
            lane: Lane(permit.lane.0.clone()),
            taken_bytes: permit.taken_bytes.clone(),
        });
        (first.unwrap_or_else(|| self.nothing()), permit)
    }

    /// Counts a refusal.
    pub fn refuse(&self) -> Exhausted {
        self.counts.refusals.inc();
        Exhausted
    }

    fn units_of(&self, bytes: usize) -> u32 {
        let most_units = self.lanes_of(bytes).map_or(self.total_units, |lanes| lanes.most_units);
        units_of(bytes * self.charged_percent / 100).min(most_units)
    }

    fn lanes_of(&self, bytes: usize) -> Option<&Lanes> {
        self.lanes.as_ref().filter(|lanes| bytes > lanes.above_bytes)
    }

    fn permit(&self, permits: OwnedSemaphorePermit, lane: Lane) -> Permit {
        let permit = Permit { permits, lane, taken_bytes: self.counts.taken_bytes.clone() };
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

    fn units(&self) -> u32 {
        u32::try_from(self.permits.num_permits()).unwrap_or(u32::MAX)
    }

    /// Adds another permit of the same budget. It must have no lane.
    pub fn merge(&mut self, mut other: Self) {
        debug_assert!(other.lane.0.is_none(), "a lane would be given back before its bytes");
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
    use std::collections::VecDeque;
    use std::pin::pin;

    use futures::FutureExt as _;

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

    const MIB: usize = 1 << 20;

    #[tokio::test(start_paused = true)]
    async fn small_permits_are_given_while_a_large_one_collects_its_bytes() {
        let counts = Counts::unseen();
        let budget = ByteBudget::new(28 * MIB, counts.clone()).with_lanes(1, MIB);
        let mut small: VecDeque<_> = (0..28).map(|_| budget.take_free(MIB).unwrap()).collect();
        let mut large = pin!(budget.wait(25 * MIB));
        let mut given = 0;
        while large.as_mut().now_or_never().is_none() {
            // One in ten goes on to a new small request, the others end.
            small.pop_front().expect("the large one gets its bytes");
            given += 1;
            if given % 10 == 0 {
                // It waits for a step of the large one at most, not for all of its bytes.
                small.push_back(budget.take(MIB / 2).await.unwrap());
            }
        }
        assert!(given >= 25, "{given}");
        assert_eq!(counts.refusals.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn large_permits_take_turns_and_leave_bytes_for_small_ones() {
        let budget = ByteBudget::new(28 * MIB, Counts::unseen()).with_lanes(1, MIB);
        let large = budget.take(25 * MIB).await.unwrap();
        assert_eq!(budget.try_take(2 * MIB).unwrap_err(), Exhausted, "there is one lane");
        let mut next = pin!(budget.wait(25 * MIB));
        assert!(next.as_mut().now_or_never().is_none());
        // The one that waits holds nothing.
        assert_eq!(budget.free_bytes(), 3 * MIB);
        assert!(budget.take(MIB).await.is_ok());
        let (part, rest) = budget.split(large, MIB);
        drop(rest);
        assert!(next.as_mut().now_or_never().is_none(), "the lane goes with the last part");
        drop(part);
        drop(next.await);
        assert_eq!(budget.free_bytes(), 28 * MIB);
    }

    #[tokio::test(start_paused = true)]
    async fn large_permits_of_several_lanes_never_wait_for_each_other() {
        let budget = ByteBudget::new(4 * MIB, Counts::unseen()).with_lanes(2, MIB);
        let (first, second) = tokio::join!(budget.take(16 * MIB), budget.take(16 * MIB));
        assert_eq!(first.unwrap().bytes() + second.unwrap().bytes(), 4 * MIB);
    }

    #[tokio::test]
    async fn permit_for_more_than_the_budget_takes_all_of_it() {
        assert!(ByteBudget::new(1024, Counts::unseen()).take(1 << 30).await.is_ok());
    }
}
