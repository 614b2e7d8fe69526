//! The rules of a DataStream, as a function and as CEL, against one table of cases.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use catalog::resource::{DataStream, Violation, crds};
use kube::core::cel::Validator;
use serde::Deserialize;
use serde_json::{Value, json};

const CASES: &str = include_str!("manifest_cases.yaml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    manifest: Value,
    update: Option<Value>,
    refused: Option<String>,
}

impl Case {
    /// The object to check, and the object before the change.
    fn objects(&self) -> (Value, Option<Value>) {
        let mut first = self.manifest.clone();
        first["apiVersion"] = json!("kinetes.dev/v1alpha1");
        first["kind"] = json!("DataStream");
        if first["metadata"].is_null() {
            first["metadata"] = json!({"name": "case"});
        }
        let Some(update) = &self.update else { return (first, None) };
        let mut second = first.clone();
        second["spec"] = update["spec"].clone();
        (second, Some(first))
    }

    /// Fails unless the messages are those that the case expects.
    fn check(&self, messages: &[String]) {
        match &self.refused {
            None => assert!(messages.is_empty(), "{}: refused: {messages:?}", self.name),
            Some(part) => {
                let is_reported = messages.iter().any(|message| message.contains(part));
                assert!(is_reported, "{}: {part:?} is not reported: {messages:?}", self.name);
            }
        }
    }
}

fn cases() -> Vec<Case> {
    serde_yaml::from_str(CASES).unwrap()
}

fn stream(object: Value) -> DataStream {
    serde_json::from_value(object).unwrap()
}

#[test]
fn validate_agrees_with_the_table() {
    for case in cases() {
        let (object, old) = case.objects();
        let object = stream(object);
        let verdict = match old.map(stream) {
            None => object.validate(),
            Some(old) => object.validate_update(&old),
        };
        let messages: Vec<_> = verdict.err().unwrap_or_default().iter().map(Violation::to_string).collect();
        case.check(&messages);
    }
}

#[test]
fn cel_agrees_with_the_table() {
    let schema = stream_schema();
    for case in cases() {
        let (object, old) = case.objects();
        let verdict = Validator::new().validate(&schema, &object, old.as_ref());
        let errors = verdict.err().map(|errors| errors.into_vec()).unwrap_or_default();
        let messages: Vec<_> = errors.iter().map(ToString::to_string).collect();
        case.check(&messages);
    }
}

#[test]
fn old_value_of_a_field_that_the_spec_leaves_out_comes_from_the_status() {
    let resolved = json!({
        "name": "case", "streamMode": "PROVISIONED", "shardCount": 8, "retentionPeriodHours": 24,
        "maxRecordSizeKiB": 1024, "replicas": 1, "shardsPerGroup": 16, "storageSize": "20Gi",
        "storageClassName": "fast", "deletionPolicy": "Retain",
    });
    let object = |spec: Value| {
        json!({
            "apiVersion": "kinetes.dev/v1alpha1", "kind": "DataStream", "metadata": {"name": "case"},
            "spec": spec, "status": {"resolved": resolved},
        })
    };
    let schema = stream_schema();
    let old = object(json!({}));
    for (spec, accepted) in [
        (
            json!({"shardCount": 8, "shardsPerGroup": 16, "storage": {"size": "20Gi", "storageClassName": "fast"}}),
            true,
        ),
        (json!({"shardCount": 4}), false),
        (json!({"shardsPerGroup": 4}), false),
        (json!({"storage": {"size": "10Gi"}}), false),
        (json!({"storage": {"storageClassName": "slow"}}), false),
    ] {
        let new = object(spec.clone());
        let cel = Validator::new().validate(&schema, &new, Some(&old));
        assert_eq!(cel.is_ok(), accepted, "CEL: {spec}: {cel:?}");
        let function = stream(new).validate_update(&stream(old.clone()));
        assert_eq!(function.is_ok(), accepted, "function: {spec}: {function:?}");
    }
}

/// The schema of a DataStream, adapted to the offline evaluator: there an optional oldSelf is null or the value, and in
/// the API server it is a CEL optional.
fn stream_schema() -> Value {
    let crd = serde_json::to_value(&crds()[0]).unwrap();
    let mut schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    for rule in schema["x-kubernetes-validations"].as_array_mut().unwrap() {
        let text = rule["rule"].as_str().unwrap();
        let text =
            text.replace("oldSelf.hasValue()", "oldSelf != null").replace("oldSelf.value()", "oldSelf");
        rule["rule"] = json!(text);
    }
    schema
}
