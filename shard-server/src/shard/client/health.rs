//! Whether a member answers: decided from what its calls and probes saw, without I/O.
//!
//! An outage begins when the member cannot be reached, says that it does not serve yet, or answers no append for 3 s. It
//! ends when a probe of its status succeeds. Calls are held for a limited time from the beginning of the outage, not
//! each from its own: after that they are refused at once, until the outage ends.

use std::time::Duration;

use tokio::time::Instant;

/// How long after the beginning of an outage a call is held.
pub const HOLD: Duration = Duration::from_secs(10);
/// The same for a request of which the other records can be answered.
pub const PARTIAL_HOLD: Duration = Duration::from_secs(3);
/// A group is silent after it answered nothing for so long while appends are under way.
const SILENT_AFTER: Duration = Duration::from_millis(100);
/// After so long it is an outage.
const STALLED_AFTER: Duration = Duration::from_secs(3);

/// What is known of a member.
#[derive(Debug)]
pub struct Health {
    /// Appends under way.
    appends: usize,
    /// When the last append was answered; when the first was sent, if none was under way before.
    last_sign: Instant,
    outage: Option<Outage>,
}

/// A time in which a member does not answer.
#[derive(Clone, Debug)]
pub struct Outage {
    /// Since when.
    pub since: Instant,
    /// Of what kind it is.
    pub kind: OutageKind,
    /// The newest reason.
    pub why: String,
}

/// What an outage concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutageKind {
    /// Everything: the member cannot be reached, or does not serve.
    Unreachable,
    /// Appends: its log makes no progress. Reads may still be answered.
    Stalled,
}

impl Health {
    pub fn new(now: Instant) -> Self {
        Self { appends: 0, last_sign: now, outage: None }
    }

    /// An append was sent.
    pub fn sent(&mut self, now: Instant) {
        if self.appends == 0 {
            self.last_sign = now;
        }
        self.appends += 1;
    }

    /// An append has ended. An answer shows that the log makes progress.
    pub fn ended(&mut self, now: Instant, is_answered: bool) {
        self.appends -= 1;
        if is_answered {
            self.last_sign = now;
        }
    }

    /// Whether the member does not answer now.
    pub fn is_silent(&self, now: Instant) -> bool {
        self.outage.is_some() || (self.appends > 0 && now > self.last_sign + SILENT_AFTER)
    }

    /// When appends under way have gone without an answer for too long.
    pub fn stalls_at(&self) -> Instant {
        self.last_sign + STALLED_AFTER
    }

    /// Since when the log makes no progress, if that is an outage.
    pub fn stalled_since(&self, now: Instant) -> Option<Instant> {
        (self.appends > 0 && now >= self.stalls_at()).then_some(self.last_sign)
    }

    /// An outage, or more about it; true if it is new.
    pub fn begin_outage(&mut self, outage: Outage) -> bool {
        match &mut self.outage {
            None => {
                self.outage = Some(outage);
                true
            }
            Some(known) => {
                known.why = outage.why;
                if outage.kind == OutageKind::Unreachable {
                    known.kind = OutageKind::Unreachable;
                }
                false
            }
        }
    }

    /// The member serves.
    pub fn end_outage(&mut self, now: Instant) -> Option<Outage> {
        // What is still under way has its time again.
        self.last_sign = now;
        self.outage.take()
    }

    /// The outage under way.
    pub fn outage(&self) -> Option<&Outage> {
        self.outage.as_ref()
    }

    /// The outage under way.
    pub fn outage_mut(&mut self) -> Option<&mut Outage> {
        self.outage.as_mut()
    }
}

impl Outage {
    /// The end of a hold of this length.
    pub fn deadline(&self, hold: Duration) -> Instant {
        self.since + hold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn outage(since: Instant, kind: OutageKind) -> Outage {
        Outage { since, kind, why: String::new() }
    }

    #[test]
    fn group_is_silent_while_appends_are_under_way_and_none_is_answered() {
        let begun = Instant::now();
        let mut health = Health::new(begun);
        let later = begun + 60 * SECOND;
        assert!(!health.is_silent(later), "nothing is under way");
        health.sent(later);
        health.sent(later + SECOND);
        assert!(!health.is_silent(later));
        assert!(health.is_silent(later + SECOND));
        assert_eq!(health.stalled_since(later + 2 * SECOND), None);
        assert_eq!(health.stalled_since(later + 3 * SECOND), Some(later));
        health.ended(later + 2 * SECOND, true);
        assert!(!health.is_silent(later + 2 * SECOND));
        assert_eq!(health.stalled_since(later + 3 * SECOND), None, "the other was answered");
        assert_eq!(health.stalls_at(), later + 5 * SECOND);
        health.ended(later + 9 * SECOND, false);
        assert!(!health.is_silent(later + 10 * SECOND));
    }

    #[test]
    fn outage_goes_on_from_its_beginning_and_becomes_worse_but_not_better() {
        let begun = Instant::now();
        let mut health = Health::new(begun);
        assert!(health.begin_outage(outage(begun, OutageKind::Stalled)));
        assert!(!health.begin_outage(outage(begun + SECOND, OutageKind::Unreachable)));
        assert!(!health.begin_outage(outage(begun + SECOND, OutageKind::Stalled)));
        let known = health.outage().unwrap();
        assert_eq!((known.since, known.kind), (begun, OutageKind::Unreachable));
        assert_eq!(known.deadline(PARTIAL_HOLD), begun + 3 * SECOND);
        assert!(health.is_silent(begun));
        assert!(health.end_outage(begun + SECOND).is_some());
        assert!(!health.is_silent(begun + SECOND));
    }
}
