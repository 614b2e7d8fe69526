//! What to do about a stream. Pure: from what is known to commands for the API server, instructions for pods and the
//! status, which is the last command.

mod deletion;
mod map;
mod objects;
mod pods;
mod rollout;
mod storage;

use std::collections::BTreeSet;
use std::time::Duration;

use catalog::map::Map;
use catalog::resource::{DataStream, DataStreamStatus, Judgement, Resolved, Shard, Violation};
use kube::ResourceExt;

pub use deletion::{Found, Remains, Step, next_step};
pub use map::{advice, opened};
pub use objects::{Desired, SERVICE, SHARD, STATEFUL_SET};
pub use storage::storage_class_needs;

use super::error::Error;
use super::health::{Health, Problem};
use super::name::{foreign_manager, is_handed_to, is_ours};
use super::observe::Known;
use super::status::{Finding, Managed, status};
use crate::names::{FINALIZER, Member};
use crate::objects::{self as desired, Group};
use crate::prober::Instruction;
use crate::settings::Settings;
use crate::signals::Reason;
use crate::world::RunningPod;

/// How soon a stream is looked at whose pods cannot be created: no watch tells when they can.
const FAILED_CREATE_PAUSE: Duration = Duration::from_secs(10);

/// One call to the API server.
#[derive(Debug)]
pub enum Command {
    /// Adds the finalizer.
    AddFinalizer,
    /// Applies an object.
    Apply(Box<Desired>),
    /// Writes shard objects, in any order.
    WriteShards(Vec<ShardWrite>),
    /// Asks for a larger volume. Where that is refused, the next decision knows it.
    GrowClaim {
        /// The claim's name.
        name: String,
        /// The new size.
        size: String,
    },
    /// Writes the status.
    WriteStatus(Box<DataStreamStatus>),
}

/// What is written of one shard.
#[derive(Debug)]
pub enum ShardWrite {
    /// Its object, which is not there.
    Create(Box<Desired>),
    /// In the object of this name: that the shard takes records.
    Open(String),
}

/// What becomes of the stream after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is decided again at once: what was done is known then.
    DecideAgain,
    /// It is looked at after this time at the latest.
    Look(Duration),
    /// Nothing, until something of it changes.
    AwaitChange,
    /// It is being deleted: the deletion goes on.
    Delete,
}

/// What to do.
#[derive(Debug)]
pub struct Decision {
    /// Calls to the API server, in order; where one fails, those after it are not made.
    pub commands: Vec<Command>,
    /// What each pod that runs should do, if anything.
    pub instructions: Vec<(RunningPod, Option<Instruction>)>,
    /// What becomes of the stream then.
    pub next: Next,
}

impl Decision {
    fn nothing(next: Next) -> Self {
        Self { commands: Vec::new(), instructions: Vec::new(), next }
    }
}

/// What to do about a stream.
///
/// # Errors
/// If a Shard object makes no sense, or contradicts the recorded map.
pub fn decide(known: &Known, settings: &Settings) -> Result<Decision, Error> {
    let stream = &*known.stream;
    let installation = settings.installation();
    if !is_ours(stream, &installation) && !is_handed_to(stream, &installation) {
        return Ok(report_foreign(known, settings, &installation));
    }
    if stream.metadata.deletion_timestamp.is_some() {
        return Ok(delete(known, settings));
    }
    let only = |finding: &Finding| Decision {
        commands: write_status(known, finding, settings).into_iter().collect(),
        ..Decision::nothing(Next::Look(settings.requeue()))
    };
    let Judgement { invalid, refused } = stream.judge();
    if !invalid.is_empty() {
        return Ok(only(&Finding::Invalid(invalid)));
    }
    if let Some(holder) = &known.name_holder {
        let owner = format!("{}/{}", holder.namespace().unwrap_or_default(), holder.name_any());
        return Ok(only(&Finding::NameTaken { owner }));
    }
    let resolved = stream.resolve(&settings.defaults());
    let map = map::map(known, &resolved)?;
    let groups = desired::groups(&known.names, map.shards(), &known.observed.shards);
    match claim(known, settings, &resolved, &map, &groups) {
        Some(decision) => Ok(decision),
        None => manage(known, settings, InForce { resolved, refused, map }, groups),
    }
}

/// What is in force for a stream.
struct InForce {
    resolved: Resolved,
    /// Changes of its spec that cannot be made.
    refused: Vec<Violation>,
    map: Map,
}

/// Reports of a stream that another installation manages it, and how it is handed over.
fn report_foreign(known: &Known, settings: &Settings, installation: &str) -> Decision {
    let manager = foreign_manager(&known.stream, installation).filter(|_| known.reports_foreign);
    let status = manager
        .and_then(|manager| write_status(known, &Finding::Foreign { manager: manager.to_owned() }, settings));
    Decision { commands: status.into_iter().collect(), ..Decision::nothing(Next::AwaitChange) }
}

/// The status after a step that the API server refuses, if it is another one.
#[must_use]
pub fn after_refusal(known: &Known, message: String, settings: &Settings) -> Option<Command> {
    write_status(known, &Finding::Refused { message }, settings)
}

/// Makes a stream ours before anything is made for it: the finalizer, then a status that says so and records its name and
/// its map.
fn claim(
    known: &Known,
    settings: &Settings,
    resolved: &Resolved,
    map: &Map,
    groups: &[Group],
) -> Option<Decision> {
    let stream = &known.stream;
    let command = if !stream.finalizers().iter().any(|name| name == FINALIZER) {
        Command::AddFinalizer
    } else if stream.resolved().is_none() {
        let missing = |member: Member| {
            let message = format!("waits for pod {} to be made", member.pod());
            Health::Waiting(Problem::new(Reason::PodMissing, message))
        };
        let health =
            |group: &Group| Health::fold(Member::of_group(&group.name, resolved.replicas).map(missing));
        let managed = Managed {
            resolved: resolved.clone(),
            refused: Vec::new(),
            map: map.clone(),
            consumer_count: known.consumer_count,
            groups: groups.iter().map(|group| (group.clone(), health(group))).collect(),
            outdated_pods: Vec::new(),
            unreachable_pods: Vec::new(),
            growth: None,
            logs: Vec::new(),
        };
        write_status(known, &Finding::Managed(Box::new(managed)), settings)?
    } else if !is_recorded(stream, &settings.installation()) {
        write_status(known, &Finding::Recorded(map.clone()), settings)?
    } else {
        return None;
    };
    Some(Decision { commands: vec![command], ..Decision::nothing(Next::DecideAgain) })
}

/// Whether a stream's status says that it is this installation's, that it has its name, and what its map is.
fn is_recorded(stream: &DataStream, installation: &str) -> bool {
    stream.status.as_ref().is_some_and(|status| {
        status.map.is_some()
            && status.name_held_since.is_some()
            && status.installation.as_deref() == Some(installation)
    })
}

/// What is due for a stream that is ours.
fn manage(
    known: &Known,
    settings: &Settings,
    InForce { resolved, refused, map }: InForce,
    groups: Vec<Group>,
) -> Result<Decision, Error> {
    // First what is decided again if it is refused.
    let growth = storage::growth(known, &resolved);
    let mut commands = growth.commands;
    commands.extend(missing_shards(known, &groups));
    commands.extend(applied_objects(known, settings, &resolved, &groups));

    let judged = pods::judge(known, settings, &resolved, groups);
    commands.extend(write_shards(judged.opened.into_iter().map(ShardWrite::Open).collect()));
    let groups = judged.groups;
    let map = opened(map, groups.iter().map(|(group, _)| group))?;
    let pause = if judged.failed_create { FAILED_CREATE_PAUSE } else { settings.requeue() };
    let finding = Finding::Managed(Box::new(Managed {
        outdated_pods: rollout::outdated_pods(
            groups.iter().map(|(group, _)| group),
            &resolved,
            &known.observed,
        ),
        resolved,
        refused,
        map,
        consumer_count: known.consumer_count,
        groups,
        unreachable_pods: judged.unreachable_pods,
        growth: growth.problem,
        logs: judged.logs,
    }));
    // A pod that was not asked yet is about to be: what was known of it goes on to hold until then, so that an operator
    // that starts writes nothing that it takes back at once.
    if known.observed.running.values().all(|(_, probe)| probe.was_asked()) {
        commands.extend(write_status(known, &finding, settings));
    }
    Ok(Decision { commands, instructions: judged.instructions, next: Next::Look(pause) })
}

/// Writes in the status that the stream is being deleted, before anything of it is.
fn delete(known: &Known, settings: &Settings) -> Decision {
    let stream = &known.stream;
    if !stream.finalizers().iter().any(|name| name == FINALIZER) {
        return Decision::nothing(Next::AwaitChange);
    }
    let deleting =
        stream.status.as_ref().and_then(|status| status.stream_status.as_deref()) == Some("DELETING");
    let finding = Finding::Deleting { message: deletion::message(stream) };
    let status = if deleting { None } else { write_status(known, &finding, settings) };
    Decision { commands: status.into_iter().collect(), ..Decision::nothing(Next::Delete) }
}

/// Creates the shard objects that are not there. Each is Pending until its log reports that it is open, also one that was
/// there before and was lost.
fn missing_shards(known: &Known, groups: &[Group]) -> Option<Command> {
    let existing: BTreeSet<_> = known.observed.shards.iter().map(|object| object.name_any()).collect();
    let mut writes = Vec::new();
    for (group, shard) in groups.iter().flat_map(|group| group.shards.iter().map(move |shard| (group, shard)))
    {
        let name = known.names.shard(shard.id.index());
        if !existing.contains(&name) {
            let object = desired::shard(&known.stream, &known.names, &group.name, shard);
            writes.push(ShardWrite::Create(Box::new(Desired::of::<Shard>(SHARD, &name, &object))));
        }
    }
    write_shards(writes)
}

fn write_shards(writes: Vec<ShardWrite>) -> Option<Command> {
    (!writes.is_empty()).then_some(Command::WriteShards(writes))
}

/// Applies the Service and the StatefulSets where they differ from what they should be.
fn applied_objects(
    known: &Known,
    settings: &Settings,
    resolved: &Resolved,
    groups: &[Group],
) -> Vec<Command> {
    let (stream, names, observed) = (&*known.stream, &known.names, &known.observed);
    let mut commands = Vec::new();
    let service = desired::service(stream, names);
    let service = Desired::of(SERVICE, names.service(), &service);
    let actual = observed.services.get(names.service()).map(|actual| &**actual);
    if service.differs(actual, known.applied.get(&service.key)) {
        commands.push(Command::Apply(Box::new(service)));
    }
    for group in groups {
        let actual = observed.stateful_sets.get(&group.name).map(|actual| &**actual);
        let set = desired::stateful_set(stream, names, resolved, group, settings, actual);
        let set = Desired::of(STATEFUL_SET, &group.name, &set);
        if set.differs(actual, known.applied.get(&set.key)) {
            commands.push(Command::Apply(Box::new(set)));
        }
    }
    commands
}

/// The status that follows from a finding, where it is another one than before.
fn write_status(known: &Known, finding: &Finding, settings: &Settings) -> Option<Command> {
    let after = status(&known.stream, finding, settings, known.now);
    (Some(&after) != known.stream.status.as_ref()).then(|| Command::WriteStatus(Box::new(after)))
}

/// Whether the volumes go with the stream.
#[must_use]
pub fn deletes_volumes(stream: &DataStream) -> bool {
    stream.spec.deletion_policy.as_deref() == Some("Delete")
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
