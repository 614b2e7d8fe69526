//! The status of a stream: one pure function of what was found, and the events that follow from a change of it. Written
//! elsewhere, and only if it changed.

mod conditions;
mod news;

use catalog::ShardState;
use catalog::map::Map;
use catalog::resource::{DataStream, DataStreamStatus, RecordedMap, Resolved, Violation};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use conditions::whole_seconds;
pub use conditions::{Draft, condition, is, settle};
pub use news::{News, news};

use super::health::{Health, LogReport, Problem, storage_conditions};
use super::name::name_held_since;
use crate::names::{ACCEPT_LOSS, ADOPT, Names};
use crate::objects::Group;
use crate::settings::Settings;
use crate::signals::{ConditionType, Reason};

/// What a reconcile found.
pub enum Finding {
    /// The spec breaks rules that a CRD without them let through.
    Invalid(Vec<Violation>),
    /// Another stream has the name.
    NameTaken {
        /// Its namespace and name.
        owner: String,
    },
    /// The stream was made before this installation recorded that it is its own, that it has its name, and its map: by an
    /// earlier version, by another installation, or while another stream had the name. All else is as it was.
    Recorded(Map),
    /// Another installation manages the stream.
    Foreign {
        /// Which one.
        manager: String,
    },
    /// The stream has its objects.
    Managed(Box<Managed>),
    /// The API server refuses a step. What holds for the stream goes on to hold.
    Refused {
        /// Which, and why.
        message: String,
    },
    /// The stream is going.
    Deleting {
        /// What it waits for.
        message: String,
    },
}

/// A stream that has its objects.
pub struct Managed {
    /// What holds for it.
    pub resolved: Resolved,
    /// Changes of its spec that cannot be made.
    pub refused: Vec<Violation>,
    /// Its map.
    pub map: Map,
    /// How many consumers are registered with it.
    pub consumer_count: usize,
    /// Its groups, and how each is.
    pub groups: Vec<(Group, Health)>,
    /// Pods that run an older template.
    pub outdated_pods: Vec<String>,
    /// Why the operator cannot reach pods, one problem each.
    pub unreachable_pods: Vec<Problem>,
    /// Why volumes are smaller than the spec says.
    pub growth: Option<Problem>,
    /// What the pods report of their logs' storage.
    pub logs: Vec<LogReport>,
}

/// The status that follows from a finding.
#[must_use]
pub fn status(
    stream: &DataStream,
    finding: &Finding,
    settings: &Settings,
    now: Timestamp,
) -> DataStreamStatus {
    let before = stream.status.clone().unwrap_or_default();
    let mut status = DataStreamStatus {
        observed_generation: stream.metadata.generation,
        installation: Some(settings.installation()),
        ..before.clone()
    };
    if let Finding::Managed(managed) = finding {
        managed_fields(&mut status, stream, managed, settings);
    }
    match finding {
        Finding::Deleting { .. } => status.stream_status = Some("DELETING".into()),
        Finding::NameTaken { .. } => status.name_held_since = None,
        Finding::Foreign { manager } => status.installation = Some(manager.clone()),
        Finding::Recorded(map) => {
            status.map = Some(RecordedMap::of(map));
            status.observed_generation = before.observed_generation;
        }
        Finding::Invalid(_) | Finding::Managed(_) | Finding::Refused { .. } => {}
    }
    if status.installation != before.installation {
        // What another installation granted is nothing here.
        status.name_held_since = None;
    }
    if matches!(finding, Finding::Managed(_) | Finding::Recorded(_)) {
        let since = name_held_since(stream, &settings.installation()).unwrap_or_else(|| whole_seconds(now));
        status.name_held_since = Some(Time(since));
    }
    let map_changed = map_fields(&status) != map_fields(&before);
    if map_changed {
        status.map_version = Some(next_map_version(before.map_version, now));
    }
    let drafts = match finding {
        Finding::Invalid(violations) => stalled(Reason::InvalidSpec, &sentences(violations)),
        Finding::NameTaken { owner } => {
            let name = stream.name_in_force();
            let message = format!(
                "the name {name} belongs to DataStream {owner}, which had it first: delete that one, or make this stream \
                 under another spec.name"
            );
            stalled(Reason::NameTaken, &message)
        }
        Finding::Recorded(_) => return DataStreamStatus { conditions: before.conditions, ..status },
        Finding::Foreign { manager } => {
            stalled(Reason::OtherInstallation, &foreign(stream, manager, settings))
        }
        Finding::Managed(managed) => {
            let ready = is(&before.conditions, ConditionType::Ready, true);
            let mut drafts = managed_conditions(stream, managed, map_changed && !ready);
            let name = stream.metadata.name.as_deref().unwrap_or_default();
            let accepted = stream.metadata.annotations.as_ref().and_then(|all| all.get(ACCEPT_LOSS));
            let accepted = accepted.map(String::as_str);
            drafts.extend(storage_conditions(&managed.logs, &before.conditions, name, accepted));
            drafts
        }
        Finding::Refused { message } => refused(&before.conditions, message),
        Finding::Deleting { message } => waiting(Reason::Deleting, message),
    };
    status.conditions = settle(drafts, &before.conditions, stream.metadata.generation, now);
    status
}

fn managed_fields(
    status: &mut DataStreamStatus,
    stream: &DataStream,
    managed: &Managed,
    settings: &Settings,
) {
    let count = |state| {
        let shards = managed.map.shards().iter();
        i32::try_from(shards.filter(|shard| shard.state == state).count()).unwrap_or(i32::MAX)
    };
    status.open_shard_count = Some(count(ShardState::Open));
    status.closed_shard_count = Some(count(ShardState::Closed));
    status.consumer_count =
        i32::try_from(managed.consumer_count).ok().filter(|consumer_count| *consumer_count > 0);
    let recorded = RecordedMap::of(&managed.map);
    let all_open = recorded.logs_to_open.is_empty();
    status.map = Some(recorded);
    // What was ACTIVE stays so: a pod that restarts makes writes wait, it does not take the stream away.
    if all_open || status.stream_status.is_none() {
        status.stream_status = Some(if all_open { "ACTIVE" } else { "CREATING" }.into());
    }
    let (region, account) = (&settings.region, &settings.account_id);
    status.stream_arn = Some(format!("arn:aws:kinesis:{region}:{account}:stream/{}", managed.resolved.name));
    status.selector = Some(Names::of(stream).selector());
    status.resolved = Some(managed.resolved.clone());
}

/// What of a status is in the catalog's entry: its version grows when any of it changes.
fn map_fields(status: &DataStreamStatus) -> impl PartialEq {
    let resolved = status.resolved.clone().map(|resolved| {
        let settings = resolved.settings();
        let Resolved { name, stream_mode, retention_period_hours, max_record_size_kib, .. } = resolved;
        (name, stream_mode, retention_period_hours, max_record_size_kib, settings)
    });
    let digest = status.map.as_ref().map(|map| map.digest.clone());
    // What was shown under the name, or by another installation, and is shown again, is newer than it was then.
    let shown = (status.name_held_since.clone(), status.installation.clone());
    (status.stream_status.clone(), status.consumer_count, digest, resolved, shown)
}

/// One more; at least the clock in seconds, so that it grows also when a status was lost, or the API server's store
/// was put back to an older one.
fn next_map_version(before: Option<i64>, now: Timestamp) -> i64 {
    (before.unwrap_or(0) + 1).max(now.as_second())
}

fn managed_conditions(stream: &DataStream, managed: &Managed, publishing: bool) -> Vec<Draft> {
    let (mut stalls, mut waits) = (Vec::new(), Vec::new());
    for (_, health) in &managed.groups {
        match health {
            Health::Serving => {}
            Health::Waiting(problem) => waits.push(problem),
            Health::Stalled(problem) => stalls.push(problem),
        }
    }
    let mut drafts = match (stalls.first(), waits.first()) {
        (Some(first), _) => stalled(first.reason.clone(), &first_of(&stalls, "more of its groups stall")),
        (None, _) if !managed.refused.is_empty() => {
            stalled(Reason::ChangeRefused, &sentences(&managed.refused))
        }
        (None, Some(first)) => waiting(first.reason.clone(), &first_of(&waits, "more of its groups wait")),
        // Gateways learn of the stream before its user does.
        (None, None) if publishing => {
            waiting(Reason::Publishing, "the map of the stream goes out to the gateways")
        }
        (None, None) => {
            let shards: usize = managed.groups.iter().map(|(group, _)| group.shards.len()).sum();
            let message = format!(
                "{} in {} take records",
                plural(shards, "shard"),
                plural(managed.groups.len(), "pod")
            );
            vec![Draft::new(ConditionType::Ready, true, Reason::Serving, message)]
        }
    };
    if managed.resolved.stream_mode == "ON_DEMAND" {
        let message = "autoscaling is not served yet: the stream keeps the shards that it has";
        drafts.push(Draft::new(ConditionType::ScalingActive, false, Reason::NotServedYet, message));
    }
    if !managed.outdated_pods.is_empty() {
        let message = outdated(stream, &managed.outdated_pods);
        drafts.push(Draft::new(ConditionType::PodsOutdated, true, Reason::OldTemplate, message));
    }
    if let Some(first) = managed.unreachable_pods.first() {
        let problems: Vec<_> = managed.unreachable_pods.iter().collect();
        let message = first_of(&problems, "more of its pods");
        drafts.push(Draft::new(ConditionType::PodsUnreachable, true, first.reason.clone(), message));
    }
    if let Some(problem) = &managed.growth {
        let (reason, message) = (problem.reason.clone(), &*problem.message);
        drafts.push(Draft::new(ConditionType::StorageResized, false, reason, message));
    }
    drafts
}

/// The command replaces one pod after the other, and goes on only when the last one is ready again: pasted as it is, it
/// takes one group at a time out of service.
fn outdated(stream: &DataStream, pods: &[String]) -> String {
    let namespace = stream.metadata.namespace.as_deref().unwrap_or_default();
    format!(
        "{} an older template until replaced, one after the other: for pod in {}; do kubectl -n {namespace} delete pod $pod; \
         until kubectl -n {namespace} wait --for=condition=Ready pod/$pod --timeout=60s; do sleep 1; done; done",
        if pods.len() == 1 { "a pod keeps" } else { "pods keep" },
        pods.join(" ")
    )
}

/// The conditions that were there, and why the operator gets no further.
fn refused(before: &[Condition], message: &str) -> Vec<Draft> {
    let kept = ConditionType::ALL.into_iter().filter(|type_| *type_ != ConditionType::Reconciling);
    let keep = |type_| {
        let found = condition(before, type_)?;
        let reason = Reason::repeated(&found.reason);
        Some(Draft::new(type_, found.status == "True", reason, &*found.message))
    };
    let mut drafts: Vec<_> = kept.filter_map(keep).collect();
    if !is(before, ConditionType::Ready, true) {
        drafts.retain(|draft| draft.type_ != ConditionType::Ready);
        drafts.push(Draft::new(ConditionType::Ready, false, Reason::Refused, message));
    }
    drafts.push(Draft::new(ConditionType::Reconciling, true, Reason::Refused, message));
    drafts
}

/// Why nothing is done for a stream of another installation, and how it is handed over.
fn foreign(stream: &DataStream, manager: &str, settings: &Settings) -> String {
    let namespace = stream.metadata.namespace.as_deref().unwrap_or_default();
    let name = stream.metadata.name.as_deref().unwrap_or_default();
    let ours = settings.installation();
    let waits = match stream.metadata.deletion_timestamp {
        Some(_) => "it is deleted by that one, or once it is handed over",
        None => "nothing is done for it",
    };
    format!(
        "the stream belongs to installation {manager}, not to {ours}, and {waits}: if {manager} is gone, type kubectl \
         annotate dstream {name} -n {namespace} --overwrite {ADOPT}={ours}"
    )
}

fn stalled(reason: Reason, message: &str) -> Vec<Draft> {
    vec![
        Draft::new(ConditionType::Ready, false, reason.clone(), message),
        Draft::new(ConditionType::Stalled, true, reason, message),
    ]
}

fn waiting(reason: Reason, message: &str) -> Vec<Draft> {
    vec![
        Draft::new(ConditionType::Ready, false, reason.clone(), message),
        Draft::new(ConditionType::Reconciling, true, reason, message),
    ]
}

/// The first problem's message, and how many others there are.
fn first_of(problems: &[&Problem], others_are: &str) -> String {
    match problems {
        [] => String::new(),
        [only] => only.message.clone(),
        [first, others @ ..] => format!("{} (and {} {others_are})", first.message, others.len()),
    }
}

fn sentences(violations: &[Violation]) -> String {
    violations.iter().map(Violation::to_string).collect::<Vec<_>>().join("; ")
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
