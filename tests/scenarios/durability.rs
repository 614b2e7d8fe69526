//! Records outlive the pods that hold them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use tests::{Installation, Namespace, Records, until};

const PODS: &str = "app.kubernetes.io/component=shard-group";

#[test]
fn records_are_read_again_after_every_pod_was_killed() -> Result<()> {
    let installation = Installation::get()?;
    let namespace = Namespace::create("durability")?;
    namespace.run(&["apply", "--filename", "examples/orders.yaml"])?;
    namespace.wait_for("dstream/orders", "condition=Ready", 120)?;
    assert_eq!(pod_uids(&namespace)?.len(), 2, "four shards, two a group");
    shows_the_columns_that_a_user_looks_for(&namespace)?;

    let records = Records::of(&installation, "orders")?;
    records.put(1_000)?;
    assert_eq!(records.check()?, 1_000);

    let killed = pod_uids(&namespace)?;
    namespace.run(&["delete", "pods", "--selector", PODS, "--force", "--grace-period=0"])?;
    until("two new pods", Duration::from_secs(60), || {
        let pods = pod_uids(&namespace)?;
        Ok((pods.len() == 2 && pods.is_disjoint(&killed)).then_some(()))
    })?;
    namespace.run(&["wait", "pods", "--selector", PODS, "--for=condition=Ready", "--timeout=60s"])?;
    assert_eq!(records.check()?, 1_000);
    Ok(())
}

fn shows_the_columns_that_a_user_looks_for(namespace: &Namespace) -> Result<()> {
    let streams = table(&namespace.run(&["get", "dstream"])?);
    assert_eq!(streams[0][..5], ["NAME", "STATUS", "READY", "SHARDS", "MODE"]);
    assert_eq!(streams[1][..5], ["orders", "ACTIVE", "True", "4", "PROVISIONED"]);
    let shards = table(&namespace.run(&["get", "shards", "--selector", "kinetes.dev/stream=orders"])?);
    assert_eq!(shards[0][..7], ["NAME", "STREAM", "STATE", "START", "END", "LOG", "GROUP"]);
    assert_eq!(shards.len(), 5);
    assert_eq!(shards[1][1..4], ["orders", "Open", "0"]);
    Ok(())
}

fn pod_uids(namespace: &Namespace) -> Result<BTreeSet<String>> {
    let pods = namespace.list("pods", &["--selector", PODS])?;
    Ok(pods.iter().map(|pod| pod["metadata"]["uid"].to_string()).collect())
}

fn table(text: &str) -> Vec<Vec<String>> {
    text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}
