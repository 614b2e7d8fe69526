//! How one member of a group is, judged from its pod, its claim and what it reports. Pure.

use catalog::member::{GROUP_PORT, LogConditionKind, MemberPhase, MemberStatus};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};

use super::storage::accept_loss_command;
use super::{Health, Problem};
use crate::members::ErrorKind;
use crate::names::Member;
use crate::objects::Group;
use crate::signals::Reason;
use crate::world::{Failure, container};

/// The longest message that is repeated from elsewhere, in characters.
const MOST_MESSAGE_CHARS: usize = 500;

/// What a pod reports, or why it cannot be reached; nothing while neither is known.
pub type Outcome<'a> = Option<Result<&'a MemberStatus, &'a Failure>>;

/// What is known of a member.
#[derive(Clone, Copy, Debug)]
pub struct MemberView<'a> {
    /// Which one.
    pub member: &'a Member,
    /// Its pod.
    pub pod: Option<&'a Pod>,
    /// Its claim.
    pub claim: Option<&'a PersistentVolumeClaim>,
    /// What it reports.
    pub outcome: Outcome<'a>,
    /// Why it does not carry out its instruction.
    pub refusal: Option<&'a str>,
    /// What is wrong with its claim's storage class.
    pub storage_class: Option<&'a str>,
    /// Why its StatefulSet cannot create its pod.
    pub failed_create: Option<&'a str>,
    /// The stream's name, for commands that a person is to type.
    pub stream: &'a str,
    /// The namespace of the operator, whose pods must be able to connect.
    pub operator_namespace: &'a str,
}

/// How a member of a group is.
#[must_use]
pub fn judge(group: &Group, view: &MemberView) -> Health {
    let Some(pod) = view.pod else { return Health::Waiting(missing(view)) };
    match view.outcome {
        Some(Ok(status)) if status.phase == MemberPhase::Serving && group.is_open() => {
            return Health::Serving;
        }
        Some(Ok(status)) if status.phase == MemberPhase::AwaitingBootstrap && group.was_opened() => {
            return Health::Stalled(volume_lost(view.member));
        }
        // One that is being deleted is about to be opened again.
        Some(Ok(status)) if status.phase == MemberPhase::Stopped && !is_going(pod) => {
            return Health::Stalled(storage_failed(group, view, status));
        }
        // Whether gateways reach it is another question than whether the operator does: the kubelet finds it ready. That
        // the operator does not is a problem of its own, `reach_problem`.
        None | Some(Err(_)) if group.is_open() && is_ready(pod) => return Health::Serving,
        _ => {}
    }
    let problem = unscheduled(pod, view)
        .or_else(|| failing(pod, view.member))
        .or_else(|| ending(pod, view.member))
        .unwrap_or_else(|| starting(view));
    Health::Waiting(problem)
}

/// Why the operator cannot reach a pod, and what to do about it.
#[must_use]
pub fn reach_problem(view: &MemberView) -> Option<Problem> {
    let failure = view.outcome?.err()?;
    let pod = view.member.pod();
    let help = match failure.kind {
        ErrorKind::ConnectTimeout => format!(
            "; if a NetworkPolicy or a firewall stops the connection, allow TCP port {GROUP_PORT} of the stream's pods from \
             the operator (namespace {}, pods with app.kubernetes.io/component=operator)",
            view.operator_namespace
        ),
        ErrorKind::ConnectFailed | ErrorKind::NoAnswer | ErrorKind::BadAnswer | ErrorKind::WrongPod => {
            String::new()
        }
    };
    let message = sentence(format!("the operator cannot reach pod {pod}"), &failure.error) + &help;
    Some(Problem::new(failure.kind.into(), message))
}

/// Whether the kubelet found the pod ready.
#[must_use]
pub fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|(status, ..)| status == "True") && !is_going(pod)
}

/// Why there is no pod.
fn missing(view: &MemberView) -> Problem {
    let pod = view.member.pod();
    match view.failed_create {
        None => Problem::new(Reason::PodMissing, format!("waits for pod {pod} to be made")),
        Some(error) => {
            let who = format!("StatefulSet {} cannot create pod {pod}", view.member.group);
            Problem::new(Reason::FailedCreate, sentence(who, error))
        }
    }
}

fn is_going(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

fn volume_lost(member: &Member) -> Problem {
    let message = format!(
        "the volume of pod {} is empty, though its shards had records: bring volume {} back (from a snapshot, or the \
         disk that it was on) and delete the pod, or delete the stream; nothing is written to the empty volume",
        member.pod(),
        member.claim(),
    );
    Problem::new(Reason::VolumeLost, message)
}

/// Why a pod's log takes no records for good, and what helps, which depends on what happened to it.
fn storage_failed(group: &Group, view: &MemberView, status: &MemberStatus) -> Problem {
    let (pod, volume) = (view.member.pod(), view.member.claim());
    let log = status.logs.iter().find(|log| log.name == group.log);
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
            let accept =
                damage.place.as_deref().map(|place| accept_loss_command(view.stream, &log.name, place));
            let or = accept.map_or(String::new(), |command| format!("; or accept the loss: {command}"));
            ("takes no records, and serves reads of what is not corrupt", bring_back + &or)
        }
    };
    let why = sentence(format!("pod {pod} {state}"), status.reason.as_deref().unwrap_or_default());
    Problem::new(Reason::StorageFailed, format!("{why}; {help}"))
}

/// Why the scheduler found no node; often because of the volume.
fn unscheduled(pod: &Pod, view: &MemberView) -> Option<Problem> {
    let (status, reason, message) = condition(pod, "PodScheduled")?;
    if status == "True" {
        return None;
    }
    let bound = view.claim.and_then(|claim| claim.status.as_ref()?.phase.as_deref()) == Some("Bound");
    if let Some(problem) = view.storage_class.filter(|_| !bound) {
        let message = format!("volume {} waits: {problem}", view.member.claim());
        return Some(Problem::new(Reason::NoStorageClass, message));
    }
    let reason = if reason.is_empty() { Reason::Unscheduled } else { Reason::repeated(reason) };
    Some(Problem::new(reason, sentence(format!("pod {}", view.member.pod()), message)))
}

/// Why the container does not run.
fn failing(pod: &Pod, member: &Member) -> Option<Problem> {
    let container = container(pod)?;
    let name = member.pod();
    let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref()).unwrap_or_default();
    if matches!(reason, "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull") {
        // The kubelet changes between two of these and several texts: one state, one message.
        let message = format!(
            "pod {name} cannot pull image {}: check image.registry, image.tag and imagePullSecrets of the installation",
            container.image
        );
        let backs_off = matches!(reason, "ErrImagePull" | "ImagePullBackOff");
        let reason = if backs_off { Reason::ImagePullBackOff } else { Reason::repeated(reason) };
        return Some(Problem::new(reason, message));
    }
    let last = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let ended = container.state.as_ref().and_then(|state| state.terminated.as_ref()).or(last);
    match ended {
        // Once may be a node's memory, or a rolled node; twice is a pod that will not start.
        Some(ended) if reason == "CrashLoopBackOff" || container.restart_count >= 2 => {
            let words = last_words(ended.message.as_deref().unwrap_or_default());
            let words =
                if words.is_empty() { format!("it ended with code {}", ended.exit_code) } else { words };
            Some(Problem::new(Reason::CrashLoopBackOff, sentence(format!("pod {name} keeps ending"), &words)))
        }
        None | Some(_)
            if !matches!(reason, "" | "ContainerCreating" | "PodInitializing" | "CrashLoopBackOff") =>
        {
            let message = waiting.and_then(|waiting| waiting.message.as_deref()).unwrap_or_default();
            Some(Problem::new(Reason::repeated(reason), sentence(format!("pod {name}"), message)))
        }
        None | Some(_) => None,
    }
}

fn ending(pod: &Pod, member: &Member) -> Option<Problem> {
    pod.metadata.deletion_timestamp.as_ref()?;
    let name = member.pod();
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or("its node");
    let message = format!(
        "pod {name} is being deleted and will be made again. If {node} is truly off, this lets its pods go: kubectl taint \
         node {node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
    );
    Some(Problem::new(Reason::PodEnding, message))
}

fn starting(view: &MemberView) -> Problem {
    let name = view.member.pod();
    if let Some(unreachable) = reach_problem(view) {
        return Problem { reason: Reason::PodUnreachable, ..unreachable };
    }
    match view.outcome {
        Some(Ok(status)) => {
            let (reason, doing) = match status.phase {
                MemberPhase::WaitingForVolume => (Reason::WaitingForVolume, "waits for its volume"),
                MemberPhase::AwaitingBootstrap => {
                    (Reason::Starting, "is about to be bootstrapped on its empty volume")
                }
                MemberPhase::Recovering => (Reason::Recovering, "reads its log"),
                MemberPhase::Serving => (Reason::Starting, "opens its shards"),
                MemberPhase::Stopped | MemberPhase::Ending => (Reason::PodEnding, "ends"),
            };
            let detail = status.reason.as_deref().or(view.refusal).unwrap_or_default();
            Problem::new(reason, sentence(format!("pod {name} {doing}"), detail))
        }
        Some(Err(_)) | None => Problem::new(Reason::PodNotReady, format!("pod {name} starts")),
    }
}

fn sentence(who: String, what: &str) -> String {
    let what: String = what.trim().chars().take(MOST_MESSAGE_CHARS).collect();
    if what.is_empty() { who } else { format!("{who}: {what}") }
}

/// The error that a program printed last: from the last line that begins with `error`, in any case, else the last line.
/// Times in log lines would make every end of the pod another message.
fn last_words(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let is_error = |line: &&str| line.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("error"));
    let from = lines.iter().rposition(is_error).unwrap_or(lines.len().saturating_sub(1));
    lines[from.min(lines.len())..].join(" ")
}

/// Status, reason and message of a pod's condition.
fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions.iter().find(|condition| condition.type_ == type_)?;
    let text = |text: &'a Option<String>| text.as_deref().unwrap_or_default();
    Some((&condition.status, text(&condition.reason), text(&condition.message)))
}

#[cfg(test)]
#[path = "member_tests.rs"]
mod tests;
