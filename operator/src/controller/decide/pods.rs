//! How the pods of a stream are, and what each should do. Pure.

use std::collections::{BTreeSet, HashSet};

use catalog::member::{AcceptLoss, Bootstrap, LogStatus, MemberPhase, MemberStatus, OpenShard, SetRetention};
use catalog::resource::Resolved;
use catalog::{ShardId, ShardState};
use kube::ResourceExt;

use super::storage::class_problem;
use crate::controller::health::{
    self, Health, LogReport, MemberView, Problem, accept_loss_value, log_of, reach_problem,
};
use crate::controller::observe::Known;
use crate::names::{ACCEPT_LOSS, Member, Names};
use crate::objects::Group;
use crate::prober::{Instruction, corruption};
use crate::settings::Settings;
use crate::world::RunningPod;

/// The groups of a stream, judged.
pub struct Judged {
    /// The groups, their shards as they are now, and how each is.
    pub groups: Vec<(Group, Health)>,
    /// The objects of shards that take records and do not say so.
    pub opened: Vec<String>,
    /// What each pod that runs should do.
    pub instructions: Vec<(RunningPod, Option<Instruction>)>,
    /// Why pods cannot be reached.
    pub unreachable_pods: Vec<Problem>,
    /// What the pods report of their logs' storage.
    pub logs: Vec<LogReport>,
    /// Whether a StatefulSet cannot create a pod.
    pub failed_create: bool,
}

/// Judges every group by what its members report.
#[must_use]
pub fn judge(known: &Known, settings: &Settings, resolved: &Resolved, groups: Vec<Group>) -> Judged {
    let desired = DesiredLog {
        retention_hours: resolved.retention_period_hours.unsigned_abs(),
        accepted_loss: known.stream.annotations().get(ACCEPT_LOSS).map(String::as_str),
    };
    let mut judged = Judged {
        groups: Vec::new(),
        opened: Vec::new(),
        instructions: Vec::new(),
        unreachable_pods: Vec::new(),
        logs: Vec::new(),
        failed_create: !known.failed_creates.is_empty(),
    };
    let open_objects: HashSet<_> = known
        .observed
        .shards
        .iter()
        .filter(|shard| shard.state() != ShardState::Pending)
        .map(|shard| shard.name_any())
        .collect();
    for mut group in groups {
        let members: Vec<_> = Member::of_group(&group.name, resolved.replicas).collect();
        for member in &members {
            if let Some((pod, probe)) = known.observed.running.get(&member.pod()) {
                let status = probe.outcome().and_then(Result::ok);
                let instruction = status.and_then(|status| due(status, &group, &known.names, desired));
                judged.instructions.push((pod.clone(), instruction));
                let served = open(&mut group, status).into_iter().map(|id| known.names.shard(id.index()));
                judged.opened.extend(served.filter(|name| !open_objects.contains(name)));
            }
        }
        let mut healths = Vec::new();
        for member in &members {
            let problem = class_problem_of(known, member);
            let view = view(known, settings, member, problem.as_deref());
            healths.push(health::judge(&group, &view));
            judged.unreachable_pods.extend(reach_problem(&view));
            judged.logs.push(LogReport::of(&group, member, view.outcome.and_then(Result::ok)));
        }
        judged.groups.push((group, Health::fold(healths)));
    }
    judged
}

fn view<'a>(
    known: &'a Known,
    settings: &'a Settings,
    member: &'a Member,
    storage_class: Option<&'a str>,
) -> MemberView<'a> {
    let observed = &known.observed;
    let probe = observed.running.get(&member.pod()).map(|(_, probe)| probe);
    MemberView {
        member,
        pod: observed.pods.get(&member.pod()).map(|pod| &**pod),
        claim: observed.claims.get(&member.claim()).map(|claim| &**claim),
        outcome: probe.and_then(|probe| probe.outcome()),
        refusal: probe.and_then(|probe| probe.refusal.as_deref()),
        storage_class,
        failed_create: known.failed_creates.get(&member.group).map(String::as_str),
        stream: &known.names.stream,
        operator_namespace: &settings.namespace,
    }
}

fn class_problem_of(known: &Known, member: &Member) -> Option<String> {
    class_problem(known, known.observed.claims.get(&member.claim())?)
}

/// Marks the shards of a group that take records, as the log itself reports, and returns them.
fn open(group: &mut Group, status: Option<&MemberStatus>) -> Vec<ShardId> {
    let Some(status) = status.filter(|status| status.phase == MemberPhase::Serving) else {
        return Vec::new();
    };
    let served: BTreeSet<_> =
        log_of(status, &group.log).iter().flat_map(|log| &log.shards).map(|shard| shard.id).collect();
    let mut open = Vec::new();
    for shard in group.shards.iter_mut().filter(|shard| served.contains(&shard.id)) {
        shard.state = shard.state.max(ShardState::Open);
        open.push(shard.id);
    }
    open
}

/// What every log of a stream should be like.
#[derive(Clone, Copy, Debug)]
struct DesiredLog<'a> {
    /// How long they keep records.
    retention_hours: u32,
    /// The corruption whose loss is accepted: `LOG:FILE:POSITION`, as the condition names it.
    accepted_loss: Option<&'a str>,
}

/// What a pod should do next, if anything.
fn due(status: &MemberStatus, group: &Group, names: &Names, desired: DesiredLog<'_>) -> Option<Instruction> {
    if status.phase == MemberPhase::AwaitingBootstrap {
        // Where a shard was open before, the volume is lost, and a person decides.
        let is_new = !group.was_opened();
        return is_new.then(|| Instruction::Bootstrap(bootstrap(names, group, desired.retention_hours)));
    }
    due_for_log(log_of(status, &group.log)?, status.phase, names, desired)
}

/// What a log should do next. One that has stopped takes nothing but that the loss of what is corrupt is accepted.
fn due_for_log(
    log: &LogStatus,
    phase: MemberPhase,
    names: &Names,
    desired: DesiredLog<'_>,
) -> Option<Instruction> {
    let (stream_uid, name) = (names.uid.clone(), log.name.clone());
    match phase {
        MemberPhase::Serving if log.retention_period_hours != Some(desired.retention_hours) => {
            let retention_period_hours = desired.retention_hours;
            return Some(Instruction::SetRetention(SetRetention {
                stream_uid,
                log: name,
                retention_period_hours,
            }));
        }
        MemberPhase::Serving | MemberPhase::Stopped => {}
        MemberPhase::WaitingForVolume
        | MemberPhase::AwaitingBootstrap
        | MemberPhase::Recovering
        | MemberPhase::Ending => return None,
    }
    let place = corruption(log)?;
    let is_accepted = desired.accepted_loss? == accept_loss_value(&log.name, place);
    is_accepted
        .then(|| Instruction::AcceptLoss(AcceptLoss { stream_uid, log: name, place: place.to_owned() }))
}

fn bootstrap(names: &Names, group: &Group, retention_period_hours: u32) -> Bootstrap {
    let shards = group.shards.iter().map(|shard| OpenShard {
        id: shard.id,
        range: shard.range,
        parents: shard.parents.clone(),
        create_seconds: shard.create_seconds,
    });
    Bootstrap {
        stream_uid: names.uid.clone(),
        group: group.name.clone(),
        log: group.log.clone(),
        shards: shards.collect(),
        retention_period_hours,
    }
}

#[cfg(test)]
mod tests {
    use catalog::member::{LogCondition, LogConditionKind};
    use catalog::resource::{DataStream, DataStreamSpec};

    use super::*;

    fn due_of(log: &LogStatus, phase: MemberPhase, desired: DesiredLog<'_>) -> Option<Instruction> {
        let mut stream = DataStream::new("orders", DataStreamSpec::default());
        stream.metadata.uid = Some("uid".into());
        due_for_log(log, phase, &Names::of(&stream), desired)
    }

    fn set_retention(hours: u32) -> Option<Instruction> {
        let (stream_uid, log) = ("uid".into(), "g0".into());
        Some(Instruction::SetRetention(SetRetention { stream_uid, log, retention_period_hours: hours }))
    }

    fn accept_loss(place: &str) -> Option<Instruction> {
        let (stream_uid, log) = ("uid".into(), "g0".into());
        Some(Instruction::AcceptLoss(AcceptLoss { stream_uid, log, place: place.into() }))
    }

    fn log(hours: Option<u32>, place: Option<&str>) -> LogStatus {
        let damage = place.map(|place| LogCondition {
            kind: LogConditionKind::StorageDamaged,
            message: "damaged".into(),
            place: Some(place.into()),
        });
        LogStatus {
            name: "g0".into(),
            durable_bytes: 0,
            retention_period_hours: hours,
            writing_ms: 0,
            conditions: damage.into_iter().collect(),
            shards: Vec::new(),
        }
    }

    #[test]
    fn log_gets_its_retention_where_it_has_another_or_has_forgotten_it() {
        let desired = DesiredLog { retention_hours: 24, accepted_loss: None };
        assert_eq!(due_of(&log(Some(24), None), MemberPhase::Serving, desired), None);
        assert_eq!(due_of(&log(Some(48), None), MemberPhase::Serving, desired), set_retention(24));
        assert_eq!(due_of(&log(None, None), MemberPhase::Serving, desired), set_retention(24));
    }

    #[test]
    fn loss_is_accepted_only_where_the_annotation_names_this_very_corruption() {
        let damaged = log(Some(24), Some("segment-000000000002:8192"));
        let accepting = |accepted| {
            due_of(
                &damaged,
                MemberPhase::Serving,
                DesiredLog { retention_hours: 24, accepted_loss: accepted },
            )
        };
        let accepted = accepting(Some("g0:segment-000000000002:8192"));
        assert_eq!(accepted, accept_loss("segment-000000000002:8192"));
        for other in
            [None, Some("true"), Some("g1:segment-000000000002:8192"), Some("g0:segment-000000000002:4096")]
        {
            assert_eq!(accepting(other), None, "{other:?}");
        }
        let sound = log(Some(24), None);
        let desired = DesiredLog { retention_hours: 24, accepted_loss: Some("g0:") };
        assert_eq!(due_of(&sound, MemberPhase::Serving, desired), None);
    }

    #[test]
    fn stopped_log_accepts_a_loss_and_does_nothing_else() {
        let damaged = log(None, Some("segment-000000000002:8192"));
        let accepted_loss = Some("g0:segment-000000000002:8192");
        let desired = DesiredLog { retention_hours: 24, accepted_loss };
        let accepted = accept_loss("segment-000000000002:8192");
        assert_eq!(due_of(&damaged, MemberPhase::Stopped, desired), accepted);
        assert_eq!(due_of(&damaged, MemberPhase::Serving, desired), set_retention(24));
        assert_eq!(
            due_of(&damaged, MemberPhase::Stopped, DesiredLog { accepted_loss: None, ..desired }),
            None
        );
        assert_eq!(due_of(&damaged, MemberPhase::Ending, desired), None);
    }
}
