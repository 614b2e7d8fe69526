//! Conditions: made, found, and kept where they did not change.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use crate::signals::{ConditionType, Reason};

/// A condition before it is known since when it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its type.
    pub type_: ConditionType,
    /// True or False.
    pub status: bool,
    /// For programs.
    pub reason: Reason,
    /// For people.
    pub message: String,
}

impl Draft {
    /// A condition.
    pub fn new(type_: ConditionType, status: bool, reason: Reason, message: impl Into<String>) -> Self {
        Self { type_, status, reason, message: message.into() }
    }
}

/// The conditions that drafts become, sorted by type: one whose status was the same before keeps its time.
#[must_use]
pub fn settle(
    drafts: Vec<Draft>,
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let mut settled: Vec<_> = drafts
        .into_iter()
        .map(|draft| {
            let status = if draft.status { "True" } else { "False" };
            let same = condition(before, draft.type_).filter(|old| old.status == status);
            Condition {
                type_: draft.type_.as_str().into(),
                status: status.into(),
                reason: draft.reason.as_str().into(),
                message: draft.message,
                observed_generation: generation,
                last_transition_time: same
                    .map_or_else(|| Time(whole_seconds(now)), |old| old.last_transition_time.clone()),
            }
        })
        .collect();
    settled.sort_by(|a, b| a.type_.cmp(&b.type_));
    settled
}

/// The API server keeps whole seconds; more would be a difference each time.
#[must_use]
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// The condition of this type, if it is there.
#[must_use]
pub fn condition(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == type_.as_str())
}

/// Whether the condition of this type is there with this status.
#[must_use]
pub fn is(conditions: &[Condition], type_: ConditionType, status: bool) -> bool {
    condition(conditions, type_)
        .is_some_and(|condition| condition.status == if status { "True" } else { "False" })
}
