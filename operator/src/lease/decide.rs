//! What to do about a lease, from what was seen of it. Pure.

use std::time::Duration;

/// A lease as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Who holds it; empty: nobody, the last holder gave it back.
    pub holder: &'a str,
    /// For how long we have seen it unchanged.
    pub unchanged: Duration,
    /// How long its holder may be silent.
    pub duration: Duration,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make the lease, ours.
    Create,
    /// Make it ours: nobody has it, or its holder was silent for too long.
    Take,
    /// Say that we are still there.
    Renew,
    /// Somebody else has it.
    Wait,
}

/// What `me` does about a lease.
#[must_use]
pub fn decide(me: &str, lease: Option<Seen>) -> Step {
    match lease {
        None => Step::Create,
        Some(seen) if seen.holder == me => Step::Renew,
        Some(seen) if seen.holder.is_empty() || seen.unchanged > seen.duration => Step::Take,
        Some(_) => Step::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(holder: &str, unchanged_seconds: u64) -> Option<Seen<'_>> {
        let duration = Duration::from_secs(15);
        Some(Seen { holder, unchanged: Duration::from_secs(unchanged_seconds), duration })
    }

    #[test]
    fn a_lease_that_is_not_there_is_made() {
        assert_eq!(decide("me", None), Step::Create);
    }

    #[test]
    fn ones_own_lease_is_renewed_however_late() {
        assert_eq!(decide("me", seen("me", 100)), Step::Renew);
    }

    #[test]
    fn a_lease_given_back_is_taken_at_once() {
        assert_eq!(decide("me", seen("", 0)), Step::Take);
    }

    #[test]
    fn a_lease_of_another_is_taken_only_after_it_was_silent_for_the_whole_duration() {
        assert_eq!(decide("me", seen("other", 15)), Step::Wait);
        assert_eq!(decide("me", seen("other", 16)), Step::Take);
    }
}
