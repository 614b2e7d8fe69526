use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::member::{LogStatus, MemberPhase, MemberStatus, ShardStatus};
use catalog::resource::{DataStreamSpec, Storage};
use clap::Parser;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::controller::observe::StorageClassFacts;
use crate::controller::status::condition;
use crate::members::ErrorKind;
use crate::names::Names;
use crate::signals::ConditionType;
use crate::world::{Observed, Probes};

const UID: &str = "1a2b3c4d";
const GROUP: &str = "orders-1a2b3-g0";

fn settings() -> Settings {
    let arguments =
        ["operator", "run", "--release=kinetes", "--namespace=kinetes-system", "--shard-server-image=x"];
    match crate::cli::Cli::parse_from(arguments).command {
        crate::cli::Command::Run(settings) => *settings,
        other => unreachable!("{other:?}"),
    }
}

/// A new stream of one shard, and nothing of it.
fn new() -> Known {
    let mut stream = DataStream::new("orders", DataStreamSpec { shard_count: Some(1), ..Default::default() });
    stream.metadata.uid = Some(UID.into());
    stream.metadata.namespace = Some("shop".into());
    stream.metadata.generation = Some(1);
    let stream = Arc::new(stream);
    Known {
        names: Names::of(&stream),
        name_holder: None,
        reports_foreign: false,
        unrecorded_shards: Vec::new(),
        stream,
        consumer_count: 0,
        observed: Observed::default(),
        storage_classes: BTreeMap::new(),
        failed_creates: BTreeMap::new(),
        growth_refusals: BTreeMap::new(),
        applied: BTreeMap::new(),
        now: Timestamp::from_second(1_795_428_000).unwrap(),
    }
}

fn change(known: &mut Known, change: impl FnOnce(&mut DataStream)) {
    change(Arc::make_mut(&mut known.stream));
}

fn decided(known: &Known) -> Decision {
    decide(known, &settings()).unwrap()
}

fn take_status(known: &mut Known, decision: Decision) {
    for command in decision.commands {
        match command {
            Command::WriteStatus(status) => change(known, |stream| stream.status = Some(*status)),
            Command::AddFinalizer => {
                change(known, |stream| stream.metadata.finalizers = Some(vec![FINALIZER.into()]));
            }
            _ => {}
        }
    }
}

/// A stream that is ours; none of its pods is there.
fn claimed() -> Known {
    let mut known = new();
    for _ in 0..2 {
        let decision = decided(&known);
        take_status(&mut known, decision);
    }
    known
}

/// Its pod runs, and reports this; an error where it reports nothing.
fn reporting(mut known: Known, report: Result<MemberStatus, ErrorKind>) -> Known {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {
            "name": format!("{GROUP}-0"), "namespace": "shop", "uid": "p0d",
            "labels": {"kinetes.dev/stream": "orders", "kinetes.dev/stream-uid": UID},
        },
        "status": {"podIP": "10.0.0.7", "containerStatuses": [{
            "name": "shard-server", "image": "x", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"running": {}},
        }]},
    }))
    .unwrap();
    let (process, probes) = (RunningPod::of(&pod).unwrap(), Probes::default());
    match report {
        Ok(status) => {
            probes.answered(&process, status, None);
        }
        Err(kind) => {
            for _ in 0..9 {
                probes.failed(&process, kind, "no connection".into(), known.now);
            }
        }
    }
    let (name, probe) = (format!("{GROUP}-0"), probes.get(&process).unwrap());
    known.observed.running.insert(name.clone(), (process, probe));
    known.observed.pods.insert(name, Arc::new(pod));
    known
}

fn member(phase: MemberPhase, logs: Vec<LogStatus>) -> MemberStatus {
    MemberStatus {
        version: "0.1.0".into(),
        stream_uid: UID.into(),
        group: GROUP.into(),
        phase,
        reason: None,
        replica_id: None,
        logs,
    }
}

fn log() -> LogStatus {
    let id = catalog::map::Genesis::new(1, 1, 1).shards()[0].id;
    LogStatus {
        name: "g0".into(),
        durable_bytes: 0,
        retention_period_hours: Some(24),
        writing_ms: 0,
        conditions: Vec::new(),
        shards: vec![ShardStatus { id, next_offset: 1 }],
    }
}

fn ready(known: &Known, type_: ConditionType) -> String {
    let status = known.stream.status.as_ref().unwrap();
    condition(&status.conditions, type_)
        .map_or(String::new(), |found| format!("{} {}", found.status, found.reason))
}

#[test]
fn the_same_knowledge_gives_the_same_decision() {
    let known = reporting(claimed(), Ok(member(MemberPhase::AwaitingBootstrap, Vec::new())));
    assert_eq!(format!("{:?}", decided(&known)), format!("{:?}", decided(&known)));
}

#[test]
fn a_new_stream_is_claimed_in_two_decisions_before_anything_is_made_for_it() {
    let mut known = new();
    let first = decided(&known);
    assert!(matches!(first.commands[..], [Command::AddFinalizer]) && first.next == Next::DecideAgain);
    take_status(&mut known, first);
    let second = decided(&known);
    assert!(matches!(second.commands[..], [Command::WriteStatus(_)]) && second.next == Next::DecideAgain);
    take_status(&mut known, second);
    assert!(matches!(
        decided(&known).commands[..],
        [Command::WriteShards(_), Command::Apply(_), Command::Apply(_)]
    ));
}

#[test]
fn an_empty_volume_is_bootstrapped_only_while_no_shard_was_open() {
    let empty = || Ok(member(MemberPhase::AwaitingBootstrap, Vec::new()));
    let decision = decided(&reporting(claimed(), empty()));
    assert!(matches!(decision.instructions[..], [(_, Some(Instruction::Bootstrap(_)))]), "{decision:?}");

    let mut known = claimed();
    change(&mut known, |stream| {
        stream.status.as_mut().unwrap().map.as_mut().unwrap().logs_to_open.clear();
    });
    let mut known = reporting(known, empty());
    let decision = decided(&known);
    assert!(matches!(decision.instructions[..], [(_, None)]), "{decision:?}");
    take_status(&mut known, decision);
    assert_eq!(ready(&known, ConditionType::Stalled), "True VolumeLost");
}

#[test]
fn a_pod_that_reports_nothing_gets_no_instruction() {
    let mut known = reporting(claimed(), Err(ErrorKind::ConnectTimeout));
    let decision = decided(&known);
    assert!(matches!(decision.instructions[..], [(_, None)]), "{decision:?}");
    take_status(&mut known, decision);
    assert_eq!(ready(&known, ConditionType::Ready), "False PodUnreachable");
    assert_eq!(ready(&known, ConditionType::PodsUnreachable), "True ConnectTimeout");
}

#[test]
fn the_status_stays_until_every_pod_that_runs_was_asked_once() {
    let mut known = reporting(claimed(), Ok(member(MemberPhase::Recovering, Vec::new())));
    let writes = |known: &Known| {
        decided(known).commands.iter().any(|command| matches!(command, Command::WriteStatus(_)))
    };
    assert!(writes(&known));
    let (_, probe) = known.observed.running.values_mut().next().unwrap();
    *probe = Default::default();
    assert!(!writes(&known));
}

#[test]
fn a_log_that_reports_its_shards_opens_them_and_one_with_another_retention_gets_it() {
    let mut known = reporting(claimed(), Ok(member(MemberPhase::Serving, vec![log()])));
    let decision = decided(&known);
    let opened = decision.commands.iter().filter_map(|command| match command {
        Command::WriteShards(writes) => {
            Some(writes.iter().filter(|write| matches!(write, ShardWrite::Open(_))).count())
        }
        _ => None,
    });
    assert_eq!(opened.sum::<usize>(), 1);
    assert!(matches!(decision.instructions[..], [(_, None)]));
    take_status(&mut known, decision);
    assert_eq!(known.stream.status.as_ref().unwrap().stream_status.as_deref(), Some("ACTIVE"));

    change(&mut known, |stream| stream.spec.retention_period_hours = Some(48));
    let decision = decided(&known);
    let [(_, Some(Instruction::SetRetention(call)))] = &decision.instructions[..] else {
        panic!("{decision:?}")
    };
    assert_eq!(call.retention_period_hours, 48);
}

/// A stream whose volume is smaller than the spec says, of a class that lets it grow or not.
fn to_grow(allows_growth: bool) -> Known {
    let mut known = claimed();
    change(&mut known, |stream| {
        stream.spec.storage = Some(Storage { size: Some("2Gi".into()), storage_class_name: None });
        let status = stream.status.as_mut().unwrap();
        status.resolved.as_mut().unwrap().storage_size = "1Gi".into();
    });
    let claim: PersistentVolumeClaim = serde_json::from_value(json!({
        "metadata": {"name": format!("data-{GROUP}-0")},
        "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}},
        "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}},
    }))
    .unwrap();
    known.observed.claims.insert(format!("data-{GROUP}-0"), Arc::new(claim));
    known.storage_classes.insert("fast".into(), Some(StorageClassFacts { allows_growth }));
    known
}

fn grows(decision: &Decision) -> bool {
    decision
        .commands
        .iter()
        .any(|command| matches!(command, Command::GrowClaim { size, .. } if size == "2Gi"))
}

#[test]
fn a_volume_grows_where_its_class_allows_it_and_a_refusal_is_told_and_not_repeated() {
    let mut known = to_grow(true);
    let resolved = known.stream.resolve(&settings().defaults());
    let needs = storage_class_needs(&known.stream, &resolved, &known.observed);
    assert_eq!(needs, ["fast".to_owned()].into());
    assert!(grows(&decided(&known)));

    known.growth_refusals.insert(format!("data-{GROUP}-0"), "exceeded quota".into());
    let decision = decided(&known);
    assert!(!grows(&decision));
    take_status(&mut known, decision);
    assert_eq!(ready(&known, ConditionType::StorageResized), "False Refused");

    let mut known = to_grow(false);
    let decision = decided(&known);
    assert!(!grows(&decision));
    take_status(&mut known, decision);
    assert_eq!(ready(&known, ConditionType::StorageResized), "False Refused");
}

#[test]
fn a_stream_of_another_installation_and_one_that_goes_get_no_instruction() {
    let mut known = reporting(claimed(), Ok(member(MemberPhase::AwaitingBootstrap, Vec::new())));
    change(&mut known, |stream| {
        stream.metadata.deletion_timestamp =
            Some(serde_json::from_value(json!("2026-11-28T10:00:00Z")).unwrap());
    });
    let decision = decided(&known);
    assert!(matches!(decision.commands[..], [Command::WriteStatus(_)]) && decision.next == Next::Delete);
    assert!(decision.instructions.is_empty());
    change(&mut known, |stream| stream.status.as_mut().unwrap().installation = Some("else/where".into()));
    let decision = decided(&known);
    assert!(decision.commands.is_empty() && decision.next == Next::AwaitChange);
}
