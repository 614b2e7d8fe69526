//! YAML in, objects out: what the operator makes of the example stream, against what is checked in.
//!
//! `UPDATE_OBJECTS=1 cargo test -p operator --test scripted` writes the files anew; read the difference.

use std::path::Path;

use crate::support::{orders, settings};
use catalog::map::Genesis;
use catalog::resource::{DataStream, Resolved};
use operator::names::Names;
use operator::objects;
use serde::Serialize;
use serde_json::{Value, json};

/// The Service, the first group's StatefulSet and the last shard, as YAML.
fn objects(stream: Value) -> String {
    let stream: DataStream = serde_json::from_value(stream).unwrap();
    let (names, settings) = (Names::of(&stream), settings());
    let resolved = stream.resolve(&settings.defaults());
    let groups = objects::groups(&names, &genesis(&stream, &resolved).shards(), &[]);
    let last = groups.last().unwrap();
    [
        yaml(&objects::service(&stream, &names)),
        yaml(&objects::stateful_set(&stream, &names, &resolved, &groups[0], &settings, None)),
        yaml(&objects::shard(&stream, &names, &last.name, last.shards.last().unwrap())),
    ]
    .join("---\n")
}

/// How the operator begins the stream.
fn genesis(stream: &DataStream, resolved: &Resolved) -> Genesis {
    let created = stream.metadata.creation_timestamp.as_ref().unwrap().0.as_second();
    Genesis::new(
        resolved.shard_count.unsigned_abs(),
        resolved.shards_per_group.unsigned_abs(),
        created.unsigned_abs(),
    )
}

fn yaml(object: &impl Serialize) -> String {
    serde_yaml::to_string(object).unwrap()
}

fn compare(objects: &str, file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripted/expected").join(file);
    if std::env::var_os("UPDATE_OBJECTS").is_some() {
        std::fs::write(&path, objects).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap();
    assert_eq!(objects, checked_in, "{} differs", path.display());
}

#[test]
fn the_example_becomes_these_objects() {
    compare(&objects(orders()), "orders.yaml");
}

#[test]
fn a_pod_template_and_a_storage_class_go_where_they_belong() {
    let mut stream = orders();
    stream["spec"]["storage"]["storageClassName"] = json!("fast");
    stream["spec"]["podTemplate"] = json!({
        "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "1Gi"}},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [{
            "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule",
        }],
        "priorityClassName": "high",
        "labels": {"team": "payments", "app.kubernetes.io/name": "mine"},
        "annotations": {"example.com/scrape": "true"},
    });
    compare(&objects(stream), "orders-with-a-pod-template.yaml");
}

#[test]
fn the_claims_of_a_set_that_exists_stay_as_they_are() {
    let mut stream = orders();
    let stream_before: DataStream = serde_json::from_value(stream.clone()).unwrap();
    stream["spec"]["storage"]["size"] = json!("5Gi");
    let stream: DataStream = serde_json::from_value(stream).unwrap();
    let (names, settings) = (Names::of(&stream), settings());
    let built = |stream: &DataStream, live| {
        let resolved = stream.resolve(&settings.defaults());
        let groups = objects::groups(&names, &genesis(stream, &resolved).shards(), &[]);
        objects::stateful_set(stream, &names, &resolved, &groups[0], &settings, live)
    };
    let live = built(&stream_before, None);
    assert_eq!(built(&stream, Some(&live)), live);
}
