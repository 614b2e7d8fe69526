//! The conditions of a DataStream.

use super::{NOTHING, Row};

/// The type of a condition of a DataStream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// Whether all shards take records.
    Ready,
    /// The operator works towards what the spec says.
    Reconciling,
    /// Only a person can help.
    Stalled,
    /// Whether an on-demand stream scales.
    ScalingActive,
    /// Pods run an older template than the stream's.
    PodsOutdated,
    /// The operator cannot reach pods.
    PodsUnreachable,
    /// Volumes are smaller than the spec says.
    StorageResized,
    /// A volume is full.
    StorageFull,
    /// A part of a log is corrupt.
    StorageDamaged,
    /// The clock of a node and the time of a log differ.
    ClockSuspect,
}

impl ConditionType {
    /// Every type.
    pub const ALL: [Self; 10] = [
        Self::Ready,
        Self::Reconciling,
        Self::Stalled,
        Self::ScalingActive,
        Self::PodsOutdated,
        Self::PodsUnreachable,
        Self::StorageResized,
        Self::StorageFull,
        Self::StorageDamaged,
        Self::ClockSuspect,
    ];

    /// Its name in the status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::ScalingActive => "ScalingActive",
            Self::PodsOutdated => "PodsOutdated",
            Self::PodsUnreachable => "PodsUnreachable",
            Self::StorageResized => "StorageResized",
            Self::StorageFull => "StorageFull",
            Self::StorageDamaged => "StorageDamaged",
            Self::ClockSuspect => "ClockSuspect",
        }
    }

    /// When it is there: `Ready` always, any other while it has something to say.
    #[must_use]
    pub fn presence(self) -> &'static str {
        match self {
            Self::Ready => "always, True or False",
            Self::ScalingActive => "on on-demand streams, False",
            Self::StorageResized => "only while False",
            Self::Reconciling
            | Self::Stalled
            | Self::PodsOutdated
            | Self::PodsUnreachable
            | Self::StorageFull
            | Self::StorageDamaged
            | Self::ClockSuspect => "only while True",
        }
    }

    /// Whether it is an event too when it comes or gets another reason, and if so, whether a warning.
    #[must_use]
    pub fn event_is_warning(self) -> Option<bool> {
        match self {
            Self::Ready | Self::Reconciling | Self::ScalingActive => None,
            Self::PodsOutdated => Some(false),
            Self::Stalled
            | Self::PodsUnreachable
            | Self::StorageResized
            | Self::StorageFull
            | Self::StorageDamaged
            | Self::ClockSuspect => Some(true),
        }
    }

    /// What it means, and what to do about it.
    #[must_use]
    pub fn row(self) -> Row {
        let row = |meaning, remedy| Row { meaning, remedy };
        match self {
            Self::Ready => row(
                "every shard takes records; where it is False, reason and message say which pod keeps it, and why",
                "as the reason says",
            ),
            Self::Reconciling => row("the operator works towards what the spec says", NOTHING),
            Self::Stalled => {
                row("the operator gets no further until a person has done something", "as the reason says")
            }
            Self::ScalingActive => row("whether the number of shards follows the load", NOTHING),
            Self::PodsOutdated => row(
                "pods run an older template (image, resources, ...) than their StatefulSet has; they go on to serve",
                "run the command of the message, which replaces one pod after the other",
            ),
            Self::PodsUnreachable => row(
                "the operator cannot ask pods for their status: full volumes, corruption and clocks of these pods are \
                 not reported; Ready goes by the kubelet's probe meanwhile",
                "as the reason says",
            ),
            Self::StorageResized => row("volumes are smaller than spec.storage.size", "as the reason says"),
            Self::StorageFull => {
                row("a volume is full: records are refused, reads and expiry go on", "as the reason says")
            }
            Self::StorageDamaged => {
                row("a part of a log is corrupt; the rest is served", "as the reason says")
            }
            Self::ClockSuspect => row(
                "the clock of a node and the time of a log differ by more than an hour, and no other machine's clock \
                 agrees with the node's; records are taken, and expire by the log's time",
                "as the reason says",
            ),
        }
    }
}
