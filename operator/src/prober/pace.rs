//! How long until a pod is asked again. Pure.

use std::time::Duration;

/// The first pause while something is expected of a pod, or it does not answer.
const SHORTEST: Duration = Duration::from_millis(300);
/// How often a pod is asked of which nothing is expected: so late a full or corrupt volume is reported.
const LONGEST: Duration = Duration::from_secs(30);

/// What a question led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The pod serves, and has nothing to do.
    Settled,
    /// It does not answer, does not serve yet, or has not done what it should.
    Unsettled,
}

/// The pauses between the questions to one pod.
#[derive(Debug, Default)]
pub struct Pace {
    unsettled: u32,
}

impl Pace {
    /// The pause after a question; the pauses grow while nothing settles.
    pub fn pause(&mut self, asked: Asked) -> Duration {
        match asked {
            Asked::Settled => {
                self.unsettled = 0;
                LONGEST
            }
            Asked::Unsettled => {
                let pause = SHORTEST.saturating_mul(1 << self.unsettled.min(16));
                self.unsettled += 1;
                pause.min(LONGEST)
            }
        }
    }

    /// Something changed for the pod: it is asked at once, and often again.
    pub fn restart(&mut self) {
        self.unsettled = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_while_nothing_settles() {
        let mut pace = Pace::default();
        let pauses: Vec<_> = (0..40).map(|_| pace.pause(Asked::Unsettled)).collect();
        assert_eq!(pauses[0], SHORTEST);
        assert!(pauses.is_sorted());
        assert_eq!(pauses[39], LONGEST);
    }

    #[test]
    fn a_settled_pod_is_asked_seldom_and_a_changed_one_often() {
        let mut pace = Pace::default();
        assert_eq!(pace.pause(Asked::Settled), LONGEST);
        for _ in 0..9 {
            pace.pause(Asked::Unsettled);
        }
        pace.restart();
        assert_eq!(pace.pause(Asked::Unsettled), SHORTEST);
        pace.pause(Asked::Settled);
        assert_eq!(pace.pause(Asked::Unsettled), SHORTEST);
    }
}
