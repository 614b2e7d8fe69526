use catalog::member::{LogCondition, LogConditionKind};
use catalog::resource::DataStreamSpec;
use clap::Parser;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::*;
use crate::names::Member;

fn settings() -> Settings {
    let arguments =
        ["operator", "run", "--release=kinetes", "--namespace=kinetes-system", "--shard-server-image=x"];
    match crate::cli::Cli::parse_from(arguments).command {
        crate::cli::Command::Run(settings) => *settings,
        other => unreachable!("{other:?}"),
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
fn managed(stream: &DataStream, state: ShardState, healths: [Health; 2]) -> Finding {
    let resolved = stream.resolve(&settings().defaults());
    let names = Names::of(stream);
    let shards: Vec<_> = catalog::map::Genesis::new(4, 2, 1)
        .shards()
        .into_iter()
        .map(|shard| catalog::Shard { state, ..shard })
        .collect();
    let groups: Vec<_> = crate::objects::groups(&names, &shards, &[]).into_iter().zip(healths).collect();
    let map = Map::create(catalog::map::Genesis::new(4, 2, 1));
    let map = crate::controller::decide::opened(map, groups.iter().map(|(group, _)| group)).unwrap();
    Finding::Managed(Box::new(Managed {
        resolved,
        refused: Vec::new(),
        map,
        consumer_count: 0,
        groups,
        outdated_pods: Vec::new(),
        unreachable_pods: Vec::new(),
        growth: None,
        logs: Vec::new(),
    }))
}

fn waits(reason: &str) -> Health {
    Health::Waiting(Problem::new(Reason::repeated(reason), format!("{reason} it is")))
}

/// [`managed`], with what the first group's pod reports of its storage; the other's is healthy.
fn reporting(stream: &DataStream, healths: [Health; 2], conditions: &[LogCondition]) -> Finding {
    let mut finding = managed(stream, ShardState::Open, healths);
    if let Finding::Managed(managed) = &mut finding {
        let reports =
            managed.groups.iter().zip([conditions, &[]]).map(|((group, _), conditions)| LogReport {
                member: Member { group: group.name.clone(), ordinal: 0 },
                log: group.log.clone(),
                conditions: Some(conditions.to_vec()),
            });
        managed.logs = reports.collect();
    }
    finding
}

fn damage() -> LogCondition {
    let (kind, place) = (LogConditionKind::StorageDamaged, Some("segment-000000000001:8192".into()));
    LogCondition { kind, message: "segment-000000000001 is damaged".into(), place }
}

/// `Ready=False Unschedulable` and so on, in order.
fn summary(status: &DataStreamStatus) -> Vec<String> {
    let line = |found: &Condition| format!("{}={} {}", found.type_, found.status, found.reason);
    status.conditions.iter().map(line).collect()
}

#[test]
fn a_new_stream_is_creating_and_says_what_it_waits_for() {
    let stream = stream("PROVISIONED");
    let finding = managed(&stream, ShardState::Pending, [waits("Unschedulable"), waits("PodMissing")]);
    let status = status(&stream, &finding, &settings(), at(100));
    assert_eq!(status.stream_status.as_deref(), Some("CREATING"));
    assert_eq!((status.open_shard_count, status.map_version), (Some(0), Some(100)));
    assert_eq!(status.map.as_ref().unwrap().logs_to_open, ["g0", "g1"]);
    assert_eq!(status.stream_arn.as_deref(), Some("arn:aws:kinesis:us-east-1:000000000000:stream/orders"));
    assert_eq!(status.selector.as_deref(), Some("kinetes.dev/stream-uid=1a2b3c4d"));
    assert_eq!(status.observed_generation, Some(3));
    assert_eq!(summary(&status), ["Ready=False Unschedulable", "Reconciling=True Unschedulable"]);
    let ready = condition(&status.conditions, ConditionType::Ready).unwrap();
    assert_eq!(ready.message, "Unschedulable it is (and 1 more of its groups wait)");
}

#[test]
fn gateways_hear_of_a_stream_before_it_is_ready() {
    let mut stream = stream("PROVISIONED");
    let finding = managed(&stream, ShardState::Open, [Health::Serving, Health::Serving]);
    let published = status(&stream, &finding, &settings(), at(100));
    assert_eq!(published.stream_status.as_deref(), Some("ACTIVE"));
    assert_eq!(published.map.as_ref().unwrap().logs_to_open, [""; 0]);
    assert_eq!(summary(&published), ["Ready=False Publishing", "Reconciling=True Publishing"]);
    stream.status = Some(published.clone());
    let ready = status(&stream, &finding, &settings(), at(101));
    assert_eq!(summary(&ready), ["Ready=True Serving"]);
    assert_eq!(ready.map_version, published.map_version, "the map is the same");
}

fn ready_stream(mode: &str) -> DataStream {
    let mut stream = stream(mode);
    for second in [100, 101] {
        let finding = managed(&stream, ShardState::Open, [Health::Serving, Health::Serving]);
        stream.status = Some(status(&stream, &finding, &settings(), at(second)));
    }
    stream
}

#[test]
fn nothing_changes_while_nothing_happens() {
    let stream = ready_stream("PROVISIONED");
    let finding = managed(&stream, ShardState::Open, [Health::Serving, Health::Serving]);
    assert_eq!(Some(status(&stream, &finding, &settings(), at(999))), stream.status);
}

#[test]
fn a_pod_that_restarts_leaves_the_stream_active_and_its_map_as_it_is() {
    let stream = ready_stream("PROVISIONED");
    let finding = managed(&stream, ShardState::Open, [Health::Serving, waits("PodMissing")]);
    let after = status(&stream, &finding, &settings(), at(200));
    assert_eq!(after.stream_status.as_deref(), Some("ACTIVE"));
    assert_eq!(after.map_version, stream.status.as_ref().unwrap().map_version);
    assert_eq!(summary(&after), ["Ready=False PodMissing", "Reconciling=True PodMissing"]);
    assert_eq!(condition(&after.conditions, ConditionType::Ready).unwrap().last_transition_time.0, at(200));
}

#[test]
fn a_changed_retention_is_a_new_map_and_the_stream_stays_ready() {
    let mut stream = ready_stream("PROVISIONED");
    stream.spec.retention_period_hours = Some(48);
    let finding = managed(&stream, ShardState::Open, [Health::Serving, Health::Serving]);
    let after = status(&stream, &finding, &settings(), at(101));
    assert_eq!(after.map_version, Some(101));
    assert_eq!(summary(&after), ["Ready=True Serving"]);
}

#[test]
fn a_registered_consumer_is_a_new_version_of_the_entry() {
    let stream = ready_stream("PROVISIONED");
    let mut finding = managed(&stream, ShardState::Open, [Health::Serving, Health::Serving]);
    let Finding::Managed(managed) = &mut finding else { unreachable!("it is managed") };
    managed.consumer_count = 2;
    let after = status(&stream, &finding, &settings(), at(200));
    assert_eq!((after.consumer_count, after.map_version), (Some(2), Some(200)));
    assert_eq!(summary(&after), ["Ready=True Serving"]);
}

#[test]
fn a_map_version_grows_also_against_a_clock_that_went_back() {
    let mut stream = ready_stream("PROVISIONED");
    stream.spec.retention_period_hours = Some(48);
    let finding = managed(&stream, ShardState::Open, [Health::Serving, Health::Serving]);
    assert_eq!(status(&stream, &finding, &settings(), at(7)).map_version, Some(101));
}

#[test]
fn a_lost_volume_stalls_the_stream_whatever_else_it_waits_for() {
    let stream = ready_stream("PROVISIONED");
    let lost = Health::Stalled(Problem::new(Reason::VolumeLost, "gone"));
    let finding = managed(&stream, ShardState::Open, [waits("PodMissing"), lost]);
    let after = status(&stream, &finding, &settings(), at(200));
    assert_eq!(summary(&after), ["Ready=False VolumeLost", "Stalled=True VolumeLost"]);
}

#[test]
fn what_a_pod_reports_of_its_storage_is_a_condition_beside_ready_with_what_to_do_until_it_is_over() {
    let cases = [
        (LogConditionKind::StorageFull, "StorageFull=True VolumeFull", "raise spec.storage.size"),
        (LogConditionKind::StorageDamaged, "StorageDamaged=True LogDamaged", "kinetes.dev/accept-loss=g0:"),
        (LogConditionKind::ClockSuspect, "ClockSuspect=True ClocksDisagree", "set the clock"),
    ];
    for (kind, expected, what_to_do) in cases {
        let mut stream = ready_stream("PROVISIONED");
        let well = stream.status.clone();
        let reported = [LogCondition { kind, ..damage() }];
        let healths = || [Health::Serving, Health::Serving];
        let finding = reporting(&stream, healths(), &reported);
        let raised = status(&stream, &finding, &settings(), at(200));
        let mut both = ["Ready=True Serving", expected];
        both.sort_unstable();
        assert_eq!(summary(&raised), both);
        let type_ = expected.split('=').next().unwrap();
        let message = &raised.conditions.iter().find(|condition| condition.type_ == type_).unwrap().message;
        assert!(message.starts_with("pod orders-1a2b3-g0-0: ") && message.contains(what_to_do), "{message}");

        stream.status = Some(raised.clone());
        assert_eq!(status(&stream, &finding, &settings(), at(300)), raised, "nothing is written again");
        assert_eq!(Some(status(&stream, &reporting(&stream, healths(), &[]), &settings(), at(400))), well);
    }
}

#[test]
fn a_failed_log_stalls_the_stream_and_its_corruption_is_a_condition_too() {
    let mut stream = ready_stream("PROVISIONED");
    let failed = || Health::Stalled(Problem::new(Reason::StorageFailed, "failed"));
    let finding = reporting(&stream, [failed(), failed()], &[damage()]);
    let after = status(&stream, &finding, &settings(), at(200));
    assert_eq!(
        summary(&after),
        ["Ready=False StorageFailed", "Stalled=True StorageFailed", "StorageDamaged=True LogDamaged"]
    );
    assert_eq!(after.conditions[1].message, "failed (and 1 more of its groups stall)");
    assert_eq!(after.stream_status.as_deref(), Some("ACTIVE"));
    stream.status = Some(after.clone());
    assert_eq!(status(&stream, &finding, &settings(), at(300)), after);
}

#[test]
fn an_annotation_that_names_other_corruption_is_reported_as_not_obeyed() {
    let mut stream = ready_stream("PROVISIONED");
    let mut with = |accepted: &str| {
        stream.metadata.annotations = Some([(ACCEPT_LOSS.to_owned(), accepted.to_owned())].into());
        let finding = reporting(&stream, [Health::Serving, Health::Serving], &[damage()]);
        status(&stream, &finding, &settings(), at(200))
    };
    assert_eq!(summary(&with("g0:segment-000000000001:8192"))[1], "StorageDamaged=True LogDamaged");
    let other = with("g0:segment-000000000001:4096");
    assert_eq!(summary(&other)[1], "StorageDamaged=True AnnotationMismatch");
    let message = &other.conditions[1].message;
    assert!(message.contains("accept-loss=g0:segment-000000000001:4096 names other corruption"), "{message}");
    assert!(message.ends_with("accept-loss=g0:segment-000000000001:8192"), "{message}");
}

#[test]
fn an_on_demand_stream_says_that_it_does_not_scale_yet() {
    let stream = ready_stream("ON_DEMAND");
    let conditions = summary(stream.status.as_ref().unwrap());
    assert_eq!(conditions, ["Ready=True Serving", "ScalingActive=False NotServedYet"]);
}

#[test]
fn a_taken_name_names_its_owner_and_leaves_no_map() {
    let mut stream = stream("PROVISIONED");
    stream.status = Some(DataStreamStatus { name_held_since: Some(Time(at(9))), ..Default::default() });
    let finding = Finding::NameTaken { owner: "shop/orders".into() };
    let after = status(&stream, &finding, &settings(), at(100));
    assert_eq!(summary(&after), ["Ready=False NameTaken", "Stalled=True NameTaken"]);
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
    assert_eq!(summary(&after), ["Ready=False OtherInstallation", "Stalled=True OtherInstallation"]);
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
    assert_eq!(summary(&after), ["Ready=False InvalidSpec", "Stalled=True InvalidSpec"]);
    assert_eq!(after.conditions[1].message, "spec.replicas: replicas must be 1");
    assert_eq!(after.resolved, stream.status.unwrap().resolved);
}

#[test]
fn a_refused_change_stalls_the_stream_and_what_was_in_force_is_in_force() {
    let stream = ready_stream("PROVISIONED");
    let mut finding = managed(&stream, ShardState::Open, [Health::Serving, waits("PodMissing")]);
    let Finding::Managed(managed) = &mut finding else { unreachable!("it is managed") };
    managed.refused = vec![Violation { field: "spec.shardCount".into(), message: "8 is asked for".into() }];
    let after = status(&stream, &finding, &settings(), at(200));
    assert_eq!(summary(&after), ["Ready=False ChangeRefused", "Stalled=True ChangeRefused"]);
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
    assert_eq!(summary(&after), ["Ready=False Deleting", "Reconciling=True Deleting"]);
}

#[test]
fn pods_that_cannot_be_reached_are_a_condition_beside_ready() {
    let stream = ready_stream("PROVISIONED");
    let mut finding = managed(&stream, ShardState::Open, [Health::Serving, Health::Serving]);
    let Finding::Managed(managed) = &mut finding else { unreachable!() };
    let problem = |pod| Problem::new(Reason::ConnectTimeout, format!("the operator cannot reach pod {pod}"));
    managed.unreachable_pods = vec![problem("orders-1a2b3-g0-0"), problem("orders-1a2b3-g1-0")];
    let after = status(&stream, &finding, &settings(), at(200));
    assert_eq!(summary(&after), ["PodsUnreachable=True ConnectTimeout", "Ready=True Serving"]);
    let message = &condition(&after.conditions, ConditionType::PodsUnreachable).unwrap().message;
    assert_eq!(message, "the operator cannot reach pod orders-1a2b3-g0-0 (and 1 more of its pods)");
    let events = news(stream.status.as_ref().unwrap(), &after);
    assert_eq!(events.len(), 1);
    assert!(events[0].warning && events[0].reason == "ConnectTimeout");
}

/// A `kubectl` that writes down what it is called with; a pod is ready at the second time that it is waited for.
const FAKE_KUBECTL: &str = r#"#!/bin/sh
printf '%s\n' "$*" >> "$CALLS"
case "$*" in *wait*) [ "$(grep -cx -e "$*" "$CALLS")" -ge 2 ];; esac
"#;

#[test]
fn the_command_for_outdated_pods_replaces_one_after_the_other() {
    use std::os::unix::fs::PermissionsExt;

    let mut stream = ready_stream("PROVISIONED");
    stream.metadata.namespace = Some("shop".into());
    let mut finding = managed(&stream, ShardState::Open, [Health::Serving, Health::Serving]);
    let Finding::Managed(managed) = &mut finding else { unreachable!() };
    managed.outdated_pods = vec!["orders-1a2b3-g0-0".into(), "orders-1a2b3-g1-0".into()];
    let after = status(&stream, &finding, &settings(), at(200));
    assert_eq!(summary(&after), ["PodsOutdated=True OldTemplate", "Ready=True Serving"]);
    let message = &condition(&after.conditions, ConditionType::PodsOutdated).unwrap().message;
    let (_, command) = message.split_once("one after the other: ").unwrap();

    let folder = std::env::temp_dir().join(format!("kinetes-outdated-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (kubectl, calls) = (folder.join("kubectl"), folder.join("calls"));
    std::fs::write(&kubectl, FAKE_KUBECTL).unwrap();
    // It need not sleep.
    let sleep = folder.join("sleep");
    std::fs::write(&sleep, "#!/bin/sh\n").unwrap();
    for program in [&kubectl, &sleep] {
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let run = std::process::Command::new("sh")
        .args(["-c", command])
        .env("PATH", path)
        .env("CALLS", &calls)
        .status();
    let calls = std::fs::read_to_string(&calls).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(run.unwrap().success());
    let delete = |pod| format!("-n shop delete pod {pod}");
    let wait = |pod| format!("-n shop wait --for=condition=Ready pod/{pod} --timeout=60s");
    let (first, second) = ("orders-1a2b3-g0-0", "orders-1a2b3-g1-0");
    // The second pod is only touched when the first is ready again.
    let expected =
        [delete(first), wait(first), wait(first), delete(second), wait(second), wait(second)].join("\n");
    assert_eq!(calls.trim_end(), expected);
}
