//! Streams that are made and deleted by the Kinesis API.

use std::time::Duration;

use anyhow::Result;
use tests::{Installation, Namespace, Records, condition, stream, until};

#[test]
fn stream_of_the_api_is_a_data_stream_that_the_api_can_delete() -> Result<()> {
    let installation = Installation::get()?;
    let name = ["--stream-name", "Page_Views"];
    installation.kinesis(&[&["create-stream"], &name[..], &["--shard-count", "2"]].concat())?;
    installation.kinesis(&[&["wait", "stream-exists"], &name[..]].concat())?;
    let records = Records::of(&installation, "Page_Views")?;
    records.put(100)?;
    assert_eq!(records.check()?, 100);
    let made = installation.kubectl().list("dstream", &[])?;
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(condition(&made[0], "Ready")["status"], "True");

    installation.kinesis(&[&["delete-stream"], &name[..]].concat())?;
    until("the stream and its volumes are gone", Duration::from_secs(60), || {
        let left = installation.kubectl().list("dstream,persistentvolumeclaims", &[])?;
        Ok(left.is_empty().then_some(()))
    })?;
    let streams = installation.kinesis(&["list-streams"])?;
    assert!(!streams.contains("Page_Views"), "{streams}");
    Ok(())
}

#[test]
fn stream_of_a_manifest_is_not_deleted_by_the_api() -> Result<()> {
    let installation = Installation::get()?;
    let namespace = Namespace::create("owned")?;
    namespace.apply(&stream("owned", 1, "Delete"))?;
    namespace.wait_for("dstream/owned", "condition=Ready", 120)?;
    let refused = installation.kinesis(&["delete-stream", "--stream-name", "owned"]).unwrap_err();
    assert!(refused.stderr.contains("ResourceInUseException"), "{refused}");
    assert!(namespace.get("dstream", "owned")?["metadata"]["deletionTimestamp"].is_null());
    Ok(())
}

#[test]
fn setting_of_a_manifest_is_refused_to_the_api_and_what_it_leaves_out_follows_the_api() -> Result<()> {
    let installation = Installation::get()?;
    let namespace = Namespace::create("settings")?;
    let manifest = stream("settings", 1, "Delete") + "  retentionPeriodHours: 48\n";
    namespace.apply(&manifest)?;
    namespace.wait_for("dstream/settings", "condition=Ready", 120)?;
    let name = ["--stream-name", "settings"];
    let call = |operation: &str, arguments: &[&str]| {
        installation.kinesis(&[&[operation], &name[..], arguments].concat())
    };
    let longer = call("increase-stream-retention-period", &["--retention-period-hours", "72"]).unwrap_err();
    assert!(longer.stderr.contains("which sets spec.retentionPeriodHours of DataStream"), "{longer}");
    call("add-tags-to-stream", &["--tags", "team=payments"])?;
    // A manifest that is applied again leaves alone what it leaves out.
    namespace.apply(&manifest)?;
    assert!(call("list-tags-for-stream", &[])?.contains("payments"));
    let spec = &namespace.get("dstream", "settings")?["spec"];
    assert_eq!((&spec["retentionPeriodHours"], &spec["tags"]["team"]), (&48.into(), &"payments".into()));
    Ok(())
}
