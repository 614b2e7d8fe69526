//! What a pod should do, and whether it has.

use catalog::member::{
    AcceptLoss, Bootstrap, LogConditionKind, LogStatus, MemberPhase, MemberStatus, SetRetention,
};

/// What a pod should do. It holds until the pod reports that it is done, or the controllers want something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// Create its group's log on its empty volume.
    Bootstrap(Bootstrap),
    /// Keep records for so long.
    SetRetention(SetRetention),
    /// Accept the loss of what is corrupt.
    AcceptLoss(AcceptLoss),
}

impl Instruction {
    /// Whether there is something to do for a pod that reports this: else it is done, or it can be done no more.
    #[must_use]
    pub fn is_due(&self, status: &MemberStatus) -> bool {
        match self {
            Self::Bootstrap(_) => status.phase == MemberPhase::AwaitingBootstrap,
            Self::SetRetention(call) => {
                let hours = Some(call.retention_period_hours);
                log(status, &call.log).is_some_and(|log| log.retention_period_hours != hours)
            }
            Self::AcceptLoss(call) => {
                log(status, &call.log).is_some_and(|log| corruption(log) == Some(&call.place))
            }
        }
    }
}

/// The first corruption that a log reports, if that has a place.
#[must_use]
pub fn corruption(log: &LogStatus) -> Option<&str> {
    let damaged = |kind| kind == LogConditionKind::StorageDamaged;
    log.conditions.iter().find(|condition| damaged(condition.kind))?.place.as_deref()
}

fn log<'s>(status: &'s MemberStatus, name: &str) -> Option<&'s LogStatus> {
    status.logs.iter().find(|log| log.name == name)
}

#[cfg(test)]
mod tests {
    use catalog::member::LogCondition;

    use super::*;

    fn status(phase: MemberPhase, place: Option<&str>) -> MemberStatus {
        let corrupt = place.map(|place| LogCondition {
            kind: LogConditionKind::StorageDamaged,
            message: "corrupt".into(),
            place: Some(place.into()),
        });
        let log = LogStatus {
            name: "g0".into(),
            durable_bytes: 0,
            retention_period_hours: Some(24),
            writing_ms: 0,
            conditions: corrupt.into_iter().collect(),
            shards: Vec::new(),
        };
        MemberStatus {
            version: "0.1.0".into(),
            stream_uid: "uid".into(),
            group: "g".into(),
            phase,
            reason: None,
            replica_id: None,
            logs: vec![log],
        }
    }

    #[test]
    fn only_an_empty_volume_is_bootstrapped() {
        let bootstrap = Instruction::Bootstrap(Bootstrap {
            stream_uid: "uid".into(),
            group: "g".into(),
            log: "g0".into(),
            shards: Vec::new(),
            retention_period_hours: 24,
        });
        for phase in [
            MemberPhase::WaitingForVolume,
            MemberPhase::Recovering,
            MemberPhase::Serving,
            MemberPhase::Stopped,
            MemberPhase::Ending,
        ] {
            assert!(!bootstrap.is_due(&status(phase, None)), "{phase:?}");
        }
        assert!(bootstrap.is_due(&status(MemberPhase::AwaitingBootstrap, None)));
    }

    #[test]
    fn what_the_pod_reports_as_done_is_not_asked_for_again() {
        let retention = |hours| {
            let (stream_uid, log) = ("uid".into(), "g0".into());
            Instruction::SetRetention(SetRetention { stream_uid, log, retention_period_hours: hours })
        };
        assert!(retention(48).is_due(&status(MemberPhase::Serving, None)));
        assert!(!retention(24).is_due(&status(MemberPhase::Serving, None)));
        let accept = Instruction::AcceptLoss(AcceptLoss {
            stream_uid: "uid".into(),
            log: "g0".into(),
            place: "segment:8192".into(),
        });
        assert!(accept.is_due(&status(MemberPhase::Stopped, Some("segment:8192"))));
        assert!(!accept.is_due(&status(MemberPhase::Stopped, Some("segment:4096"))));
        assert!(!accept.is_due(&status(MemberPhase::Serving, None)));
    }
}
