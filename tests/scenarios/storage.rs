//! Volumes that are full or damaged.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::{Installation, Namespace, Records, Volume, condition, stream, until};

const MINUTE_AND_A_HALF: Duration = Duration::from_secs(90);

#[test]
fn full_volume_refuses_records_serves_reads_and_recovers_with_the_same_pod() -> Result<()> {
    let installation = Installation::get()?;
    let namespace = Namespace::create("full")?;
    namespace.apply(&stream("full", 1, "Delete"))?;
    namespace.wait_for("dstream/full", "condition=Ready", 120)?;
    let records = Records::of(&installation, "full")?;
    records.put(100)?;
    let mut volume = Volume::only_one_of(&namespace)?;
    volume.move_to_small_disk(48)?;
    let before = only_pod(&namespace)?.0;
    namespace.run(&["delete", "pods", "--all"])?;
    until("a new pod", MINUTE_AND_A_HALF, || Ok((only_pod(&namespace)?.0 != before).then_some(())))?;
    namespace.run(&["wait", "pods", "--all", "--for=condition=Ready", "--timeout=90s"])?;
    assert_eq!(records.check()?, 100);

    volume.fill()?;
    let pod = only_pod(&namespace)?;
    let mut acknowledged = 100;
    let refused =
        until("a full volume refuses records", Duration::from_secs(240), || match records.put(2_000) {
            Ok(()) => {
                acknowledged += 2_000;
                Ok(None)
            }
            Err(refused) => Ok(Some(refused.to_string())),
        })?;
    ensure!(refused.contains("InternalFailure"), "{refused}");
    namespace.wait_for("dstream/full", "condition=StorageFull", 90)?;
    let object = namespace.get("dstream", "full")?;
    assert_eq!(condition(&object, "Ready")["status"], "True");
    let message = condition(&object, "StorageFull")["message"].to_string();
    ensure!(message.contains("spec.storage.size"), "{message}");
    ensure!(records.check()? >= acknowledged, "reads go on");

    volume.make_room()?;
    until("StorageFull goes", MINUTE_AND_A_HALF, || {
        Ok(condition(&namespace.get("dstream", "full")?, "StorageFull").is_null().then_some(()))
    })?;
    records.put(100)?;
    ensure!(records.check()? >= acknowledged + 100, "what was acknowledged is there");
    assert_eq!(only_pod(&namespace)?, pod, "the same pod, not restarted");
    namespace.run(&["delete", "dstream", "full"])?;
    Ok(())
}

#[test]
fn flipped_bit_is_named_costs_only_its_records_and_can_be_given_up() -> Result<()> {
    let installation = Installation::get()?;
    let namespace = Namespace::create("damaged")?;
    namespace.apply(&stream("damaged", 1, "Delete"))?;
    namespace.wait_for("dstream/damaged", "condition=Ready", 120)?;
    let records = Records::of(&installation, "damaged")?;
    // A hundred in each request, and so in each batch of the log.
    records.put(300)?;
    let segment = Volume::only_one_of(&namespace)?.flip_a_bit_of("record 150 of damaged")?;
    namespace.run(&["delete", "pods", "--all"])?;
    namespace.wait_for("dstream/damaged", "condition=StorageDamaged", 120)?;
    namespace.wait_for("dstream/damaged", "condition=Ready", 120)?;
    let object = namespace.get("dstream", "damaged")?;
    let message = condition(&object, "StorageDamaged")["message"].as_str().context("no message")?.to_owned();
    ensure!(message.contains(&segment), "{message}");

    records.put(100)?;
    assert_eq!(records.count()?, 100, "the records before the damage");
    let refused = records.check().unwrap_err().to_string();
    ensure!(refused.contains("InternalFailure"), "{refused}");

    // As the condition says.
    let (_, command) = message.rsplit_once("kubectl ").context("the message has no command")?;
    namespace.run(&command.split(' ').collect::<Vec<_>>())?;
    until("StorageDamaged goes", MINUTE_AND_A_HALF, || {
        Ok(condition(&namespace.get("dstream", "damaged")?, "StorageDamaged").is_null().then_some(()))
    })?;
    assert_eq!(records.count()?, 300, "all but the hundred that are lost");
    Ok(())
}

/// UID and restart count of the only pod.
fn only_pod(namespace: &Namespace) -> Result<(String, String)> {
    let pods = namespace.list("pods", &[])?;
    ensure!(pods.len() == 1, "{} pods", pods.len());
    let restarts = &pods[0]["status"]["containerStatuses"][0]["restartCount"];
    Ok((pods[0]["metadata"]["uid"].to_string(), restarts.to_string()))
}
