//! What time brings: clock steps and trims.

use super::Core;
use crate::clock::{AGREEMENT_MS, ClockReading, LogClock};
use crate::effect::Effect;
use crate::entry::Change;
use crate::event::StoreReport;
use crate::state::horizon_ms;

impl Core {
    /// Another machine shows its wall clock.
    pub(super) fn see_clock(&mut self, other_ms: u64) {
        if self.keeper.agrees(other_ms) {
            self.agreed_clock = self.keeper.wall_ahead();
        }
    }

    /// Whether log time is to step to this clock: the wall clock still agrees with it and was not followed.
    pub(super) fn is_step(&self, clock: LogClock) -> bool {
        self.keeper.wall_ahead().is_some() && self.keeper.agrees(clock.at(self.keeper.boottime_ms()))
    }

    pub(super) fn tick(&mut self, clock: ClockReading, store: StoreReport) {
        self.keeper.go_on(clock);
        self.consider_trim(store);
        self.publish();
    }

    /// Has what expired trimmed: by an entry first, then from the store, as long as that has it.
    fn consider_trim(&mut self, store: StoreReport) {
        let horizon_ms = horizon_ms(&self.proposed, self.keeper.time_ms());
        // A sealed shard expires by its seal's age, with records or without.
        if self.proposed.oldest_seal_ms().is_some_and(|sealed_ms| sealed_ms < horizon_ms) {
            self.trim_due_ms = Some(horizon_ms);
        }
        let Some(oldest_ms) = store.oldest_segment_arrival_ms else { return };
        if oldest_ms < self.committed.trim_horizon_ms {
            self.effects.push(Effect::Trim { horizon_ms: self.committed.trim_horizon_ms });
            return;
        }
        // Below the proposed horizon, the entry is under way.
        if (self.proposed.trim_horizon_ms..horizon_ms).contains(&oldest_ms) {
            self.trim_due_ms = Some(horizon_ms);
        }
    }

    /// Proposes the clock step that is due. One that the process trusts itself with waits for something else to propose:
    /// an idle log writes nothing. It is proposed again if the store has no room for it.
    pub(super) fn propose_step(&mut self) {
        let idle = self.staged.is_empty() && self.trim_due_ms.is_none();
        let trusted = self.trusted_clock.filter(|_| !idle);
        let Some(clock) = self.agreed_clock.take().or(trusted).filter(|clock| self.is_step(*clock)) else {
            return;
        };
        let time_ms = clock.at(self.keeper.boottime_ms());
        // Unless a step is under way already.
        if self.proposed.time_ms.saturating_add(AGREEMENT_MS) < time_ms {
            self.propose_change(Change::ClockStep { time_ms });
        }
    }
}
