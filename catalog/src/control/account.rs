//! The settings and the usage of an account, in one region.

use serde::{Deserialize, Serialize};

use crate::{ShardState, Stream, StreamMode};

/// The shortest commitment, in milliseconds (AWS API reference, UpdateAccountSettings).
const MIN_COMMITMENT_MS: i64 = 24 * 3_600_000;

/// The minimum throughput billing commitment of an account. Times are milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Commitment {
    /// When it began; absent: it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<i64>,
    /// When it may end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest_end_ms: Option<i64>,
    /// When it ended, or will end; absent: it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ms: Option<i64>,
}

/// What the API shows as the status of a commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitmentStatus {
    /// There is none.
    Disabled,
    /// It goes on.
    Enabled,
    /// It was disabled too early, and ends when it may.
    EnabledUntilEarliestAllowedEnd,
}

/// What an account has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Its open shards.
    pub open_shards: u32,
    /// Its on-demand streams.
    pub on_demand_streams: u32,
}

impl Limits {
    /// What an account with these streams has.
    #[must_use]
    pub fn of<'s>(streams: impl IntoIterator<Item = &'s Stream>) -> Self {
        let mut limits = Self::default();
        for stream in streams {
            let open = stream.shards.iter().filter(|shard| shard.state == ShardState::Open).count();
            limits.open_shards += u32::try_from(open).unwrap_or(u32::MAX);
            limits.on_demand_streams += u32::from(stream.mode == StreamMode::OnDemand);
        }
        limits
    }
}

impl Commitment {
    /// Its status at a time.
    #[must_use]
    pub fn status(&self, now_ms: i64) -> CommitmentStatus {
        match (self.started_ms, self.end_ms) {
            (None, _) => CommitmentStatus::Disabled,
            (Some(_), None) => CommitmentStatus::Enabled,
            (Some(_), Some(end_ms)) if end_ms <= now_ms => CommitmentStatus::Disabled,
            (Some(_), Some(_)) => CommitmentStatus::EnabledUntilEarliestAllowedEnd,
        }
    }

    /// Whether what it unlocks is unlocked.
    #[must_use]
    pub fn is_on(&self, now_ms: i64) -> bool {
        self.status(now_ms) != CommitmentStatus::Disabled
    }

    /// The commitment after it was enabled or disabled. It goes on for a day at least.
    #[must_use]
    pub fn updated(&self, enable: bool, now_ms: i64) -> Self {
        match (self.status(now_ms), enable) {
            (CommitmentStatus::Disabled, true) => Self {
                started_ms: Some(now_ms),
                earliest_end_ms: Some(now_ms.saturating_add(MIN_COMMITMENT_MS)),
                end_ms: None,
            },
            (CommitmentStatus::EnabledUntilEarliestAllowedEnd, true) => Self { end_ms: None, ..*self },
            (CommitmentStatus::Enabled, false) => {
                let earliest_end_ms = self.earliest_end_ms.unwrap_or(now_ms);
                Self { end_ms: Some(now_ms.max(earliest_end_ms)), ..*self }
            }
            (CommitmentStatus::Enabled, true)
            | (CommitmentStatus::Disabled | CommitmentStatus::EnabledUntilEarliestAllowedEnd, false) => *self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_790_000_000_000;

    #[test]
    fn account_begins_without_a_commitment() {
        let none = Commitment::default();
        assert_eq!(none.status(NOW_MS), CommitmentStatus::Disabled);
        assert_eq!(none.updated(false, NOW_MS), none);
    }

    #[test]
    fn commitment_that_is_disabled_early_goes_on_until_a_day_is_over() {
        let on = Commitment::default().updated(true, NOW_MS);
        assert_eq!(on.status(NOW_MS), CommitmentStatus::Enabled);
        assert_eq!(on.earliest_end_ms, Some(NOW_MS + MIN_COMMITMENT_MS));
        let ending = on.updated(false, NOW_MS + 1);
        assert_eq!(ending.status(NOW_MS + 1), CommitmentStatus::EnabledUntilEarliestAllowedEnd);
        assert!(ending.is_on(NOW_MS + MIN_COMMITMENT_MS - 1));
        assert_eq!(ending.status(NOW_MS + MIN_COMMITMENT_MS), CommitmentStatus::Disabled);
        assert_eq!(ending.updated(true, NOW_MS + 2), on);
    }

    #[test]
    fn commitment_that_is_disabled_late_ends_at_once_and_the_next_one_starts_anew() {
        let late_ms = NOW_MS + MIN_COMMITMENT_MS + 5;
        let off = Commitment::default().updated(true, NOW_MS).updated(false, late_ms);
        assert_eq!((off.status(late_ms), off.end_ms), (CommitmentStatus::Disabled, Some(late_ms)));
        assert_eq!(off.updated(true, late_ms + 1).started_ms, Some(late_ms + 1));
    }
}
