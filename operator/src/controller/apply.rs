//! Applies what differs, and nothing else.

use std::fmt::Debug;
use std::fmt::Write;

use k8s_openapi::NamespaceResourceScope;
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::error::Error;
use super::patch;

/// Carries a hash of what was applied last. By it a field that we no longer want is seen, which a comparison with
/// the live object cannot show.
const APPLIED_ANNOTATION: &str = "kinetes.dev/applied";

/// Makes the object what it should be, if it is not; says whether it wrote.
pub async fn apply<K>(
    client: &Client,
    namespace: &str,
    name: &str,
    desired: &K,
    live: Option<&K>,
) -> Result<bool, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    let mut desired = to_value(desired);
    let hash = hash(&desired);
    desired["metadata"]["annotations"][APPLIED_ANNOTATION] = json!(hash);
    if live.is_some_and(|live| !differs(&desired, &to_value(live))) {
        return Ok(false);
    }
    patch::apply::<K>(client, namespace, name, &desired).await.map_err(Error::api("apply an object"))?;
    tracing::info!(kind = %K::kind(&()), namespace, name, "applied");
    Ok(true)
}

fn to_value<K: Serialize>(object: &K) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

/// A hash of an object without what cannot change any more.
fn hash(object: &Value) -> String {
    let mut object = object.clone();
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("volumeClaimTemplates");
    }
    let digest = Sha256::digest(object.to_string().as_bytes());
    digest.iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether a live object lacks something of what it should be. What it has besides (defaults of the API server,
/// fields of others) is not ours to judge.
fn differs(desired: &Value, live: &Value) -> bool {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => desired.iter().any(|(key, desired)| {
            let quantities = key == "requests" || key == "limits";
            match live.get(key) {
                // A claim template is what it was at creation.
                _ if key == "volumeClaimTemplates" => false,
                Some(live) if quantities => quantities_differ(desired, live),
                Some(live) => differs(desired, live),
                None => !desired.is_null(),
            }
        }),
        (Value::Array(desired), Value::Array(live)) => {
            desired.len() != live.len()
                || desired.iter().zip(live).any(|(desired, live)| differs(desired, live))
        }
        (desired, live) => desired != live,
    }
}

/// The API server writes quantities its own way: `0.5` is `500m` there.
fn quantities_differ(desired: &Value, live: &Value) -> bool {
    let (Value::Object(desired), Value::Object(live)) = (desired, live) else { return desired != live };
    desired.iter().any(|(resource, desired)| {
        let Some(live) = live.get(resource) else { return true };
        desired != live && nanos(desired).is_none_or(|desired| Some(desired) != nanos(live))
    })
}

fn nanos(quantity: &Value) -> Option<i128> {
    catalog::resource::quantity_nanos(quantity.as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_of_the_api_server_are_no_difference() {
        let desired = json!({"spec": {"ports": [{"port": 7400}], "selector": {"a": "b"}}});
        let live = json!({"spec": {"ports": [{"port": 7400, "protocol": "TCP"}], "selector": {"a": "b"}, "type": "ClusterIP"}});
        assert!(!differs(&desired, &live));
    }

    #[test]
    fn a_changed_value_a_missing_field_and_a_longer_list_are_differences() {
        let desired = json!({"spec": {"ports": [{"port": 7400}], "selector": {"a": "b"}}});
        for live in [
            json!({"spec": {"ports": [{"port": 7401}], "selector": {"a": "b"}}}),
            json!({"spec": {"ports": [{"port": 7400}]}}),
            json!({"spec": {"ports": [{"port": 7400}, {"port": 1}], "selector": {"a": "b"}}}),
        ] {
            assert!(differs(&desired, &live), "{live}");
        }
    }

    #[test]
    fn a_quantity_in_another_spelling_is_no_difference() {
        let desired = json!({"resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}}});
        let live = json!({"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}});
        assert!(!differs(&desired, &live));
        let live = json!({"resources": {"requests": {"cpu": "600m", "memory": "1Gi"}}});
        assert!(differs(&desired, &live));
    }
}
