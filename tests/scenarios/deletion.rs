//! What becomes of a stream's objects and volumes when it is deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use tests::{AuditLog, Installation, Kubectl, Namespace, Records, stream, until};

/// Every kind that a stream's life can leave behind. Each object of them carries, or is owned by what carries, the
/// stream's UID; here they are listed whole, as nothing else lives in the scenario's namespace.
const KINDS: &str = "datastreams,shards,streamconsumers,statefulsets,controllerrevisions,pods,services,endpoints,endpointslices,\
    poddisruptionbudgets,configmaps,secrets,leases,jobs";

#[test]
fn policy_delete_leaves_neither_object_nor_volume() -> Result<()> {
    let installation = Installation::get()?;
    let audit = AuditLog::from_now()?;
    let namespace = Namespace::create("delete")?;
    let before = names(&namespace)?;
    make(&installation, &namespace, "delete-me", "Delete")?;
    assert_eq!(volumes(&namespace)?.len(), 2);

    namespace.run(&["delete", "dstream", "delete-me", "--timeout=90s"])?;
    until("nothing is left", Duration::from_secs(60), || Ok((names(&namespace)? == before).then_some(())))?;
    let claims = namespace.list("persistentvolumeclaims", &[])?;
    assert!(claims.is_empty(), "{claims:?}");
    // The provisioner removes the volumes of deleted claims in its own time.
    until("no volume is left", Duration::from_secs(60), || {
        Ok(volumes(&namespace)?.is_empty().then_some(()))
    })?;
    // A whole life of a stream: nothing in it asks for a right that the chart does not give.
    assert_eq!(audit.forbidden_to(&installation.operator_user())?, BTreeMap::new());
    Ok(())
}

#[test]
fn policy_retain_leaves_the_volumes_and_a_stream_of_the_same_name_begins_empty() -> Result<()> {
    let installation = Installation::get()?;
    let namespace = Namespace::create("retain")?;
    let before = names(&namespace)?;
    let records = make(&installation, &namespace, "keep-me", "Retain")?;
    let kept = volumes(&namespace)?;

    namespace.run(&["delete", "dstream", "keep-me", "--timeout=90s"])?;
    until("only volumes are left", Duration::from_secs(60), || {
        Ok((names(&namespace)? == before).then_some(()))
    })?;
    assert_eq!(volumes(&namespace)?, kept);
    assert_eq!(namespace.list("persistentvolumeclaims", &[])?.len(), kept.len());

    drop(records);
    namespace.apply(&stream("keep-me", 2, "Delete"))?;
    namespace.wait_for("dstream/keep-me", "condition=Ready", 120)?;
    assert_eq!(Records::of(&installation, "keep-me")?.check()?, 0);
    assert_eq!(volumes(&namespace)?.len(), kept.len() + 2);
    Ok(())
}

#[test]
fn namespace_with_a_stream_in_it_can_be_deleted() -> Result<()> {
    let installation = Installation::get()?;
    let namespace = Namespace::create("doomed")?;
    make(&installation, &namespace, "doomed", "Delete")?;
    Kubectl::in_namespace("default").run(&["delete", "namespace", "doomed", "--timeout=120s"])?;
    Ok(())
}

fn make(installation: &Installation, namespace: &Namespace, name: &str, policy: &str) -> Result<Records> {
    namespace.apply(&stream(name, 2, policy))?;
    namespace.wait_for(&format!("dstream/{name}"), "condition=Ready", 120)?;
    let records = Records::of(installation, name)?;
    records.put(100)?;
    assert_eq!(records.check()?, 100);
    Ok(records)
}

/// `kind/name` of all objects of [`KINDS`].
fn names(namespace: &Namespace) -> Result<Vec<String>> {
    let objects = namespace.list(KINDS, &[])?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(objects
        .iter()
        .map(|object| text(&object["kind"]) + "/" + &text(&object["metadata"]["name"]))
        .collect())
}

/// The names of the volumes that are bound to a claim of the namespace.
fn volumes(namespace: &Namespace) -> Result<Vec<String>> {
    let volumes = namespace.list("persistentvolumes", &[])?;
    let ours =
        volumes.iter().filter(|volume| volume["spec"]["claimRef"]["namespace"] == namespace.name.as_str());
    Ok(ours.map(|volume| volume["metadata"]["name"].to_string()).collect())
}
