//! What pods say of their storage, as conditions. Pure.

use catalog::member::{LogCondition, LogConditionKind};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::conditions::{CLOCK_SUSPECT, Draft, STORAGE_DAMAGED, STORAGE_FULL, condition};
use crate::names::{ACCEPT_LOSS, claim, pod as pod_name};
use crate::objects::Group;

/// What one group's pod said of its log's storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    group: String,
    log: String,
    conditions: Option<Vec<LogCondition>>,
}

impl Said {
    /// What the pod of a group said; nothing where it was not heard.
    #[must_use]
    pub fn of(group: &Group, conditions: Option<&[LogCondition]>) -> Self {
        Self {
            group: group.name.clone(),
            log: group.log.clone(),
            conditions: conditions.map(<[LogCondition]>::to_vec),
        }
    }
}

/// What a person types to give up what is damaged: it names the first place, and so this damage and no other.
#[must_use]
pub fn give_up(stream: &str, log: &str, place: &str) -> String {
    format!("kubectl annotate dstream {stream} --overwrite {ACCEPT_LOSS}={}", lost(log, place))
}

/// Damage, as the annotation that gives it up names it.
fn lost(log: &str, place: &str) -> String {
    format!("{log}:{place}")
}

/// The conditions that follow; `accepted` is the loss that somebody gave up. Where a pod was not heard, what was known
/// before goes on to hold.
#[must_use]
pub fn storage_conditions(
    said: &[Said],
    before: &[Condition],
    stream: &str,
    accepted: Option<&str>,
) -> Vec<Draft> {
    let all_heard = said.iter().all(|said| said.conditions.is_some());
    let kinds =
        [LogConditionKind::StorageFull, LogConditionKind::StorageDamaged, LogConditionKind::ClockSuspect];
    let mut drafts: Vec<_> =
        kinds.into_iter().filter_map(|kind| of_kind(kind, said, before, stream, all_heard)).collect();
    if let Some(accepted) = accepted.filter(|accepted| all_heard && !is_damaged(said, accepted))
        && let Some(damaged) = drafts.iter_mut().find(|draft| draft.type_ == STORAGE_DAMAGED)
    {
        damaged.reason = "OtherLossAccepted".into();
        damaged.message =
            format!("the annotation {ACCEPT_LOSS}={accepted} names other damage; {}", damaged.message);
    }
    drafts
}

/// Whether damage is there that is named so.
fn is_damaged(said: &[Said], name: &str) -> bool {
    said.iter().any(|said| {
        let mut places = said.conditions.iter().flatten().filter_map(|condition| condition.place.as_deref());
        places.any(|place| lost(&said.log, place) == name)
    })
}

fn of_kind(
    kind: LogConditionKind,
    said: &[Said],
    before: &[Condition],
    stream: &str,
    all_heard: bool,
) -> Option<Draft> {
    let (type_, reason) = match kind {
        LogConditionKind::StorageFull => (STORAGE_FULL, "VolumeFull"),
        LogConditionKind::StorageDamaged => (STORAGE_DAMAGED, "LogDamaged"),
        LogConditionKind::ClockSuspect => (CLOCK_SUSPECT, "ClocksDisagree"),
    };
    let mut found = said.iter().flat_map(|said| {
        let of_this = said.conditions.iter().flatten().filter(move |condition| condition.kind == kind);
        of_this.map(move |condition| (said, condition))
    });
    let Some((first, told)) = found.next() else {
        let known = condition(before, type_).filter(|_| !all_heard)?;
        return Some(Draft::new(type_, true, &*known.reason, &*known.message));
    };
    let more = match found.count() {
        0 => String::new(),
        more => format!(" (and {more} more of its pods)"),
    };
    let message =
        format!("pod {}{more}: {}; {}", pod_name(&first.group), told.message, advice(first, told, stream));
    Some(Draft::new(type_, true, reason, message))
}

/// What to do about it.
fn advice(said: &Said, told: &LogCondition, stream: &str) -> String {
    match told.kind {
        LogConditionKind::StorageFull => format!(
            "records are refused until there is room, reads go on: raise spec.storage.size (volume {}) or lower \
             spec.retentionPeriodHours",
            claim(&said.group)
        ),
        LogConditionKind::StorageDamaged => match told.place.as_deref() {
            Some(place) => format!(
                "the rest is served, reads of what is damaged are answered InternalFailure: bring the volume back from \
                 a snapshot, or give up what is lost: {}",
                give_up(stream, &said.log, place)
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

    fn said(log: &str, conditions: Option<Vec<LogCondition>>) -> Said {
        Said { group: format!("orders-1a2b3-{log}"), log: log.into(), conditions }
    }

    fn told(kind: LogConditionKind) -> LogCondition {
        LogCondition { kind, message: "so it is".into(), place: Some("segment-000000000002:8192".into()) }
    }

    fn types(drafts: &[Draft]) -> Vec<&str> {
        drafts.iter().map(|draft| draft.type_).collect()
    }

    #[test]
    fn all_is_well_where_no_pod_says_otherwise() {
        assert_eq!(storage_conditions(&[said("g0", Some(Vec::new()))], &[], "orders", None), []);
    }

    #[test]
    fn each_kind_is_one_condition_that_names_the_pod_and_what_to_do() {
        let both = vec![told(LogConditionKind::StorageFull), told(LogConditionKind::StorageDamaged)];
        let drafts = storage_conditions(
            &[said("g0", Some(both.clone())), said("g1", Some(both))],
            &[],
            "orders",
            None,
        );
        assert_eq!(types(&drafts), [STORAGE_FULL, STORAGE_DAMAGED]);
        assert!(drafts[0].message.starts_with("pod orders-1a2b3-g0-0 (and 1 more of its pods): so it is;"));
        assert!(drafts[0].message.contains("spec.storage.size"));
        let command = "kubectl annotate dstream orders --overwrite kinetes.dev/accept-loss=g0:segment-000000000002:8192";
        assert!(drafts[1].message.ends_with(command), "{}", drafts[1].message);
    }

    #[test]
    fn what_was_known_holds_until_every_pod_was_heard() {
        let known = super::super::conditions::settle(
            vec![Draft::new(STORAGE_FULL, true, "VolumeFull", "full")],
            &[],
            None,
            k8s_openapi::jiff::Timestamp::UNIX_EPOCH,
        );
        let unheard = [said("g0", Some(Vec::new())), said("g1", None)];
        assert_eq!(types(&storage_conditions(&unheard, &known, "orders", None)), [STORAGE_FULL]);
        assert_eq!(storage_conditions(&unheard[..1], &known, "orders", None), []);
    }
}
