//! Whether an object has to be applied. Pure.
//!
//! What an admission policy changes in our objects (a registry in an image's name, say) would differ from what we want
//! for ever. So what the API server answered to the last apply is remembered: an object that still is as that answer is
//! left alone. Where nothing is remembered, the object itself is compared.

use std::fmt::Write;

use kube::Resource;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::controller::memory::{Applied, ObjectKey};

/// Carries a hash of what was applied last. By it a field that we no longer want is seen, which a comparison with
/// the object itself cannot show.
const APPLIED_ANNOTATION: &str = "kinetes.dev/applied";

/// The kind of a stream's Service.
pub const SERVICE: &str = "Service";
/// The kind of a stream's shards.
pub const SHARD: &str = "Shard";
/// The kind of a stream's groups.
pub const STATEFUL_SET: &str = "StatefulSet";

/// An object as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Its kind and name.
    pub key: ObjectKey,
    /// The object.
    pub object: Value,
    hash: String,
}

impl Desired {
    /// An object of a kind.
    pub fn of<K: Resource<DynamicType = ()> + Serialize>(kind: &'static str, name: &str, object: &K) -> Self {
        let mut object = to_value(object);
        let hash = hash(&without_claim_templates(&object));
        object["metadata"]["annotations"][APPLIED_ANNOTATION] = json!(hash);
        Self { key: (kind, name.to_owned()), object, hash }
    }

    /// Whether it has to be applied, given the object that there is and what the last apply was answered.
    pub fn differs<K: Serialize>(&self, actual: Option<&K>, remembered: Option<&Applied>) -> bool {
        let Some(actual) = actual.map(to_value) else { return true };
        let as_answered = remembered.is_some_and(|last| {
            last.desired == self.hash && last.answer == hash(&project(&self.object, &actual))
        });
        !as_answered && differs(&self.object, &actual)
    }

    /// What to remember of the API server's answer.
    pub fn answered<K: Serialize>(&self, answer: &K) -> Applied {
        let answer = hash(&project(&self.object, &to_value(answer)));
        Applied { desired: self.hash.clone(), answer }
    }
}

fn to_value<K: Serialize>(object: &K) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

fn hash(value: &Value) -> String {
    let digest = Sha256::digest(value.to_string().as_bytes());
    digest.iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An object without what cannot change any more.
fn without_claim_templates(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("volumeClaimTemplates");
    }
    object
}

/// What an object has in the places that we have an opinion about.
fn project(desired: &Value, actual: &Value) -> Value {
    match (desired, actual) {
        (Value::Object(desired), Value::Object(actual)) => desired
            .iter()
            .filter(|(key, _)| *key != "volumeClaimTemplates")
            .map(|(key, desired)| (key.clone(), project(desired, actual.get(key).unwrap_or(&Value::Null))))
            .collect(),
        (Value::Array(desired), Value::Array(actual)) if desired.len() == actual.len() => {
            desired.iter().zip(actual).map(|(desired, actual)| project(desired, actual)).collect()
        }
        _ => actual.clone(),
    }
}

/// Whether an object lacks something of what it should be. What it has besides (defaults of the API server,
/// fields of others) is not ours to judge.
fn differs(desired: &Value, actual: &Value) -> bool {
    match (desired, actual) {
        (Value::Object(desired), Value::Object(actual)) => desired.iter().any(|(key, desired)| {
            let quantities = key == "requests" || key == "limits";
            match actual.get(key) {
                // A claim template is what it was at creation.
                _ if key == "volumeClaimTemplates" => false,
                Some(actual) if quantities => quantities_differ(desired, actual),
                Some(actual) => differs(desired, actual),
                None => !desired.is_null(),
            }
        }),
        (Value::Array(desired), Value::Array(actual)) => {
            desired.len() != actual.len()
                || desired.iter().zip(actual).any(|(desired, actual)| differs(desired, actual))
        }
        (desired, actual) => desired != actual,
    }
}

/// The API server writes quantities its own way: `0.5` is `500m` there.
fn quantities_differ(desired: &Value, actual: &Value) -> bool {
    let (Value::Object(desired), Value::Object(actual)) = (desired, actual) else { return desired != actual };
    desired.iter().any(|(resource, desired)| {
        let Some(actual) = actual.get(resource) else { return true };
        desired != actual && nanos(desired).is_none_or(|desired| Some(desired) != nanos(actual))
    })
}

fn nanos(quantity: &Value) -> Option<i128> {
    catalog::resource::quantity_nanos(quantity.as_str()?)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Service;

    use super::*;

    fn service(port: i32, cluster_ip: &str) -> Service {
        let spec = json!({"clusterIP": cluster_ip, "ports": [{"port": port}]});
        serde_json::from_value(json!({"metadata": {"name": "orders"}, "spec": spec})).unwrap()
    }

    #[test]
    fn what_a_policy_makes_of_an_object_is_applied_once() {
        let desired = Desired::of(SERVICE, "orders", &service(7400, "None"));
        let mutated: Service = {
            let mut object = desired.object.clone();
            object["spec"]["clusterIP"] = json!("10.0.0.1");
            serde_json::from_value(object).unwrap()
        };
        assert!(desired.differs(Some(&mutated), None), "nothing is remembered: it is tried");
        let answer = desired.answered(&mutated);
        assert!(!desired.differs(Some(&mutated), Some(&answer)), "it is as the API server answered");
        assert!(desired.differs(Some(&service(7401, "10.0.0.1")), Some(&answer)), "somebody changed it");
        assert!(desired.differs(None::<&Service>, Some(&answer)), "somebody deleted it");
        let other = Desired::of(SERVICE, "orders", &service(7402, "None"));
        assert!(other.differs(Some(&mutated), Some(&answer)), "something else is wanted");
    }

    #[test]
    fn defaults_of_the_api_server_are_no_difference() {
        let desired = json!({"spec": {"ports": [{"port": 7400}], "selector": {"a": "b"}}});
        let actual = json!({"spec": {"ports": [{"port": 7400, "protocol": "TCP"}], "selector": {"a": "b"}, "type": "ClusterIP"}});
        assert!(!differs(&desired, &actual));
    }

    #[test]
    fn a_changed_value_a_missing_field_and_a_longer_list_are_differences() {
        let desired = json!({"spec": {"ports": [{"port": 7400}], "selector": {"a": "b"}}});
        for actual in [
            json!({"spec": {"ports": [{"port": 7401}], "selector": {"a": "b"}}}),
            json!({"spec": {"ports": [{"port": 7400}]}}),
            json!({"spec": {"ports": [{"port": 7400}, {"port": 1}], "selector": {"a": "b"}}}),
        ] {
            assert!(differs(&desired, &actual), "{actual}");
        }
    }

    #[test]
    fn a_quantity_in_another_spelling_is_no_difference() {
        let desired = json!({"resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}}});
        let actual = json!({"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}});
        assert!(!differs(&desired, &actual));
        let actual = json!({"resources": {"requests": {"cpu": "600m", "memory": "1Gi"}}});
        assert!(differs(&desired, &actual));
    }
}
