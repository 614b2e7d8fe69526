//! Whether the installed CRDs know every field that we know.
//!
//! The API server drops fields that a CRD does not have, without a word: an operator that writes a status into an
//! older CRD would write it for ever. A newer CRD is fine, because fields are only added.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

/// The installed CRDs will not do.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// One is not there.
    #[error("the CRD {name} is not installed: {HELP}")]
    Missing {
        /// Its name.
        name: String,
    },
    /// One is older than we are.
    #[error("the CRD {name} is older than this operator, it lacks {}: {HELP}", fields.join(", "))]
    Old {
        /// Its name.
        name: String,
        /// The fields that it does not know.
        fields: Vec<String>,
    },
    /// The API server did not say.
    #[error("cannot look at the CRD {name}: {source}")]
    Unknown {
        /// Its name.
        name: String,
        /// What it answered.
        source: kube::Error,
    },
}

const HELP: &str = "install this version's, with `helm upgrade --install` of the chart and crds.enabled=true, or with `operator \
                    crds | kubectl apply --server-side -f -`";

/// Compares the installed CRDs with ours.
///
/// # Errors
/// What is wrong, and the command that puts it right.
pub async fn check_schema(client: &Client) -> Result<(), SchemaError> {
    let installed: Api<CustomResourceDefinition> = Api::all(client.clone());
    for ours in catalog::resource::crds() {
        let name = ours.name_any();
        let theirs = installed.get_opt(&name).await;
        let theirs = theirs.map_err(|source| SchemaError::Unknown { name: name.clone(), source })?;
        let Some(theirs) = theirs else { return Err(SchemaError::Missing { name }) };
        let fields = missing_fields(&ours, &theirs);
        if !fields.is_empty() {
            return Err(SchemaError::Old { name, fields });
        }
    }
    Ok(())
}

/// The fields of one CRD that another does not know, in the first version of each of the same name.
#[must_use]
pub fn missing_fields(ours: &CustomResourceDefinition, theirs: &CustomResourceDefinition) -> Vec<String> {
    let mut missing = Vec::new();
    for version in &ours.spec.versions {
        let same = theirs.spec.versions.iter().find(|candidate| candidate.name == version.name);
        let schema = |version: Option<&_>| serde_json::to_value(version).unwrap_or_default();
        let (ours, theirs) = (schema(Some(version)), schema(same));
        let path = "/schema/openAPIV3Schema";
        compare(ours.pointer(path), theirs.pointer(path), String::new(), &mut missing);
    }
    missing
}

fn compare(ours: Option<&Value>, theirs: Option<&Value>, path: String, missing: &mut Vec<String>) {
    let Some(ours) = ours else { return };
    let Some(theirs) = theirs else {
        missing.push(if path.is_empty() { "the whole version".into() } else { path });
        return;
    };
    for (name, field) in ours.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        compare(Some(field), theirs.get("properties").and_then(|fields| fields.get(name)), path, missing);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(ours) = ours.get(inner).filter(|inner| inner.is_object()) {
            compare(Some(ours), theirs.get(inner), format!("{path}[]"), missing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_crds_lack_nothing() {
        for crd in catalog::resource::crds() {
            assert!(missing_fields(&crd, &crd).is_empty());
        }
    }

    #[test]
    fn an_older_crd_is_told_by_the_fields_that_it_lacks() {
        let ours = catalog::resource::crds().swap_remove(0);
        let mut old = serde_json::to_value(&ours).unwrap();
        let schema = &mut old["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
        let spec = schema["spec"]["properties"].as_object_mut().unwrap();
        spec.remove("shardsPerGroup");
        schema["status"]["properties"]["conditions"]["items"]["properties"]
            .as_object_mut()
            .unwrap()
            .remove("reason");
        let old = serde_json::from_value(old).unwrap();
        assert_eq!(missing_fields(&ours, &old), ["spec.shardsPerGroup", "status.conditions[].reason"]);
        assert!(missing_fields(&old, &ours).is_empty(), "a newer CRD is fine");
    }
}
