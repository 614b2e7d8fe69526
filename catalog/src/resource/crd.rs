//! The CRDs, as they are installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::{DataStream, Shard, StreamConsumer};

/// All CRDs of Kinetes, complete: what `kubectl apply` or a chart installs.
///
/// # Panics
/// Never: the definitions are constants of the program, and tests build them.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    // kstatus considers a stream without a status ready. The default says that no operator has seen it yet.
    let stream = complete(DataStream::crd(), Some(json!({"observedGeneration": -1})));
    let shard = complete(Shard::crd(), Some(json!({"state": "Pending"})));
    // A consumer has no status: it is registered while it and its stream exist.
    vec![stream, shard, complete(StreamConsumer::crd(), None)]
}

/// Adds what the derive macro cannot express.
fn complete(crd: CustomResourceDefinition, status_default: Option<Value>) -> CustomResourceDefinition {
    let mut crd = serde_json::to_value(crd).unwrap_or_default();
    // Neither an uninstalled release nor a pruning Argo CD may delete the CRDs, and every stream with them.
    crd["metadata"]["annotations"] = json!({
        "helm.sh/resource-policy": "keep",
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false,ServerSideApply=true",
    });
    let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    // Null means absent: the API server drops it, so that no rule has to handle it.
    remove_nullable(schema);
    if let Some(default) = status_default {
        schema["properties"]["status"]["default"] = default;
    }
    // A rule's fieldPath can only name a field of the schema.
    schema["properties"]["metadata"] =
        json!({"type": "object", "properties": {"name": {"type": "string", "maxLength": 253}}});
    serde_json::from_value(crd).expect("a CRD with more fields is a CRD")
}

fn remove_nullable(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("nullable").is_some_and(Value::is_boolean) {
                fields.remove("nullable");
            }
            fields.values_mut().for_each(remove_nullable);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_nullable),
        _ => {}
    }
}
