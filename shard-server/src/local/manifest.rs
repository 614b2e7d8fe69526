//! Manifests as files: YAML with any number of documents, each a DataStream.

use std::path::Path;

use anyhow::{Context as _, bail};
use catalog::resource::DataStream;
use serde::Deserialize as _;
use serde_yaml::Value;

const API_VERSION: &str = "kinetes.dev/v1alpha1";
const KIND: &str = "DataStream";

/// A manifest and its source, for errors.
#[derive(Debug)]
pub struct Manifest {
    /// `FILE, document 2 (DataStream orders)`.
    pub source: String,
    /// Its content.
    pub stream: DataStream,
}

/// Reads a file.
///
/// # Errors
/// If it cannot be read, or a document is no DataStream; the text names file and document.
pub fn read(path: &Path) -> anyhow::Result<Vec<Manifest>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("read the manifest {}", path.display()))?;
    parse(&text, &path.display().to_string())
}

fn parse(text: &str, file: &str) -> anyhow::Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    for (document, index) in serde_yaml::Deserializer::from_str(text).zip(1..) {
        let source = format!("{file}, document {index}");
        let value = Value::deserialize(document).with_context(|| format!("{source} is no YAML"))?;
        if value.is_null() {
            continue;
        }
        manifests.push(data_stream(value, &source)?);
    }
    Ok(manifests)
}

fn data_stream(value: Value, source: &str) -> anyhow::Result<Manifest> {
    let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (field("apiVersion"), field("kind"));
    if (api_version, kind) != (API_VERSION, KIND) {
        bail!(
            "{source}: kind {kind:?} of apiVersion {api_version:?} is not served: only {KIND} of {API_VERSION} is"
        );
    }
    let stream: DataStream =
        serde_yaml::from_value(value.clone()).with_context(|| format!("{source} is no {KIND}"))?;
    let name = stream.metadata.name.as_deref().unwrap_or_default();
    if name.is_empty() {
        bail!("{source}: metadata.name is missing");
    }
    let source = format!("{source} ({KIND} {name})");
    let known = serde_yaml::to_value(&stream.spec)?;
    let written = value.get("spec").unwrap_or(&Value::Null);
    if let Some(field) = unknown_field(written, &known, "spec") {
        bail!("{source}: unknown field {field}: correct its name or remove it");
    }
    Ok(Manifest { source, stream })
}

/// The first written field that the type does not have, as kubectl reports it, too.
fn unknown_field(written: &Value, known: &Value, path: &str) -> Option<String> {
    match written {
        Value::Mapping(fields) => {
            fields.iter().filter(|(_, value)| !is_empty(value)).find_map(|(key, value)| {
                let path = format!("{path}.{}", key.as_str().unwrap_or("?"));
                match known.get(key) {
                    Some(known) => unknown_field(value, known, &path),
                    None => Some(path),
                }
            })
        }
        Value::Sequence(items) => {
            let known = known.as_sequence().map_or(&[][..], Vec::as_slice);
            let mut pairs = items.iter().zip(known).enumerate();
            pairs.find_map(|(index, (item, known))| unknown_field(item, known, &format!("{path}[{index}]")))
        }
        _ => None,
    }
}

/// Whether serialization may leave a field out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Mapping(fields) => fields.is_empty(),
        Value::Sequence(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(kind: &str, spec: &str) -> String {
        format!("apiVersion: kinetes.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: orders}}\nspec: {spec}\n")
    }

    fn error(text: &str) -> String {
        format!("{:#}", parse(text, "streams.yaml").unwrap_err())
    }

    #[test]
    fn documents_are_read_in_order_and_empty_ones_skipped() {
        let text =
            format!("---\n{}---\n---\n{}", document("DataStream", "{}"), document("DataStream", "{name: B}"));
        let names: Vec<_> = parse(&text, "streams.yaml")
            .unwrap()
            .into_iter()
            .map(|manifest| manifest.stream.spec.name)
            .collect();
        assert_eq!(names, [None, Some("B".into())]);
    }

    #[test]
    fn error_for_another_kind_names_file_and_document() {
        let text = format!("{}---\n{}", document("DataStream", "{}"), document("StatefulSet", "{}"));
        let error = error(&text);
        assert!(error.contains("streams.yaml, document 2") && error.contains("StatefulSet"), "{error}");
    }

    #[test]
    fn unknown_field_is_named() {
        let error_of = |spec: &str| error(&document("DataStream", spec));
        assert!(error_of("{shardcount: 4}").contains("spec.shardcount"));
        assert!(error_of("{storage: {sise: 1Gi}}").contains("spec.storage.sise"));
        let pod = "{podTemplate: {tolerations: [{key: a, operator: Exists, efect: NoSchedule}]}}";
        assert!(error_of(pod).contains("efect"), "{}", error_of(pod));
    }

    #[test]
    fn value_of_another_type_is_refused() {
        assert!(error(&document("DataStream", "{shardCount: many}")).contains("document 1"));
        assert!(error("[").contains("document 1 is no YAML"));
    }

    #[test]
    fn full_manifest_is_read() {
        let spec = "{name: Orders_V2, streamModeDetails: {streamMode: PROVISIONED}, shardCount: 4, \
                    retentionPeriodHours: 24, maxRecordSizeKiB: 1024, tags: {team: payments}, replicas: 1, \
                    shardsPerGroup: 16, storage: {size: 20Gi, storageClassName: fast}, deletionPolicy: Retain}";
        assert_eq!(parse(&document("DataStream", spec), "streams.yaml").unwrap().len(), 1);
    }
}
