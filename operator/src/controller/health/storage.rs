//! What pods report of their logs' storage, as conditions. Pure.

use catalog::member::{LogCondition, LogConditionKind, LogStatus, MemberPhase, MemberStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::controller::status::{Draft, condition};
use crate::names::{ACCEPT_LOSS, Member};
use crate::objects::Group;
use crate::signals::{ConditionType, Reason};

/// What a member reports of its log's storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReport {
    /// The member.
    pub member: Member,
    /// Its log.
    pub log: String,
    /// Its conditions; nothing where it does not report.
    pub conditions: Option<Vec<LogCondition>>,
}

impl LogReport {
    /// What a member reports: one that stopped without a log has one that is too corrupt to be opened.
    #[must_use]
    pub fn of(group: &Group, member: &Member, status: Option<&MemberStatus>) -> Self {
        let conditions = status.and_then(|status| match log_of(status, &group.log) {
            Some(log) => Some(log.conditions.clone()),
            None if status.phase == MemberPhase::Stopped => Some(vec![LogCondition {
                kind: LogConditionKind::StorageDamaged,
                message: status.reason.clone().unwrap_or_default(),
                place: None,
            }]),
            None => None,
        });
        Self { member: member.clone(), log: group.log.clone(), conditions }
    }
}

/// A log in a pod's status.
#[must_use]
pub fn log_of<'s>(status: &'s MemberStatus, log: &str) -> Option<&'s LogStatus> {
    status.logs.iter().find(|candidate| candidate.name == log)
}

/// The command that accepts the loss of what is corrupt: it names the first place, and so this corruption and no other.
#[must_use]
pub fn accept_loss_command(stream: &str, log: &str, place: &str) -> String {
    format!("kubectl annotate dstream {stream} --overwrite {ACCEPT_LOSS}={}", accept_loss_value(log, place))
}

/// Corruption, as the annotation that accepts its loss names it.
#[must_use]
pub fn accept_loss_value(log: &str, place: &str) -> String {
    format!("{log}:{place}")
}

/// The conditions that follow; `accepted` is the annotation that accepts a loss. Where a member does not report, what
/// was known before goes on to hold.
#[must_use]
pub fn storage_conditions(
    reports: &[LogReport],
    before: &[Condition],
    stream: &str,
    accepted: Option<&str>,
) -> Vec<Draft> {
    let complete = reports.iter().all(|report| report.conditions.is_some());
    let kinds =
        [LogConditionKind::StorageFull, LogConditionKind::StorageDamaged, LogConditionKind::ClockSuspect];
    let mut drafts: Vec<_> =
        kinds.into_iter().filter_map(|kind| of_kind(kind, reports, before, stream, complete)).collect();
    if let Some(accepted) = accepted.filter(|accepted| complete && !names_corruption(reports, accepted))
        && let Some(damaged) = drafts.iter_mut().find(|draft| draft.type_ == ConditionType::StorageDamaged)
    {
        damaged.reason = Reason::AnnotationMismatch;
        damaged.message =
            format!("the annotation {ACCEPT_LOSS}={accepted} names other corruption; {}", damaged.message);
    }
    drafts
}

/// Whether there is corruption that an annotation names.
fn names_corruption(reports: &[LogReport], annotation: &str) -> bool {
    reports.iter().any(|report| {
        let mut places =
            report.conditions.iter().flatten().filter_map(|condition| condition.place.as_deref());
        places.any(|place| accept_loss_value(&report.log, place) == annotation)
    })
}

fn of_kind(
    kind: LogConditionKind,
    reports: &[LogReport],
    before: &[Condition],
    stream: &str,
    complete: bool,
) -> Option<Draft> {
    let (type_, reason) = match kind {
        LogConditionKind::StorageFull => (ConditionType::StorageFull, Reason::VolumeFull),
        LogConditionKind::StorageDamaged => (ConditionType::StorageDamaged, Reason::LogDamaged),
        LogConditionKind::ClockSuspect => (ConditionType::ClockSuspect, Reason::ClocksDisagree),
    };
    let mut found = reports.iter().flat_map(|report| {
        let of_this = report.conditions.iter().flatten().filter(move |condition| condition.kind == kind);
        of_this.map(move |condition| (report, condition))
    });
    let Some((first, reported)) = found.next() else {
        let known = condition(before, type_).filter(|_| !complete)?;
        return Some(Draft::new(type_, true, Reason::repeated(&known.reason), &*known.message));
    };
    let more = match found.count() {
        0 => String::new(),
        more => format!(" (and {more} more of its pods)"),
    };
    let (pod, advice) = (first.member.pod(), advice(first, reported, stream));
    Some(Draft::new(type_, true, reason, format!("pod {pod}{more}: {}; {advice}", reported.message)))
}

/// What to do about it.
fn advice(report: &LogReport, reported: &LogCondition, stream: &str) -> String {
    match reported.kind {
        LogConditionKind::StorageFull => format!(
            "records are refused until there is room, reads go on: raise spec.storage.size (volume {}) or lower \
             spec.retentionPeriodHours",
            report.member.claim()
        ),
        LogConditionKind::StorageDamaged => match reported.place.as_deref() {
            Some(place) => format!(
                "the rest is served, reads of what is corrupt are answered InternalFailure: bring the volume back from \
                 a snapshot, or accept the loss: {}",
                accept_loss_command(stream, &report.log, place)
            ),
            None => "nothing of the log is served: bring the volume back from a snapshot".into(),
        },
        LogConditionKind::ClockSuspect => {
            "no records are lost, log time goes on by itself: set the clock of its node right".into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(log: &str, conditions: Option<Vec<LogCondition>>) -> LogReport {
        let member = Member { group: format!("orders-1a2b3-{log}"), ordinal: 0 };
        LogReport { member, log: log.into(), conditions }
    }

    fn reported(kind: LogConditionKind) -> LogCondition {
        LogCondition { kind, message: "so it is".into(), place: Some("segment-000000000002:8192".into()) }
    }

    fn types(drafts: &[Draft]) -> Vec<ConditionType> {
        drafts.iter().map(|draft| draft.type_).collect()
    }

    #[test]
    fn there_is_no_condition_where_no_pod_reports_one() {
        assert_eq!(storage_conditions(&[report("g0", Some(Vec::new()))], &[], "orders", None), []);
    }

    #[test]
    fn each_kind_is_one_condition_that_names_the_pod_and_what_to_do() {
        let both = vec![reported(LogConditionKind::StorageFull), reported(LogConditionKind::StorageDamaged)];
        let drafts = storage_conditions(
            &[report("g0", Some(both.clone())), report("g1", Some(both))],
            &[],
            "orders",
            None,
        );
        assert_eq!(types(&drafts), [ConditionType::StorageFull, ConditionType::StorageDamaged]);
        assert!(drafts[0].message.starts_with("pod orders-1a2b3-g0-0 (and 1 more of its pods): so it is;"));
        assert!(drafts[0].message.contains("spec.storage.size"));
        let command = "kubectl annotate dstream orders --overwrite kinetes.dev/accept-loss=g0:segment-000000000002:8192";
        assert!(drafts[1].message.ends_with(command), "{}", drafts[1].message);
    }

    #[test]
    fn what_was_known_holds_until_every_pod_reports() {
        let known = crate::controller::status::settle(
            vec![Draft::new(ConditionType::StorageFull, true, Reason::VolumeFull, "full")],
            &[],
            None,
            k8s_openapi::jiff::Timestamp::UNIX_EPOCH,
        );
        let silent = [report("g0", Some(Vec::new())), report("g1", None)];
        assert_eq!(types(&storage_conditions(&silent, &known, "orders", None)), [ConditionType::StorageFull]);
        assert_eq!(storage_conditions(&silent[..1], &known, "orders", None), []);
    }
}
