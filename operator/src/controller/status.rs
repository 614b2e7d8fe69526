//! The status of a stream: one pure function of what was found. Written elsewhere, and only if it changed.

use catalog::ShardState;
use catalog::map::Map;
use catalog::resource::{DataStream, DataStreamStatus, RecordedMap, Resolved, Violation};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use super::conditions::{
    CLOCK_SUSPECT, Draft, PODS_OUTDATED, READY, RECONCILING, SCALING_ACTIVE, STALLED, STORAGE_DAMAGED,
    STORAGE_FULL, STORAGE_RESIZED, condition, is, settle, whole_seconds,
};
use super::health::{Health, Trouble};
use super::name::{NAME_TAKEN, name_held_since};
use super::said::{Said, storage_conditions};
use crate::names::{ACCEPT_LOSS, ADOPT, Names};
use crate::objects::Group;
use crate::settings::Settings;

/// What a reconcile found.
pub enum Finding {
    /// The spec breaks rules that a CRD without them let through.
    Invalid(Vec<Violation>),
    /// Another stream has the name.
    NameTaken {
        /// Its namespace and name.
        owner: String,
    },
    /// The stream was made before this installation recorded that it is its own, that it has its name, and its map: by
    /// an earlier version, by another installation, or while another stream had the name. All else is as it was.
    Recorded(Map),
    /// Another installation manages the stream.
    Foreign {
        /// Which one.
        manager: String,
    },
    /// The stream is on its way, or there.
    Live(Box<Live>),
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

/// A stream that is on its way, or there.
pub struct Live {
    /// What holds for it.
    pub resolved: Resolved,
    /// Changes of its spec that cannot be made.
    pub refused: Vec<Violation>,
    /// Its map.
    pub map: Map,
    /// Its groups, and how each is.
    pub groups: Vec<(Group, Health)>,
    /// Pods that run an older template.
    pub outdated_pods: Vec<String>,
    /// Why volumes are smaller than the spec says.
    pub storage: Option<Trouble>,
    /// What the pods say of their logs' storage.
    pub logs: Vec<Said>,
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
    if let Finding::Live(live) = finding {
        live_fields(&mut status, stream, live, settings);
    }
    match finding {
        Finding::Deleting { .. } => status.stream_status = Some("DELETING".into()),
        Finding::NameTaken { .. } => status.name_held_since = None,
        Finding::Foreign { manager } => status.installation = Some(manager.clone()),
        Finding::Recorded(map) => {
            status.map = Some(RecordedMap::of(map));
            status.observed_generation = before.observed_generation;
        }
        Finding::Invalid(_) | Finding::Live(_) | Finding::Refused { .. } => {}
    }
    if status.installation != before.installation {
        // What another installation granted is nothing here.
        status.name_held_since = None;
    }
    if matches!(finding, Finding::Live(_) | Finding::Recorded(_)) {
        let since = name_held_since(stream, &settings.installation()).unwrap_or_else(|| whole_seconds(now));
        status.name_held_since = Some(Time(since));
    }
    let map_changed = map_fields(&status) != map_fields(&before);
    if map_changed {
        status.map_version = Some(next_map_version(before.map_version, now));
    }
    let drafts = match finding {
        Finding::Invalid(violations) => stalled("InvalidSpec", &sentences(violations)),
        Finding::NameTaken { owner } => {
            let name = stream.name_in_force();
            let message = format!(
                "the name {name} belongs to DataStream {owner}, which had it first: delete that one, or make this stream \
                 under another spec.name"
            );
            stalled(NAME_TAKEN, &message)
        }
        Finding::Recorded(_) => return DataStreamStatus { conditions: before.conditions, ..status },
        Finding::Foreign { manager } => stalled("OtherInstallation", &foreign(stream, manager, settings)),
        Finding::Live(live) => {
            let mut drafts = live_conditions(live, map_changed && !is(&before.conditions, READY, true));
            let name = stream.metadata.name.as_deref().unwrap_or_default();
            let accepted = stream.metadata.annotations.as_ref().and_then(|all| all.get(ACCEPT_LOSS));
            let accepted = accepted.map(String::as_str);
            drafts.extend(storage_conditions(&live.logs, &before.conditions, name, accepted));
            drafts
        }
        Finding::Refused { message } => refused(&before.conditions, message),
        Finding::Deleting { message } => waiting("Deleting", message),
    };
    status.conditions = settle(drafts, &before.conditions, stream.metadata.generation, now);
    status
}

fn live_fields(status: &mut DataStreamStatus, stream: &DataStream, live: &Live, settings: &Settings) {
    let count = |state| {
        let shards = live.map.shards().iter();
        i32::try_from(shards.filter(|shard| shard.state == state).count()).unwrap_or(i32::MAX)
    };
    status.open_shard_count = Some(count(ShardState::Open));
    status.closed_shard_count = Some(count(ShardState::Closed));
    let recorded = RecordedMap::of(&live.map);
    let all_open = recorded.logs_to_open.is_empty();
    status.map = Some(recorded);
    // What was ACTIVE stays so: a pod that restarts makes writes wait, it does not take the stream away.
    if all_open || status.stream_status.is_none() {
        status.stream_status = Some(if all_open { "ACTIVE" } else { "CREATING" }.into());
    }
    let (region, account) = (&settings.region, &settings.account_id);
    status.stream_arn = Some(format!("arn:aws:kinesis:{region}:{account}:stream/{}", live.resolved.name));
    status.selector = Some(Names::of(stream).selector());
    status.resolved = Some(live.resolved.clone());
}

/// What of a status is in the catalog's entry: its version grows when any of it changes.
fn map_fields(status: &DataStreamStatus) -> impl PartialEq {
    let resolved = status.resolved.clone().map(|resolved| {
        let Resolved { name, stream_mode, retention_period_hours, max_record_size_kib, .. } = resolved;
        (name, stream_mode, retention_period_hours, max_record_size_kib)
    });
    let digest = status.map.as_ref().map(|map| map.digest.clone());
    // What was shown under the name, or by another installation, and is shown again, is newer than it was then.
    let shown = (status.name_held_since.clone(), status.installation.clone());
    (status.stream_status.clone(), digest, resolved, shown)
}

/// One more; at least the clock in seconds, so that it grows also when a status was lost, or the API server's store
/// was put back to an older one.
fn next_map_version(before: Option<i64>, now: Timestamp) -> i64 {
    (before.unwrap_or(0) + 1).max(now.as_second())
}

fn live_conditions(live: &Live, publishing: bool) -> Vec<Draft> {
    let (mut stalls, mut waits) = (Vec::new(), Vec::new());
    for (_, health) in &live.groups {
        match health {
            Health::Serving => {}
            Health::Waiting(trouble) => waits.push(trouble),
            Health::Stalled(trouble) => stalls.push(trouble),
        }
    }
    let mut drafts = match (stalls.first(), waits.first()) {
        (Some(first), _) => stalled(&first.reason, &first_of(&stalls, "stall")),
        (None, _) if !live.refused.is_empty() => stalled("ChangeRefused", &sentences(&live.refused)),
        (None, Some(first)) => waiting(&first.reason, &first_of(&waits, "wait")),
        // Gateways learn of the stream before its user does.
        (None, None) if publishing => waiting("Publishing", "the map of the stream goes out to the gateways"),
        (None, None) => {
            let shards: usize = live.groups.iter().map(|(group, _)| group.shards.len()).sum();
            let message =
                format!("{} in {} take records", plural(shards, "shard"), plural(live.groups.len(), "pod"));
            vec![Draft::new(READY, true, "Serving", message)]
        }
    };
    if live.resolved.stream_mode == "ON_DEMAND" {
        let message = "autoscaling is not served yet: the stream keeps the shards that it has";
        drafts.push(Draft::new(SCALING_ACTIVE, false, "NotServedYet", message));
    }
    if !live.outdated_pods.is_empty() {
        let message = format!(
            "{} an older template until deleted: kubectl delete pod {}",
            if live.outdated_pods.len() == 1 { "a pod keeps" } else { "pods keep" },
            live.outdated_pods.join(" ")
        );
        drafts.push(Draft::new(PODS_OUTDATED, true, "OldTemplate", message));
    }
    if let Some(trouble) = &live.storage {
        drafts.push(Draft::new(STORAGE_RESIZED, false, &*trouble.reason, &*trouble.message));
    }
    drafts
}

/// The conditions that were there, and why the operator gets no further.
fn refused(before: &[Condition], message: &str) -> Vec<Draft> {
    let known = [
        READY,
        STALLED,
        SCALING_ACTIVE,
        PODS_OUTDATED,
        STORAGE_RESIZED,
        STORAGE_FULL,
        STORAGE_DAMAGED,
        CLOCK_SUSPECT,
    ];
    let keep = |type_: &'static str| {
        let found = condition(before, type_)?;
        Some(Draft::new(type_, found.status == "True", &*found.reason, &*found.message))
    };
    let mut drafts: Vec<_> = known.into_iter().filter_map(keep).collect();
    if !is(before, READY, true) {
        drafts.retain(|draft| draft.type_ != READY);
        drafts.push(Draft::new(READY, false, "Refused", message));
    }
    drafts.push(Draft::new(RECONCILING, true, "Refused", message));
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

fn stalled(reason: &str, message: &str) -> Vec<Draft> {
    vec![Draft::new(READY, false, reason, message), Draft::new(STALLED, true, reason, message)]
}

fn waiting(reason: &str, message: &str) -> Vec<Draft> {
    vec![Draft::new(READY, false, reason, message), Draft::new(RECONCILING, true, reason, message)]
}

/// The first group's message, and how many more do the same.
fn first_of(troubles: &[&Trouble], verb: &str) -> String {
    match troubles {
        [] => String::new(),
        [only] => only.message.clone(),
        [first, others @ ..] => format!("{} (and {} more of its groups {verb})", first.message, others.len()),
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
