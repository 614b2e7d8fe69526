//! The StatefulSet of a shard group: one pod, one volume, for ever under the same name.

use std::collections::BTreeMap;

use catalog::member::{ADMIN_PORT, GROUP_PORT};
use catalog::resource::{DataStream, PodTemplate, Resolved};
use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, Container, ContainerPort, HTTPGetAction, LocalObjectReference,
    PersistentVolumeClaim, PersistentVolumeClaimSpec, PodAffinityTerm, PodAntiAffinity, PodSecurityContext,
    PodSpec, PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile, SecurityContext,
    TopologySpreadConstraint, VolumeMount, VolumeResourceRequirements, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Group;
use crate::names::{GROUP_LABEL, Names, STREAM_UID_LABEL, VOLUME, owner};
use crate::settings::Settings;

/// The user of the storage process; its volume belongs to its group.
const USER: i64 = 65532;
/// How long a pod may take to write down what it took, after it was asked to end.
const GRACE_SECONDS: i64 = 30;
/// How long a pod may take until it answers at all. It answers while it recovers, so this is about its start alone.
const START_SECONDS: i32 = 120;
const HOST: &str = "kubernetes.io/hostname";

/// The StatefulSet of a group. `live` is the one that exists, whose claim templates cannot change any more.
#[must_use]
pub fn stateful_set(
    stream: &DataStream,
    names: &Names,
    resolved: &Resolved,
    group: &Group,
    settings: &Settings,
    live: Option<&StatefulSet>,
) -> StatefulSet {
    let template = stream.spec.pod_template.clone().unwrap_or_default();
    let mut labels = names.labels();
    labels.insert(GROUP_LABEL.into(), group.suffix().into());
    let selector = selector(names, group);
    let claims = live
        .and_then(|live| live.spec.as_ref()?.volume_claim_templates.clone())
        .unwrap_or_else(|| vec![claim(&labels, resolved)]);
    // The stream's own labels win: its Service and its volumes are found by them.
    let mut pod_labels = template.labels.clone();
    pod_labels.extend(labels.clone());
    StatefulSet {
        metadata: ObjectMeta {
            name: Some(group.name.clone()),
            namespace: Some(names.namespace.clone()),
            labels: Some(labels),
            owner_references: Some(vec![owner(stream)]),
            ..Default::default()
        },
        spec: Some(StatefulSetSpec {
            replicas: Some(resolved.replicas),
            service_name: Some(names.service().into()),
            selector: LabelSelector { match_labels: Some(selector), match_expressions: None },
            pod_management_policy: Some("Parallel".into()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".into()),
                rolling_update: None,
            }),
            // Volumes go by the operator's hand alone, and only with the stream.
            persistent_volume_claim_retention_policy: Some(StatefulSetPersistentVolumeClaimRetentionPolicy {
                when_deleted: Some("Retain".into()),
                when_scaled: Some("Retain".into()),
            }),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(pod_labels),
                    annotations: some_map(template.annotations.clone()),
                    ..Default::default()
                }),
                spec: Some(pod(names, group, settings, template)),
            },
            volume_claim_templates: Some(claims),
            ..Default::default()
        }),
        status: None,
    }
}

fn selector(names: &Names, group: &Group) -> BTreeMap<String, String> {
    [(STREAM_UID_LABEL.to_owned(), names.uid.clone()), (GROUP_LABEL.to_owned(), group.suffix().to_owned())]
        .into()
}

fn pod(names: &Names, group: &Group, settings: &Settings, template: PodTemplate) -> PodSpec {
    let spread = template.topology_spread_constraints.clone();
    PodSpec {
        containers: vec![container(names, group, settings, &template)],
        affinity: Some(template.affinity.unwrap_or_else(|| apart_from_the_stream(names))),
        topology_spread_constraints: Some(if spread.is_empty() { vec![over_hosts(names)] } else { spread }),
        node_selector: some_map(template.node_selector),
        tolerations: (!template.tolerations.is_empty()).then_some(template.tolerations),
        priority_class_name: template.priority_class_name,
        image_pull_secrets: some_list(
            settings.pull_secrets().map(|name| LocalObjectReference { name: name.clone() }).collect(),
        ),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            fs_group_change_policy: Some("OnRootMismatch".into()),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn container(names: &Names, group: &Group, settings: &Settings, template: &PodTemplate) -> Container {
    let port = |name: &str, port: u16| ContainerPort {
        name: Some(name.into()),
        container_port: port.into(),
        protocol: Some("TCP".into()),
        ..Default::default()
    };
    Container {
        name: "shard-server".into(),
        image: Some(settings.shard_server_image.clone()),
        image_pull_policy: Some(settings.image_pull_policy.clone()),
        args: Some(vec![
            "serve".into(),
            format!("--listen=0.0.0.0:{GROUP_PORT}"),
            format!("--admin-listen=0.0.0.0:{ADMIN_PORT}"),
            "--data-dir=/data".into(),
            format!("--stream-uid={}", names.uid),
            format!("--group={}", group.name),
        ]),
        ports: Some(vec![port("group", GROUP_PORT), port("admin", ADMIN_PORT)]),
        resources: Some(resources(template)),
        volume_mounts: Some(vec![VolumeMount {
            name: VOLUME.into(),
            mount_path: "/data".into(),
            ..Default::default()
        }]),
        startup_probe: Some(Probe { failure_threshold: Some(START_SECONDS), ..probe("/healthz", 1) }),
        liveness_probe: Some(Probe { failure_threshold: Some(15), ..probe("/healthz", 2) }),
        readiness_probe: Some(Probe { failure_threshold: Some(2), ..probe("/readyz", 1) }),
        // The last error of a pod that keeps ending is repeated in the stream's Ready condition.
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            run_as_non_root: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn probe(path: &str, period_seconds: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::String("admin".into()),
            ..Default::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(2),
        ..Default::default()
    }
}

/// What the spec has, and requests where it has none: enough for a quiet stream, so that many of them fit a node.
fn resources(template: &PodTemplate) -> ResourceRequirements {
    let given = template.resources.clone().unwrap_or_default();
    let mut requests = given.requests;
    for (resource, quantity) in [("cpu", "50m"), ("memory", "96Mi")] {
        // A limit alone is the request too, as the API server would have it.
        if !given.limits.contains_key(resource) {
            requests.entry(resource.into()).or_insert_with(|| Quantity(quantity.into()));
        }
    }
    ResourceRequirements { requests: some_map(requests), limits: some_map(given.limits), claims: None }
}

fn of_stream(names: &Names) -> LabelSelector {
    LabelSelector {
        match_labels: Some([(STREAM_UID_LABEL.to_owned(), names.uid.clone())].into()),
        match_expressions: None,
    }
}

fn apart_from_the_stream(names: &Names) -> Affinity {
    let term = PodAffinityTerm {
        label_selector: Some(of_stream(names)),
        topology_key: HOST.into(),
        ..Default::default()
    };
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![WeightedPodAffinityTerm {
                weight: 100,
                pod_affinity_term: term,
            }]),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn over_hosts(names: &Names) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: HOST.into(),
        when_unsatisfiable: "ScheduleAnyway".into(),
        label_selector: Some(of_stream(names)),
        ..Default::default()
    }
}

fn claim(labels: &BTreeMap<String, String>, resolved: &Resolved) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(VOLUME.into()),
            // By these labels the volumes are found when the stream is deleted.
            labels: Some(labels.clone()),
            ..Default::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".into()]),
            storage_class_name: resolved.storage_class_name.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), Quantity(resolved.storage_size.clone()))].into()),
                limits: None,
            }),
            ..Default::default()
        }),
        status: None,
    }
}

fn some_map<V>(map: BTreeMap<String, V>) -> Option<BTreeMap<String, V>> {
    (!map.is_empty()).then_some(map)
}

fn some_list<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
