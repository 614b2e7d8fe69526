//! `StreamConsumer`: a consumer that is registered with a stream (enhanced fan-out).

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::DataStream;
use crate::control::Consumer;

/// A consumer, as its user wants it. It is registered while it and its stream exist.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "kinetes.dev",
    version = "v1alpha1",
    kind = "StreamConsumer",
    namespaced,
    doc = "A consumer that is registered with a DataStream, for enhanced fan-out.",
    derive = "Default",
    derive = "PartialEq",
    category = "kinetes",
    printcolumn(name = "Stream", type_ = "string", json_path = ".spec.stream"),
    printcolumn(name = "Consumer", type_ = "string", json_path = ".spec.name"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.spec.stream == oldSelf.spec.stream")
        .message("stream cannot change: make a new StreamConsumer"),
    validation = Rule::new(
        "(has(self.spec.name) ? self.spec.name : self.metadata.name) == \
         (has(oldSelf.spec.name) ? oldSelf.spec.name : oldSelf.metadata.name)"
    )
    .message("name cannot change: make a new StreamConsumer"),
    validation = Rule::new(
        "(has(self.spec.name) ? self.spec.name : self.metadata.name).matches('^[a-zA-Z0-9_.-]{1,128}$')"
    )
    .message("name must have 1 to 128 characters out of a-z A-Z 0-9 _ . -"),
    validation = Rule::new("!has(self.spec.tags) || self.spec.tags.size() <= 50")
        .message("a consumer has at most 50 tags: remove some"),
    validation = Rule::new(
        "!has(self.spec.tags) || self.spec.tags.all(key, key.size() >= 1 && key.size() <= 128 && \
         !key.startsWith('aws:') && self.spec.tags[key].size() <= 256)"
    )
    .message("a tag's key must have 1 to 128 characters and not begin with aws:, and its value at most 256")
)]
#[serde(rename_all = "camelCase")]
pub struct StreamConsumerSpec {
    /// The name of the DataStream, in the namespace of this object; cannot change.
    #[schemars(length(max = 253))]
    pub stream: String,
    /// The consumer's name in the Kinesis API, unique in its stream; cannot change. Absent: metadata.name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub name: Option<String>,
    /// The consumer's tags in the Kinesis API: at most 50.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 200))]
    pub tags: BTreeMap<String, String>,
}

impl StreamConsumer {
    /// The consumer's name in the Kinesis API: `spec.name`, or else `metadata.name`.
    #[must_use]
    pub fn consumer_name(&self) -> &str {
        self.spec.name.as_deref().or(self.metadata.name.as_deref()).unwrap_or_default()
    }

    /// Whether it is registered with a stream. What was owned by an earlier stream of the same name is not.
    #[must_use]
    pub fn is_of(&self, stream: &DataStream) -> bool {
        let owners = self.metadata.owner_references.iter().flatten();
        self.metadata.namespace == stream.metadata.namespace
            && Some(&self.spec.stream) == stream.metadata.name.as_ref()
            && owners
                .filter(|owner| owner.kind == "DataStream")
                .all(|owner| Some(&owner.uid) == stream.metadata.uid.as_ref())
    }

    /// The consumer of the domain.
    #[must_use]
    pub fn to_domain(&self) -> Consumer {
        let created_ms = self.metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_millisecond());
        Consumer { name: self.consumer_name().into(), created_ms }
    }

    /// The registered consumers among those of a stream, by name. Of several under one name the oldest has it.
    #[must_use]
    pub fn registered(consumers: Vec<Self>) -> BTreeMap<String, Self> {
        let mut registered = BTreeMap::<String, Self>::new();
        for consumer in consumers {
            let holder = registered.get(consumer.consumer_name());
            if holder.is_none_or(|holder| consumer.seniority() < holder.seniority()) {
                registered.insert(consumer.consumer_name().to_owned(), consumer);
            }
        }
        registered
    }

    fn seniority(&self) -> (i64, Option<&str>) {
        (self.to_domain().created_ms, self.metadata.uid.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
    use kube::core::cel::Validator;
    use serde_json::{Value, json};

    use super::*;

    fn consumer(object: &str, name: Option<&str>, created: &str) -> StreamConsumer {
        let spec = json!({"stream": "orders", "name": name});
        let metadata =
            json!({"name": object, "namespace": "shop", "uid": object, "creationTimestamp": created});
        serde_json::from_value(json!({
            "apiVersion": "kinetes.dev/v1alpha1", "kind": "StreamConsumer", "metadata": metadata, "spec": spec,
        }))
        .unwrap()
    }

    #[test]
    fn consumer_is_of_the_stream_that_it_names_and_not_of_a_later_one_if_it_was_owned() {
        let mut stream = DataStream::default();
        stream.metadata.name = Some("orders".into());
        stream.metadata.namespace = Some("shop".into());
        stream.metadata.uid = Some("new".into());
        let mut fan = consumer("fan", None, "2026-11-23T10:00:00Z");
        assert!(fan.is_of(&stream));
        let owner =
            |uid: &str| OwnerReference { kind: "DataStream".into(), uid: uid.into(), ..Default::default() };
        fan.metadata.owner_references = Some(vec![owner("new")]);
        assert!(fan.is_of(&stream));
        fan.metadata.owner_references = Some(vec![owner("old")]);
        assert!(!fan.is_of(&stream));
        stream.metadata.name = Some("bills".into());
        assert!(!consumer("fan", None, "2026-11-23T10:00:00Z").is_of(&stream));
    }

    #[test]
    fn oldest_of_several_has_the_name() {
        let consumers = vec![
            consumer("b", Some("Fan"), "2026-11-23T10:00:02Z"),
            consumer("a", Some("Fan"), "2026-11-23T10:00:01Z"),
            consumer("c", None, "2026-11-23T10:00:03Z"),
        ];
        let registered = StreamConsumer::registered(consumers);
        let names: Vec<_> = registered
            .iter()
            .map(|(name, object)| (name.as_str(), object.metadata.name.as_deref().unwrap()))
            .collect();
        assert_eq!(names, [("Fan", "a"), ("c", "c")]);
        assert_eq!(registered["Fan"].to_domain().created_seconds(), 1_795_428_001);
    }

    #[test]
    fn rules_of_the_crd_are_those_of_the_api() {
        let crd = serde_json::to_value(&super::super::crds()[2]).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let object = |spec: Value| json!({"metadata": {"name": "fan"}, "spec": spec});
        let old = object(json!({"stream": "orders"}));
        for (spec, refused) in [
            (json!({"stream": "orders", "tags": {"team": "payments"}}), None),
            (json!({"stream": "orders", "name": "fan"}), None),
            (json!({"stream": "bills"}), Some("stream cannot change")),
            (json!({"stream": "orders", "name": "other"}), Some("name cannot change")),
            (json!({"stream": "orders", "name": "a b"}), Some("name must have 1 to 128 characters")),
            (json!({"stream": "orders", "tags": {"aws:a": ""}}), Some("not begin with aws:")),
        ] {
            let verdict = Validator::new().validate(schema, &object(spec.clone()), Some(&old));
            let errors = verdict.err().map(|errors| errors.into_vec()).unwrap_or_default();
            let messages: Vec<_> = errors.iter().map(ToString::to_string).collect();
            match refused {
                None => assert!(messages.is_empty(), "{spec}: {messages:?}"),
                Some(part) => {
                    assert!(messages.iter().any(|message| message.contains(part)), "{spec}: {messages:?}")
                }
            }
        }
    }
}
