use catalog::member::{LogCondition, LogConditionKind};
use catalog::resource::DataStreamSpec;
use clap::Parser;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::*;
use crate::controller::condition;

fn settings() -> Settings {
    let arguments =
        ["operator", "run", "--release=kinetes", "--namespace=kinetes-system", "--shard-server-image=x"];
    match crate::cli::Cli::parse_from(arguments).command {
        crate::cli::Command::Run(settings) => *settings,
        crate::cli::Command::Crds { .. } => unreachable!("it says run"),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn stream(mode: &str) -> DataStream {
    let mut stream = DataStream::new(
        "orders",
        DataStreamSpec {
            stream_mode_details: Some(catalog::resource::StreamModeDetails { stream_mode: mode.into() }),
            ..Default::default()
        },
    );
    stream.metadata.generation = Some(3);
    stream.metadata.uid = Some("1a2b3c4d".into());
    stream
}

/// Two groups of two shards each.
fn live(stream: &DataStream, state: ShardState, healths: [Health; 2]) -> Finding {
    let resolved = stream.resolve(&settings().defaults());
    let names = Names::of(stream);
    let shards: Vec<_> = catalog::map::Genesis::new(4, 2, 1)
        .shards()
        .into_iter()
        .map(|shard| catalog::Shard { state, ..shard })
        .collect();
    let groups: Vec<_> = crate::objects::groups(&names, &shards, &[]).into_iter().zip(healths).collect();
    let map = Map::create(catalog::map::Genesis::new(4, 2, 1));
    let map = crate::controller::map::opened(map, groups.iter().map(|(group, _)| group)).unwrap();
    Finding::Live(Box::new(Live {
        resolved,
        refused: Vec::new(),
        map,
        groups,
        outdated_pods: Vec::new(),
        storage: None,
        logs: Vec::new(),
    }))
}

fn waits(reason: &str) -> Health {
    Health::Waiting(Trouble { reason: reason.into(), message: format!("{reason} it is") })
}

/// [`live`], with what the first group's pod says of its storage; the other's is well.
fn saying(stream: &DataStream, healths: [Health; 2], conditions: &[LogCondition]) -> Finding {
    let mut finding = live(stream, ShardState::Open, healths);
    if let Finding::Live(live) = &mut finding {
        let said = [conditions, &[]];
        live.logs =
            live.groups.iter().zip(said).map(|((group, _), said)| Said::of(group, Some(said))).collect();
    }
    finding
}

fn damage() -> LogCondition {
    let (kind, place) = (LogConditionKind::StorageDamaged, Some("segment-000000000001:8192".into()));
    LogCondition { kind, message: "segment-000000000001 is damaged".into(), place }
}

/// `Ready=False Unschedulable` and so on, in order.
fn told(status: &DataStreamStatus) -> Vec<String> {
    let tell = |found: &Condition| format!("{}={} {}", found.type_, found.status, found.reason);
    status.conditions.iter().map(tell).collect()
}

#[test]
fn a_new_stream_is_creating_and_says_what_it_waits_for() {
    let stream = stream("PROVISIONED");
    let finding = live(&stream, ShardState::Pending, [waits("Unschedulable"), waits("PodMissing")]);
    let status = status(&stream, &finding, &settings(), at(100));
    assert_eq!(status.stream_status.as_deref(), Some("CREATING"));
    assert_eq!((status.open_shard_count, status.map_version), (Some(0), Some(100)));
    assert_eq!(status.map.as_ref().unwrap().logs_to_open, ["g0", "g1"]);
    assert_eq!(status.stream_arn.as_deref(), Some("arn:aws:kinesis:us-east-1:000000000000:stream/orders"));
    assert_eq!(status.selector.as_deref(), Some("kinetes.dev/stream-uid=1a2b3c4d"));
    assert_eq!(status.observed_generation, Some(3));
    assert_eq!(told(&status), ["Ready=False Unschedulable", "Reconciling=True Unschedulable"]);
    let ready = condition(&status.conditions, READY).unwrap();
    assert_eq!(ready.message, "Unschedulable it is (and 1 more of its groups wait)");
}

#[test]
fn gateways_hear_of_a_stream_before_it_is_ready() {
    let mut stream = stream("PROVISIONED");
    let finding = live(&stream, ShardState::Open, [Health::Serving, Health::Serving]);
    let published = status(&stream, &finding, &settings(), at(100));
    assert_eq!(published.stream_status.as_deref(), Some("ACTIVE"));
    assert_eq!(published.map.as_ref().unwrap().logs_to_open, [""; 0]);
    assert_eq!(told(&published), ["Ready=False Publishing", "Reconciling=True Publishing"]);
    stream.status = Some(published.clone());
    let ready = status(&stream, &finding, &settings(), at(101));
    assert_eq!(told(&ready), ["Ready=True Serving"]);
    assert_eq!(ready.map_version, published.map_version, "the map is the same");
}

fn ready_stream(mode: &str) -> DataStream {
    let mut stream = stream(mode);
    for second in [100, 101] {
        let finding = live(&stream, ShardState::Open, [Health::Serving, Health::Serving]);
        stream.status = Some(status(&stream, &finding, &settings(), at(second)));
    }
    stream
}

#[test]
fn nothing_changes_while_nothing_happens() {
    let stream = ready_stream("PROVISIONED");
    let finding = live(&stream, ShardState::Open, [Health::Serving, Health::Serving]);
    assert_eq!(Some(status(&stream, &finding, &settings(), at(999))), stream.status);
}

#[test]
fn a_pod_that_restarts_leaves_the_stream_active_and_its_map_as_it_is() {
    let stream = ready_stream("PROVISIONED");
    let finding = live(&stream, ShardState::Open, [Health::Serving, waits("PodMissing")]);
    let after = status(&stream, &finding, &settings(), at(200));
    assert_eq!(after.stream_status.as_deref(), Some("ACTIVE"));
    assert_eq!(after.map_version, stream.status.as_ref().unwrap().map_version);
    assert_eq!(told(&after), ["Ready=False PodMissing", "Reconciling=True PodMissing"]);
    assert_eq!(condition(&after.conditions, READY).unwrap().last_transition_time.0, at(200));
}

#[test]
fn a_changed_retention_is_a_new_map_and_the_stream_stays_ready() {
    let mut stream = ready_stream("PROVISIONED");
    stream.spec.retention_period_hours = Some(48);
    let finding = live(&stream, ShardState::Open, [Health::Serving, Health::Serving]);
    let after = status(&stream, &finding, &settings(), at(101));
    assert_eq!(after.map_version, Some(101));
    assert_eq!(told(&after), ["Ready=True Serving"]);
}

#[test]
fn a_map_version_grows_also_against_a_clock_that_went_back() {
    let mut stream = ready_stream("PROVISIONED");
    stream.spec.retention_period_hours = Some(48);
    let finding = live(&stream, ShardState::Open, [Health::Serving, Health::Serving]);
    assert_eq!(status(&stream, &finding, &settings(), at(7)).map_version, Some(101));
}

#[test]
fn a_lost_volume_stalls_the_stream_whatever_else_it_waits_for() {
    let stream = ready_stream("PROVISIONED");
    let lost = Health::Stalled(Trouble { reason: "VolumeLost".into(), message: "gone".into() });
    let finding = live(&stream, ShardState::Open, [waits("PodMissing"), lost]);
    let after = status(&stream, &finding, &settings(), at(200));
    assert_eq!(told(&after), ["Ready=False VolumeLost", "Stalled=True VolumeLost"]);
}

#[test]
fn what_a_pod_says_of_its_storage_is_told_beside_ready_with_what_to_do_until_it_is_over() {
    let cases = [
        (LogConditionKind::StorageFull, "StorageFull=True VolumeFull", "raise spec.storage.size"),
        (LogConditionKind::StorageDamaged, "StorageDamaged=True LogDamaged", "kinetes.dev/accept-loss=g0:"),
        (LogConditionKind::ClockSuspect, "ClockSuspect=True ClocksDisagree", "set the clock"),
    ];
    for (kind, expected, what_to_do) in cases {
        let mut stream = ready_stream("PROVISIONED");
        let well = stream.status.clone();
        let said = [LogCondition { kind, ..damage() }];
        let healths = || [Health::Serving, Health::Serving];
        let finding = saying(&stream, healths(), &said);
        let raised = status(&stream, &finding, &settings(), at(200));
        let mut both = ["Ready=True Serving", expected];
        both.sort_unstable();
        assert_eq!(told(&raised), both);
        let type_ = expected.split('=').next().unwrap();
        let message = &raised.conditions.iter().find(|condition| condition.type_ == type_).unwrap().message;
        assert!(message.starts_with("pod orders-1a2b3-g0-0: ") && message.contains(what_to_do), "{message}");

        stream.status = Some(raised.clone());
        assert_eq!(status(&stream, &finding, &settings(), at(300)), raised, "nothing is written again");
        assert_eq!(Some(status(&stream, &saying(&stream, healths(), &[]), &settings(), at(400))), well);
    }
}

#[test]
fn a_failed_log_stalls_the_stream_and_its_damage_is_told_too() {
    let mut stream = ready_stream("PROVISIONED");
    let failed = || Health::Stalled(Trouble { reason: "StorageFailed".into(), message: "failed".into() });
    let finding = saying(&stream, [failed(), failed()], &[damage()]);
    let after = status(&stream, &finding, &settings(), at(200));
    assert_eq!(
        told(&after),
        ["Ready=False StorageFailed", "Stalled=True StorageFailed", "StorageDamaged=True LogDamaged"]
    );
    assert_eq!(after.conditions[1].message, "failed (and 1 more of its groups stall)");
    assert_eq!(after.stream_status.as_deref(), Some("ACTIVE"));
    stream.status = Some(after.clone());
    assert_eq!(status(&stream, &finding, &settings(), at(300)), after);
}

#[test]
fn an_annotation_that_names_other_damage_is_said_not_to_be_obeyed() {
    let mut stream = ready_stream("PROVISIONED");
    let mut with = |accepted: &str| {
        stream.metadata.annotations = Some([(ACCEPT_LOSS.to_owned(), accepted.to_owned())].into());
        let finding = saying(&stream, [Health::Serving, Health::Serving], &[damage()]);
        status(&stream, &finding, &settings(), at(200))
    };
    assert_eq!(told(&with("g0:segment-000000000001:8192"))[1], "StorageDamaged=True LogDamaged");
    let other = with("g0:segment-000000000001:4096");
    assert_eq!(told(&other)[1], "StorageDamaged=True OtherLossAccepted");
    let message = &other.conditions[1].message;
    assert!(message.contains("accept-loss=g0:segment-000000000001:4096 names other damage"), "{message}");
    assert!(message.ends_with("accept-loss=g0:segment-000000000001:8192"), "{message}");
}

#[test]
fn an_on_demand_stream_says_that_it_does_not_scale_yet() {
    let stream = ready_stream("ON_DEMAND");
    let told = told(stream.status.as_ref().unwrap());
    assert_eq!(told, ["Ready=True Serving", "ScalingActive=False NotServedYet"]);
}

#[test]
fn a_taken_name_names_its_owner_and_leaves_no_map() {
    let mut stream = stream("PROVISIONED");
    stream.status = Some(DataStreamStatus { name_held_since: Some(Time(at(9))), ..Default::default() });
    let finding = Finding::NameTaken { owner: "shop/orders".into() };
    let after = status(&stream, &finding, &settings(), at(100));
    assert_eq!(told(&after), ["Ready=False NameTaken", "Stalled=True NameTaken"]);
    assert!(after.conditions[0].message.contains("shop/orders"));
    assert_eq!((after.stream_status, after.name_held_since), (None, None));
}

#[test]
fn a_stream_of_another_installation_stays_its_and_says_how_it_is_handed_over() {
    let mut stream = ready_stream("PROVISIONED");
    stream.metadata.namespace = Some("shop".into());
    stream.status.as_mut().unwrap().installation = Some("gone/kinetes".into());
    let finding = Finding::Foreign { manager: "gone/kinetes".into() };
    let after = status(&stream, &finding, &settings(), at(200));
    assert_eq!(told(&after), ["Ready=False OtherInstallation", "Stalled=True OtherInstallation"]);
    let command =
        "kubectl annotate dstream orders -n shop --overwrite kinetes.dev/adopt=kinetes-system/kinetes";
    assert!(after.conditions[1].message.ends_with(command), "{}", after.conditions[1].message);
    let before = stream.status.clone().unwrap();
    assert_eq!((&after.installation, &after.map_version), (&before.installation, &before.map_version));

    // A name that it had there is not granted here by anything but a grant.
    let invalid = status(&stream, &Finding::Invalid(Vec::new()), &settings(), at(300));
    assert_eq!(invalid.installation.as_deref(), Some("kinetes-system/kinetes"));
    assert_eq!(invalid.name_held_since, None);

    // Handed over, it is newer than anything that was shown of it.
    let map = before.map.as_ref().unwrap().restore();
    let adopted = status(&stream, &Finding::Recorded(map), &settings(), at(300));
    assert_eq!(adopted.installation.as_deref(), Some("kinetes-system/kinetes"));
    assert_eq!((adopted.map_version, adopted.name_held_since), (Some(300), Some(Time(at(300)))));
}

#[test]
fn an_invalid_spec_stalls_and_what_held_before_holds_on() {
    let stream = ready_stream("PROVISIONED");
    let violation = Violation { field: "spec.replicas".into(), message: "replicas must be 1".into() };
    let after = status(&stream, &Finding::Invalid(vec![violation]), &settings(), at(200));
    assert_eq!(told(&after), ["Ready=False InvalidSpec", "Stalled=True InvalidSpec"]);
    assert_eq!(after.conditions[1].message, "spec.replicas: replicas must be 1");
    assert_eq!(after.resolved, stream.status.unwrap().resolved);
}

#[test]
fn a_refused_change_stalls_the_stream_and_what_was_in_force_is_in_force() {
    let stream = ready_stream("PROVISIONED");
    let mut finding = live(&stream, ShardState::Open, [Health::Serving, waits("PodMissing")]);
    let Finding::Live(live) = &mut finding else { unreachable!("it is live") };
    live.refused = vec![Violation { field: "spec.shardCount".into(), message: "8 is asked for".into() }];
    let after = status(&stream, &finding, &settings(), at(200));
    assert_eq!(told(&after), ["Ready=False ChangeRefused", "Stalled=True ChangeRefused"]);
    assert_eq!(after.conditions[1].message, "spec.shardCount: 8 is asked for");
    assert_eq!(after.stream_status.as_deref(), Some("ACTIVE"));
    let before = stream.status.unwrap();
    assert_eq!((after.map, after.map_version), (before.map, before.map_version));
}

#[test]
fn a_record_of_the_map_changes_nothing_else_of_a_status() {
    let mut stream = ready_stream("PROVISIONED");
    let whole = stream.status.clone().unwrap();
    let map = whole.map.as_ref().unwrap().restore();
    stream.status.as_mut().unwrap().map = None;
    let recorded = status(&stream, &Finding::Recorded(map), &settings(), at(200));
    assert_eq!(recorded, DataStreamStatus { map_version: Some(200), ..whole });
}

#[test]
fn a_stream_that_goes_is_deleting_in_the_map_too() {
    let stream = ready_stream("PROVISIONED");
    let after = status(&stream, &Finding::Deleting { message: "its pods end".into() }, &settings(), at(200));
    assert_eq!((after.stream_status.as_deref(), after.map_version), (Some("DELETING"), Some(200)));
    assert_eq!(told(&after), ["Ready=False Deleting", "Reconciling=True Deleting"]);
}
