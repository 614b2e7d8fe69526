//! The data path does not need the operator.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use tests::{Installation, Namespace, Records, stream, until};

const PODS: &str = "app.kubernetes.io/component=shard-group";

#[test]
fn puts_and_gets_go_on_without_operator_through_a_pod_that_returns_elsewhere() -> Result<()> {
    let installation = Installation::get()?;
    let namespace = Namespace::create("away")?;
    namespace.apply(&stream("clicks", 2, "Delete"))?;
    namespace.wait_for("dstream/clicks", "condition=Ready", 120)?;
    let records = Records::of(&installation, "clicks")?;
    records.put(200)?;

    installation.scale("operator", 0)?;
    let outcome = without_operator(&installation, &namespace, &records);
    installation.scale("operator", 1)?;
    outcome?;
    namespace.wait_for("dstream/clicks", "condition=Ready", 120)
}

fn without_operator(installation: &Installation, namespace: &Namespace, records: &Records) -> Result<()> {
    records.put(200)?;
    assert_eq!(records.check()?, 400);

    let before = pod_addresses(namespace)?;
    namespace.run(&["delete", "pods", "--selector", PODS])?;
    until("the pods return with other IPs", Duration::from_secs(60), || {
        let now = pod_addresses(namespace)?;
        Ok((now.len() == before.len() && now.is_disjoint(&before)).then_some(()))
    })?;
    namespace.run(&["wait", "pods", "--selector", PODS, "--for=condition=Ready", "--timeout=60s"])?;
    records.put(200)?;
    assert_eq!(records.check()?, 600);

    // Gateways that start now have only each other to learn the catalog from.
    restart_one_gateway(installation)?;
    records.put(200)?;
    assert_eq!(records.check()?, 800);
    Ok(())
}

fn restart_one_gateway(installation: &Installation) -> Result<()> {
    let selector = ["--selector", "app.kubernetes.io/component=gateway"];
    let gateways = installation.kubectl().list("pods", &selector)?;
    let first = gateways[0]["metadata"]["name"].as_str().unwrap_or_default();
    installation.kubectl().run(&["delete", "pod", first])?;
    installation.kubectl().run(&["rollout", "status", "deployment/kinetes-gateway", "--timeout=60s"])?;
    Ok(())
}

fn pod_addresses(namespace: &Namespace) -> Result<BTreeSet<String>> {
    let pods = namespace.list("pods", &["--selector", PODS])?;
    Ok(pods.iter().filter_map(|pod| pod["status"]["podIP"].as_str().map(str::to_owned)).collect())
}
