//! The budget of calls to groups in other processes: records that were sent and not answered yet, or wait for a group
//! that does not answer.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::protocol::Refusal;

/// The overhead of a call in the budget.
pub const CALL_BYTES: usize = 1 << 10;

/// The bytes of calls that all clients of a process may have under way. Cloning shares the budget.
///
/// One member takes at most half of it. Calls that begin while their group does not answer share a quarter of it, those
/// of all such groups together: so however many groups are lost, the others have room.
#[derive(Clone, Debug)]
pub struct HoldBudget {
    all: Arc<Semaphore>,
    silent: Arc<Semaphore>,
    bytes: usize,
}

/// A member's half of the budget.
#[derive(Clone, Debug)]
pub struct MemberPart(Arc<Semaphore>);

/// The bytes of a call, given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    _all: [OwnedSemaphorePermit; 2],
    silent: Option<OwnedSemaphorePermit>,
}

impl HoldBudget {
    /// The budget of a process: 64 MiB.
    pub const BYTES: usize = 64 << 20;

    /// A budget of [`HoldBudget::BYTES`].
    #[must_use]
    pub fn new() -> Self {
        Self::of(Self::BYTES)
    }

    pub(in crate::shard) fn of(bytes: usize) -> Self {
        let permits = |bytes| Arc::new(Semaphore::new(bytes));
        Self { all: permits(bytes), silent: permits(bytes / 4), bytes }
    }

    /// Bytes taken now.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.bytes.saturating_sub(self.all.available_permits())
    }

    pub(super) fn part(&self) -> MemberPart {
        MemberPart(Arc::new(Semaphore::new(self.bytes / 2)))
    }

    /// Takes room for a call of so many bytes.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn take(&self, part: &MemberPart, bytes: usize, is_silent: bool) -> Result<Held, Refusal> {
        let bytes = bytes + CALL_BYTES;
        let silent = is_silent.then(|| self.take_silent(bytes)).transpose()?;
        Ok(Held { _all: [permit(&part.0, bytes)?, permit(&self.all, bytes)?], silent })
    }

    /// Takes room in the quarter of those that do not answer, for a call that began before.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn move_to_silent(&self, held: &mut Held, bytes: usize) -> Result<(), Refusal> {
        if held.silent.is_none() {
            held.silent = Some(self.take_silent(bytes + CALL_BYTES)?);
        }
        Ok(())
    }

    /// Room for a call that only waits, in the quarter of those that do not answer.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn take_silent(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        permit(&self.silent, bytes)
    }
}

impl Held {
    /// The group answers again: gives back the room in the quarter.
    pub(super) fn leave_silent(&mut self) {
        self.silent = None;
    }
}

impl Default for HoldBudget {
    fn default() -> Self {
        Self::new()
    }
}

fn permit(budget: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let permit = Arc::clone(budget).try_acquire_many_owned(bytes);
    permit.map_err(|_| Refusal::NotReady("too much is under way to groups".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_groups_share_a_quarter_and_one_member_has_half_at_most() {
        let budget = HoldBudget::of(64 << 10);
        let (lost, another) = (budget.part(), budget.part());
        let first = budget.take(&lost, 8 << 10, true).unwrap();
        assert!(budget.take(&another, 8 << 10, true).is_err(), "the other group is silent, too");
        let healthy = budget.part();
        let second = budget.take(&healthy, 30 << 10, false).unwrap();
        assert!(budget.take(&healthy, 8 << 10, false).is_err());
        assert_eq!(budget.held_bytes(), 40 << 10);
        drop((first, second));
        assert_eq!(budget.held_bytes(), 0);
        assert!(budget.take(&another, 8 << 10, true).is_ok());
    }

    #[test]
    fn call_that_began_before_its_group_fell_silent_moves_to_the_quarter() {
        let budget = HoldBudget::of(64 << 10);
        let part = budget.part();
        let mut calls: Vec<_> = (0..3).map(|_| budget.take(&part, 7 << 10, false).unwrap()).collect();
        let moved = calls.iter_mut().map(|call| budget.move_to_silent(call, 7 << 10).is_ok());
        assert_eq!(moved.collect::<Vec<_>>(), [true, true, false]);
        assert!(budget.move_to_silent(&mut calls[0], 7 << 10).is_ok(), "it has moved already");
    }
}
