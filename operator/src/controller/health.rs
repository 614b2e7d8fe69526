//! How a group is, judged from what its pod, its claim and the API server say. Pure.

use catalog::member::{LogConditionKind, MemberPhase, MemberStatus};
use k8s_openapi::api::core::v1::{ContainerStatus, PersistentVolumeClaim, Pod};

use super::said::give_up;
use crate::names::{claim, pod as pod_name};
use crate::objects::Group;

/// The longest message that is repeated from elsewhere, in characters.
const MOST_MESSAGE_CHARS: usize = 500;

/// How a group is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Its shards take records.
    Serving,
    /// It will serve when what is said here is over; perhaps a person has to do something about it.
    Waiting(Trouble),
    /// It will not serve before a person has done what is said here.
    Stalled(Trouble),
}

/// What is the matter with a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// One word, for programs.
    pub reason: String,
    /// What is the matter, and what to do.
    pub message: String,
}

impl Trouble {
    fn new(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason: reason.into(), message: message.into() }
    }
}

/// What the pod of a group said of itself, if it was asked.
pub type Said<'a> = Option<Result<&'a MemberStatus, &'a str>>;

/// What is known of a group's pod.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sight<'a> {
    /// The pod.
    pub pod: Option<&'a Pod>,
    /// Its claim.
    pub claim: Option<&'a PersistentVolumeClaim>,
    /// What it said.
    pub said: Said<'a>,
    /// What is wrong with the claim's storage class, if somebody looked.
    pub storage_class: Option<&'a str>,
    /// The stream's name, for commands that a person is to type.
    pub stream: &'a str,
}

/// How the group is.
#[must_use]
pub fn health(group: &Group, sight: Sight) -> Health {
    let Some(pod) = sight.pod else {
        let message = format!("waits for pod {} to be made", pod_name(&group.name));
        return Health::Waiting(Trouble::new("PodMissing", message));
    };
    match sight.said {
        Some(Ok(member)) if member.phase == MemberPhase::Serving && group.is_open() => {
            return Health::Serving;
        }
        Some(Ok(member)) if member.phase == MemberPhase::AwaitingBootstrap && group.was_opened() => {
            return Health::Stalled(volume_lost(group));
        }
        // One that is being deleted is about to be opened again.
        Some(Ok(member)) if member.phase == MemberPhase::Stopped && !is_going(pod) => {
            return Health::Stalled(storage_failed(group, member, sight.stream));
        }
        // One answer that does not come is no news of a pod that its kubelet finds ready.
        None | Some(Err(_)) if group.is_open() && is_ready(pod) => return Health::Serving,
        _ => {}
    }
    let trouble = unscheduled(group, pod, sight)
        .or_else(|| failing(group, pod))
        .or_else(|| ending(group, pod))
        .unwrap_or_else(|| starting(group, sight.said));
    Health::Waiting(trouble)
}

/// Whether the pod's container runs, so that it can be asked.
#[must_use]
pub fn is_running(pod: &Pod) -> bool {
    container(pod).and_then(|container| container.state.as_ref()).is_some_and(|state| state.running.is_some())
}

/// Whether the kubelet found the pod ready.
#[must_use]
pub fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|(status, ..)| status == "True") && !is_going(pod)
}

fn is_going(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

fn volume_lost(group: &Group) -> Trouble {
    let message = format!(
        "the volume of pod {} is empty, though its shards had records: bring volume {} back (from a snapshot, or the \
         disk that it was on) and delete the pod, or delete the stream; nothing is written to the empty volume",
        pod_name(&group.name),
        claim(&group.name),
    );
    Trouble::new("VolumeLost", message)
}

/// Why a pod's log takes no records for good, and what helps, which depends on what happened to it.
fn storage_failed(group: &Group, member: &MemberStatus, stream: &str) -> Trouble {
    let (pod, volume) = (pod_name(&group.name), claim(&group.name));
    let log = member.logs.iter().find(|log| log.name == group.log);
    let damage = log.and_then(|log| {
        log.conditions.iter().find(|condition| condition.kind == LogConditionKind::StorageDamaged)
    });
    let bring_back = format!(
        "bring volume {volume} back (from a snapshot, or the disk that it was on) and type: kubectl delete pod {pod}"
    );
    let (state, help) = match (log, damage) {
        (None, _) => ("cannot open its log, and serves nothing of it", bring_back),
        (Some(_), None) => (
            "takes no records, and serves reads",
            format!(
                "what was acknowledged is on the disk, and the log is opened again when you type: kubectl delete pod {pod}"
            ),
        ),
        (Some(log), Some(damage)) => {
            let give_up = damage.place.as_deref().map(|place| give_up(stream, &log.name, place));
            let or = give_up.map_or(String::new(), |command| format!("; or give up what is lost: {command}"));
            ("takes no records, and serves reads of what is not damaged", bring_back + &or)
        }
    };
    let why = said(format!("pod {pod} {state}"), member.reason.as_deref().unwrap_or_default());
    Trouble::new("StorageFailed", format!("{why}; {help}"))
}

/// Why the scheduler found no node; often because of the volume.
fn unscheduled(group: &Group, pod: &Pod, sight: Sight) -> Option<Trouble> {
    let (status, reason, message) = condition(pod, "PodScheduled")?;
    if status == "True" {
        return None;
    }
    let bound = sight.claim.and_then(|claim| claim.status.as_ref()?.phase.as_deref()) == Some("Bound");
    if let Some(problem) = sight.storage_class.filter(|_| !bound) {
        let message = format!("volume {} waits: {problem}", claim(&group.name));
        return Some(Trouble::new("NoStorageClass", message));
    }
    let reason = if reason.is_empty() { "Unscheduled" } else { reason };
    Some(Trouble::new(reason, said(format!("pod {}", pod_name(&group.name)), message)))
}

/// Why the container does not run.
fn failing(group: &Group, pod: &Pod) -> Option<Trouble> {
    let container = container(pod)?;
    let name = pod_name(&group.name);
    let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref()).unwrap_or_default();
    if matches!(reason, "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull") {
        // The kubelet changes between two of these and several texts: one state, one message.
        let message = format!(
            "pod {name} cannot pull image {}: check image.registry, image.tag and imagePullSecrets of the installation",
            container.image
        );
        let reason = if reason == "ErrImagePull" { "ImagePullBackOff" } else { reason };
        return Some(Trouble::new(reason, message));
    }
    let last = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let ended = container.state.as_ref().and_then(|state| state.terminated.as_ref()).or(last);
    match ended {
        // Once may be a node's memory, or a rolled node; twice is a pod that will not start.
        Some(ended) if reason == "CrashLoopBackOff" || container.restart_count >= 2 => {
            let words = last_words(ended.message.as_deref().unwrap_or_default());
            let words =
                if words.is_empty() { format!("it ended with code {}", ended.exit_code) } else { words };
            Some(Trouble::new("CrashLoopBackOff", said(format!("pod {name} keeps ending"), &words)))
        }
        None | Some(_)
            if !matches!(reason, "" | "ContainerCreating" | "PodInitializing" | "CrashLoopBackOff") =>
        {
            let message = waiting.and_then(|waiting| waiting.message.as_deref()).unwrap_or_default();
            Some(Trouble::new(reason, said(format!("pod {name}"), message)))
        }
        None | Some(_) => None,
    }
}

fn ending(group: &Group, pod: &Pod) -> Option<Trouble> {
    pod.metadata.deletion_timestamp.as_ref()?;
    let name = pod_name(&group.name);
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or("its node");
    let message = format!(
        "pod {name} is being deleted and will be made again. If {node} is truly off, this lets its pods go: kubectl taint \
         node {node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
    );
    Some(Trouble::new("PodEnding", message))
}

fn starting(group: &Group, said: Said) -> Trouble {
    let name = pod_name(&group.name);
    match said {
        Some(Ok(member)) => {
            let (reason, doing) = match member.phase {
                MemberPhase::WaitingForVolume => ("WaitingForVolume", "waits for its volume"),
                MemberPhase::AwaitingBootstrap => ("Starting", "is about to begin on its empty volume"),
                MemberPhase::Recovering => ("Recovering", "reads its log"),
                MemberPhase::Serving => ("Starting", "opens its shards"),
                MemberPhase::Stopped | MemberPhase::Ending => ("PodEnding", "ends"),
            };
            let detail = member.reason.as_deref().unwrap_or_default();
            Trouble::new(reason, self::said(format!("pod {name} {doing}"), detail))
        }
        Some(Err(_)) | None => Trouble::new("PodNotReady", format!("pod {name} starts")),
    }
}

fn said(who: String, what: &str) -> String {
    let what: String = what.trim().chars().take(MOST_MESSAGE_CHARS).collect();
    if what.is_empty() { who } else { format!("{who}: {what}") }
}

/// The error that a program printed last: from the last line that begins with `Error`, else the last line. Times
/// in log lines would make every end of the pod another message.
fn last_words(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let from =
        lines.iter().rposition(|line| line.starts_with("Error")).unwrap_or(lines.len().saturating_sub(1));
    lines[from.min(lines.len())..].join(" ")
}

fn container(pod: &Pod) -> Option<&ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first()
}

/// Status, reason and message of a pod's condition.
fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions.iter().find(|condition| condition.type_ == type_)?;
    let text = |text: &'a Option<String>| text.as_deref().unwrap_or_default();
    Some((&condition.status, text(&condition.reason), text(&condition.message)))
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
