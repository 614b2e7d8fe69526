//! The reasons of conditions and events.

use std::borrow::Cow;

use super::{NOTHING, Row};
use crate::members::ErrorKind;

/// Why a condition is as it is, or what an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Every shard takes records.
    Serving,
    /// The map of the stream goes out to the gateways.
    Publishing,
    /// A pod is not made yet.
    PodMissing,
    /// A StatefulSet cannot create a pod.
    FailedCreate,
    /// A pod is not scheduled, and the scheduler gives no reason.
    Unscheduled,
    /// The storage class of a claim is not there.
    NoStorageClass,
    /// The image cannot be pulled.
    ImagePullBackOff,
    /// A pod keeps ending.
    CrashLoopBackOff,
    /// A pod is being deleted, or ends.
    PodEnding,
    /// A pod starts.
    PodNotReady,
    /// The operator cannot reach a pod that is not ready.
    PodUnreachable,
    /// A pod waits for another process to leave its volume.
    WaitingForVolume,
    /// A pod bootstraps its log, or opens its shards.
    Starting,
    /// A pod reads its log.
    Recovering,
    /// The volume under shards that had records is empty.
    VolumeLost,
    /// A log takes no records any more.
    StorageFailed,
    /// The spec breaks a rule.
    InvalidSpec,
    /// Another stream has the name.
    NameTaken,
    /// The spec asks for a change that cannot be made.
    ChangeRefused,
    /// Another installation manages the stream.
    OtherInstallation,
    /// The API server refuses a step.
    Refused,
    /// The stream is being deleted.
    Deleting,
    /// On-demand streams do not scale yet.
    NotServedYet,
    /// Pods run an older template.
    OldTemplate,
    /// Volumes are about to grow.
    Growing,
    /// A volume is full.
    VolumeFull,
    /// A log is corrupt.
    LogDamaged,
    /// The annotation that accepts a loss names another place.
    AnnotationMismatch,
    /// The clock of a node differs from log time.
    ClocksDisagree,
    /// No connection to a pod in time.
    ConnectTimeout,
    /// No connection to a pod.
    ConnectFailed,
    /// A pod does not answer.
    NoAnswer,
    /// A pod's answer is no status.
    BadAnswer,
    /// Another pod answered.
    WrongPod,
    /// The stream is being made.
    Creating,
    /// The stream takes records.
    Active,
    /// The stream is gone.
    Deleted,
    /// The reason of a pod or of the scheduler, or one of an earlier status: repeated as it is.
    Repeated(Cow<'static, str>),
}

/// Every reason of the operator's own.
pub static REASONS: [Reason; 37] = [
    Reason::Serving,
    Reason::Publishing,
    Reason::PodMissing,
    Reason::FailedCreate,
    Reason::Unscheduled,
    Reason::NoStorageClass,
    Reason::ImagePullBackOff,
    Reason::CrashLoopBackOff,
    Reason::PodEnding,
    Reason::PodNotReady,
    Reason::PodUnreachable,
    Reason::WaitingForVolume,
    Reason::Starting,
    Reason::Recovering,
    Reason::VolumeLost,
    Reason::StorageFailed,
    Reason::InvalidSpec,
    Reason::NameTaken,
    Reason::ChangeRefused,
    Reason::OtherInstallation,
    Reason::Refused,
    Reason::Deleting,
    Reason::NotServedYet,
    Reason::OldTemplate,
    Reason::Growing,
    Reason::VolumeFull,
    Reason::LogDamaged,
    Reason::AnnotationMismatch,
    Reason::ClocksDisagree,
    Reason::ConnectTimeout,
    Reason::ConnectFailed,
    Reason::NoAnswer,
    Reason::BadAnswer,
    Reason::WrongPod,
    Reason::Creating,
    Reason::Active,
    Reason::Deleted,
];

impl Reason {
    /// A reason that is repeated as it is.
    #[must_use]
    pub fn repeated(reason: &str) -> Self {
        Self::Repeated(Cow::Owned(reason.to_owned()))
    }

    /// Its name in conditions and events.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Serving => "Serving",
            Self::Publishing => "Publishing",
            Self::PodMissing => "PodMissing",
            Self::FailedCreate => "FailedCreate",
            Self::Unscheduled => "Unscheduled",
            Self::NoStorageClass => "NoStorageClass",
            Self::ImagePullBackOff => "ImagePullBackOff",
            Self::CrashLoopBackOff => "CrashLoopBackOff",
            Self::PodEnding => "PodEnding",
            Self::PodNotReady => "PodNotReady",
            Self::PodUnreachable => "PodUnreachable",
            Self::WaitingForVolume => "WaitingForVolume",
            Self::Starting => "Starting",
            Self::Recovering => "Recovering",
            Self::VolumeLost => "VolumeLost",
            Self::StorageFailed => "StorageFailed",
            Self::InvalidSpec => "InvalidSpec",
            Self::NameTaken => "NameTaken",
            Self::ChangeRefused => "ChangeRefused",
            Self::OtherInstallation => "OtherInstallation",
            Self::Refused => "Refused",
            Self::Deleting => "Deleting",
            Self::NotServedYet => "NotServedYet",
            Self::OldTemplate => "OldTemplate",
            Self::Growing => "Growing",
            Self::VolumeFull => "VolumeFull",
            Self::LogDamaged => "LogDamaged",
            Self::AnnotationMismatch => "AnnotationMismatch",
            Self::ClocksDisagree => "ClocksDisagree",
            Self::ConnectTimeout => ErrorKind::ConnectTimeout.as_str(),
            Self::ConnectFailed => ErrorKind::ConnectFailed.as_str(),
            Self::NoAnswer => ErrorKind::NoAnswer.as_str(),
            Self::BadAnswer => ErrorKind::BadAnswer.as_str(),
            Self::WrongPod => ErrorKind::WrongPod.as_str(),
            Self::Creating => "Creating",
            Self::Active => "Active",
            Self::Deleted => "Deleted",
            Self::Repeated(reason) => reason,
        }
    }

    /// What it means, and what to do about it.
    #[must_use]
    pub fn row(&self) -> Row {
        let row = |meaning, remedy| Row { meaning, remedy };
        match self {
            Self::Serving => row("every shard takes records", NOTHING),
            Self::Publishing => row("the map of the stream goes out to the gateways", NOTHING),
            Self::PodMissing => row("the StatefulSet has not made a pod yet", NOTHING),
            Self::FailedCreate => row(
                "a StatefulSet cannot create its pod: a quota, Pod Security or an admission webhook refuses it, as the \
                 message repeats",
                "raise the quota, or allow the pod in the namespace; the StatefulSet tries again by itself",
            ),
            Self::Unscheduled => row("a pod has no node yet, and the scheduler gives no reason", NOTHING),
            Self::NoStorageClass => row(
                "a volume has no StorageClass to come from",
                "make the StorageClass that the message names, or a default one",
            ),
            Self::ImagePullBackOff => row(
                "a node cannot pull the image of the storage pods",
                "check image.registry, image.tag and imagePullSecrets of the installation",
            ),
            Self::CrashLoopBackOff => {
                row("a pod keeps ending, with the error in the message", "as that error says")
            }
            Self::PodEnding => row(
                "a pod is being deleted and will be made again",
                "nothing; where its node is truly off, the command in the message lets it go",
            ),
            Self::PodNotReady => row("a pod starts", NOTHING),
            Self::PodUnreachable => row(
                "the operator cannot ask a pod that is not ready, so that it cannot bootstrap or judge it",
                "as the message says; where connections time out, allow TCP port 7400 from the operator",
            ),
            Self::WaitingForVolume => row("another process still holds the volume of a pod", NOTHING),
            Self::Starting => row("a pod bootstraps its log or opens its shards", NOTHING),
            Self::Recovering => row("a pod reads its log", NOTHING),
            Self::VolumeLost => row(
                "the volume of a pod is empty though its shards had records; nothing is written to it",
                "bring the volume back and delete the pod, or delete the stream",
            ),
            Self::StorageFailed => row(
                "a log takes no records: a write failed, or it is corrupt at its end or cannot be opened",
                "as the message says: delete the pod, bring the volume back, or accept the loss",
            ),
            Self::InvalidSpec => {
                row("the spec breaks a rule that the installed CRD does not know", "correct the spec")
            }
            Self::NameTaken => row(
                "another DataStream had the name in this account first",
                "delete that one, or make this stream under another spec.name",
            ),
            Self::ChangeRefused => row(
                "the spec asks for a change of what cannot change; what was in force stays in force, and all else goes on",
                "as the message says: put the field back",
            ),
            Self::OtherInstallation => row(
                "another installation of Kinetes manages the stream: nothing is done for it",
                "nothing; where that installation is gone, run the command of the message, which hands the stream over",
            ),
            Self::Refused => row(
                "the API server refuses a step, or a storage class a larger volume; what served serves on",
                "as the message says: often a right, a policy or a quota",
            ),
            Self::Deleting => row("the stream is being deleted", NOTHING),
            Self::NotServedYet => row("on-demand streams keep the shards that they have", NOTHING),
            Self::OldTemplate => {
                row("pods run an older template than their StatefulSet has", "run the command of the message")
            }
            Self::Growing => row("a volume is about to grow", NOTHING),
            Self::VolumeFull => {
                row("a volume is full", "raise spec.storage.size or lower spec.retentionPeriodHours")
            }
            Self::LogDamaged => row(
                "a part of a log is corrupt",
                "bring the volume back, or accept the loss with the command of the message",
            ),
            Self::AnnotationMismatch => row(
                "the annotation kinetes.dev/accept-loss names another place than the one that is corrupt",
                "run the command of the message, which names the place",
            ),
            Self::ClocksDisagree => {
                row("the clock of a node differs from log time", "correct the clock of the node")
            }
            Self::ConnectTimeout => row(
                "connections from the operator to a pod time out, as where a NetworkPolicy denies them",
                "allow TCP port 7400 of the storage pods from the operator's pods",
            ),
            Self::ConnectFailed => row(
                "the operator has no connection to a pod, or it breaks",
                "check the pod, its node and the network between them",
            ),
            Self::NoAnswer => row(
                "a pod takes connections and does not answer",
                "look at the pod's log, its disk and its node",
            ),
            Self::BadAnswer => row(
                "a pod answers something else than a status",
                "check what stands between (a proxy, a service mesh) and whether the versions are neighbours",
            ),
            Self::WrongPod => row(
                "another pod answers at the IP of a pod",
                "nothing if it passes; else look for two pods with one IP",
            ),
            Self::Creating => row("the stream is being made", NOTHING),
            Self::Active => row("the stream takes records", NOTHING),
            Self::Deleted => row(
                "the stream is gone",
                "delete the volumes with the command of the note, if they are not wanted",
            ),
            Self::Repeated(_) => row("the reason that Kubernetes gives for a pod", "as the message says"),
        }
    }
}

impl From<ErrorKind> for Reason {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::ConnectTimeout => Self::ConnectTimeout,
            ErrorKind::ConnectFailed => Self::ConnectFailed,
            ErrorKind::NoAnswer => Self::NoAnswer,
            ErrorKind::BadAnswer => Self::BadAnswer,
            ErrorKind::WrongPod => Self::WrongPod,
        }
    }
}

impl PartialEq<&str> for Reason {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}
