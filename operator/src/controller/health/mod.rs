//! How a stream is, judged from its objects and from what its pods report. Pure.

mod member;
mod storage;

pub use member::{MemberView, judge, reach_problem};
pub use storage::{LogReport, accept_loss_value, log_of, storage_conditions};

use crate::signals::Reason;

/// How a member of a group is, or a whole group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Its shards take records.
    Serving,
    /// It will serve when the problem is over; perhaps a person has to do something about it.
    Waiting(Problem),
    /// It will not serve before a person has done what the problem says.
    Stalled(Problem),
}

/// What keeps something from serving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// For programs.
    pub reason: Reason,
    /// What the problem is, and what to do.
    pub message: String,
}

impl Problem {
    /// A problem.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

impl Health {
    /// A group's health: that of its first member that stalls, else of the first that waits.
    #[must_use]
    pub fn fold(members: impl IntoIterator<Item = Self>) -> Self {
        members.into_iter().fold(Self::Serving, |group, member| match (&group, &member) {
            (Self::Stalled(_), _) | (Self::Waiting(_), Self::Serving | Self::Waiting(_)) => group,
            _ => member,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_as_its_worst_member_is() {
        let waits = |message: &str| Health::Waiting(Problem::new(Reason::PodMissing, message));
        let stalls = |message: &str| Health::Stalled(Problem::new(Reason::VolumeLost, message));
        assert_eq!(Health::fold([Health::Serving, Health::Serving]), Health::Serving);
        assert_eq!(Health::fold([Health::Serving, waits("1"), waits("2")]), waits("1"));
        assert_eq!(Health::fold([waits("1"), stalls("2"), stalls("3"), Health::Serving]), stalls("2"));
    }
}
