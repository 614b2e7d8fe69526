//! Who owns a field of a spec. Pure.
//!
//! `metadata.managedFields` says who set which field. A field that somebody else set is his: a call that would set or
//! remove it is refused, and names him. A field that no manifest sets follows the API. What `kubectl scale` wrote does not
//! count: it is no manifest.

use std::collections::BTreeSet;

use catalog::control::{Refusal, RefusalCode};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use crate::names::API_FIELD_MANAGER;

/// A field of a spec, and what a call makes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// The names of the fields that lead to it, without `spec`.
    path: Vec<String>,
    /// Its value; null: removed.
    value: Value,
}

impl FieldChange {
    /// Sets a field; null removes it.
    pub fn new(path: &[&str], value: impl Into<Value>) -> Self {
        Self { path: path.iter().map(|name| (*name).to_owned()).collect(), value: value.into() }
    }

    /// `spec.tags.team`.
    fn name(&self) -> String {
        format!("spec.{}", self.path.join("."))
    }

    fn is_in(&self, fields: &Value) -> bool {
        let mut found = fields.get("f:spec");
        for name in &self.path {
            found = found.and_then(|fields| fields.get(format!("f:{name}")));
        }
        found.is_some()
    }
}

/// Checks that nobody but the API set what some changes of an object would set or remove. `subject` begins the message:
/// `Stream orders under account 000000000000`.
///
/// # Errors
/// The first one that somebody else set.
pub fn check<K>(object: &K, changes: &[FieldChange], subject: &str) -> Result<(), Refusal>
where
    K: Resource<DynamicType = ()>,
{
    let others: Vec<_> =
        own_entries(object).filter(|entry| entry.manager.as_deref() != Some(API_FIELD_MANAGER)).collect();
    for change in changes {
        let sets = |entry: &&&ManagedFieldsEntry| {
            entry.fields_v1.as_ref().is_some_and(|fields| change.is_in(&fields.0))
        };
        if let Some(owner) = others.iter().find(sets) {
            let message = format!(
                "{subject} is managed in Kubernetes by {}, which sets {} of {} {}/{}: change it there.",
                owner.manager.as_deref().unwrap_or("a manager without a name"),
                change.name(),
                K::kind(&()),
                object.namespace().unwrap_or_default(),
                object.name_any(),
            );
            return Err(Refusal::new(RefusalCode::ResourceInUse, message));
        }
    }
    Ok(())
}

/// The patch that makes these changes of an object, unless somebody wrote it since it was read. Nothing else of it
/// changes.
pub fn merge_patch<K: ResourceExt>(object: &K, changes: &[FieldChange]) -> Value {
    let mut patch = json!({"metadata": {"resourceVersion": object.resource_version()}});
    for change in changes {
        let mut place = &mut patch["spec"];
        for name in &change.path {
            place = &mut place[name.as_str()];
        }
        *place = change.value.clone();
    }
    patch
}

/// The managers that set something of an object's spec.
pub fn spec_managers<K: ResourceExt>(object: &K) -> BTreeSet<String> {
    let sets_spec = |entry: &&ManagedFieldsEntry| {
        entry.fields_v1.as_ref().is_some_and(|fields| fields.0.get("f:spec").is_some())
    };
    own_entries(object).filter(sets_spec).filter_map(|entry| entry.manager.clone()).collect()
}

/// What managers set of an object itself, and not by way of a subresource.
fn own_entries<K: ResourceExt>(object: &K) -> impl Iterator<Item = &ManagedFieldsEntry> {
    let entries = object.managed_fields().iter();
    entries.filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty())
}

#[cfg(test)]
mod tests {
    use catalog::resource::DataStream;

    use super::*;

    fn managed(entries: Value) -> DataStream {
        let metadata = json!({
            "name": "orders", "namespace": "shop", "resourceVersion": "7", "managedFields": entries,
        });
        let object = json!({
            "apiVersion": "kinetes.dev/v1alpha1", "kind": "DataStream", "metadata": metadata, "spec": {},
        });
        serde_json::from_value(object).unwrap()
    }

    /// By kubectl's apply, an Argo CD of old, a Flux, and the API.
    fn stream() -> DataStream {
        let entry = |manager: &str, operation: &str, fields: Value| {
            json!({
                "manager": manager, "operation": operation, "apiVersion": "kinetes.dev/v1alpha1",
                "fieldsType": "FieldsV1", "fieldsV1": fields,
            })
        };
        let mut scale = entry("kubectl", "Update", json!({"f:spec": {"f:shardCount": {}}}));
        scale["subresource"] = json!("scale");
        managed(json!([
            entry("kubectl", "Apply", json!({"f:spec": {"f:retentionPeriodHours": {}}})),
            entry("argocd-controller", "Update", json!({"f:spec": {"f:tags": {".": {}, "f:team": {}}}})),
            entry("flux", "Apply", json!({"f:spec": {"f:streamModeDetails": {"f:streamMode": {}}}})),
            entry(
                "kinetes-api",
                "Update",
                json!({"f:spec": {"f:maxRecordSizeKiB": {}, "f:tags": {"f:by": {}}}})
            ),
            scale,
        ]))
    }

    fn refusal(change: FieldChange) -> Option<String> {
        let refusal = check(&stream(), &[change], "Stream orders under account 000000000000").err()?;
        assert_eq!(refusal.code, RefusalCode::ResourceInUse);
        Some(refusal.message)
    }

    #[test]
    fn field_of_a_manager_is_his_to_set_and_to_remove_and_he_is_named() {
        let expected = "Stream orders under account 000000000000 is managed in Kubernetes by kubectl, which sets \
                        spec.retentionPeriodHours of DataStream shop/orders: change it there.";
        assert_eq!(refusal(FieldChange::new(&["retentionPeriodHours"], 48)).as_deref(), Some(expected));
        let tag = refusal(FieldChange::new(&["tags", "team"], Value::Null)).unwrap();
        assert!(tag.contains("by argocd-controller, which sets spec.tags.team of"), "{tag}");
        let mode = refusal(FieldChange::new(&["streamModeDetails", "streamMode"], "ON_DEMAND")).unwrap();
        assert!(mode.contains("by flux, which sets spec.streamModeDetails.streamMode of"), "{mode}");
    }

    #[test]
    fn field_that_no_manifest_sets_follows_the_api() {
        for (path, value) in [
            (&["maxRecordSizeKiB"][..], json!(2048)),
            (&["tags", "by"][..], json!("api")),
            (&["tags", "cost"][..], json!("42")),
            (&["shardLevelMetrics"][..], json!(["IncomingBytes"])),
            (&["shardCount"][..], json!(8)),
        ] {
            assert_eq!(refusal(FieldChange::new(path, value)), None, "{path:?}");
        }
    }

    #[test]
    fn patch_has_the_changes_and_the_version_that_was_judged_and_nothing_else() {
        let changes = [
            FieldChange::new(&["tags", "a.b/c"], "1"),
            FieldChange::new(&["tags", "old"], Value::Null),
            FieldChange::new(&["retentionPeriodHours"], 48),
        ];
        let expected = json!({
            "metadata": {"resourceVersion": "7"},
            "spec": {"tags": {"a.b/c": "1", "old": null}, "retentionPeriodHours": 48},
        });
        assert_eq!(merge_patch(&stream(), &changes), expected);
    }

    #[test]
    fn managers_of_a_spec_are_those_that_set_something_of_it_themselves() {
        let managers: Vec<_> = spec_managers(&stream()).into_iter().collect();
        assert_eq!(managers, ["argocd-controller", "flux", "kinetes-api", "kubectl"]);
        let status = json!([{"manager": "kinetes-operator", "fieldsV1": {"f:metadata": {}}}]);
        assert!(spec_managers(&managed(status)).is_empty());
    }
}
