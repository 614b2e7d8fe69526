//! Conditions: made, found, and kept where they did not change.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// Always there: whether all shards take records.
pub const READY: &str = "Ready";
/// There while the operator works towards what the spec says.
pub const RECONCILING: &str = "Reconciling";
/// There while only a person can help.
pub const STALLED: &str = "Stalled";
/// There on on-demand streams: whether they scale.
pub const SCALING_ACTIVE: &str = "ScalingActive";
/// There while pods run an older template than the stream's.
pub const PODS_OUTDATED: &str = "PodsOutdated";
/// There, and False, while volumes are smaller than the spec says.
pub const STORAGE_RESIZED: &str = "StorageResized";

/// There while a volume is full: appends are refused, reads go on.
pub const STORAGE_FULL: &str = "StorageFull";
/// There while a part of a log cannot be read; the rest is served.
pub const STORAGE_DAMAGED: &str = "StorageDamaged";
/// There while the clock of a node and the time of a log differ, and no other clock agrees with the node's.
pub const CLOCK_SUSPECT: &str = "ClockSuspect";

/// A condition before it is known since when it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its type.
    pub type_: &'static str,
    /// True or False.
    pub status: bool,
    /// One word, for programs.
    pub reason: String,
    /// For people.
    pub message: String,
}

impl Draft {
    /// A condition.
    pub fn new(
        type_: &'static str,
        status: bool,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { type_, status, reason: reason.into(), message: message.into() }
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
            let same = before.iter().find(|old| old.type_ == draft.type_ && old.status == status);
            Condition {
                type_: draft.type_.into(),
                status: status.into(),
                reason: draft.reason,
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
pub fn condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether the condition of this type is there with this status.
#[must_use]
pub fn is(conditions: &[Condition], type_: &str, status: bool) -> bool {
    condition(conditions, type_)
        .is_some_and(|condition| condition.status == if status { "True" } else { "False" })
}
