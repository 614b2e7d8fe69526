//! Volumes that are full or corrupt.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::{Installation, Namespace, Records, Volume, condition, run, stream, stream_of_one_group, until};

const MINUTE_AND_A_HALF: Duration = Duration::from_secs(90);

#[test]
fn full_volume_refuses_records_serves_reads_and_recovers_with_the_same_pod() -> Result<()> {
    let installation = Installation::get()?;
    let namespace = Namespace::create("full")?;
    namespace.apply(&stream("full", 1, "Delete"))?;
    namespace.wait_for("dstream/full", "condition=Ready", 120)?;
    let records = Records::of(&installation, "full")?;
    records.put(100)?;
    let volume = Volume::on_small_disk(&namespace, 48)?;
    assert_eq!(records.check()?, 100);

    volume.fill()?;
    let pod = namespace.only_pod()?;
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
    assert_eq!(namespace.only_pod()?, pod, "the same pod, not restarted");
    namespace.run(&["delete", "dstream", "full"])?;
    Ok(())
}

#[test]
fn flipped_bit_is_named_costs_only_its_records_and_can_be_given_up() -> Result<()> {
    let installation = Installation::get()?;
    let namespace = Namespace::create("corrupt")?;
    namespace.apply(&stream_of_one_group("corrupt", 2))?;
    namespace.wait_for("dstream/corrupt", "condition=Ready", 120)?;
    let records = Records::of(&installation, "corrupt")?;
    let volume = Volume::on_small_disk(&namespace, 48)?;
    // A hundred in each request, and so in each batch of the log, some of them in either shard.
    records.put(300)?;
    let segment = volume.flip_a_bit_of("record 150 of corrupt")?;
    namespace.replace_only_pod()?;
    namespace.wait_for("dstream/corrupt", "condition=StorageDamaged", 120)?;
    namespace.wait_for("dstream/corrupt", "condition=Ready", 120)?;
    let object = namespace.get("dstream", "corrupt")?;
    let message = condition(&object, "StorageDamaged")["message"].as_str().context("no message")?.to_owned();
    ensure!(message.contains(&segment), "{message}");

    records.put(100)?;
    // Before it and behind it in its shard, and all of the other shard.
    let served = records.check_around(150)?;
    ensure!(
        (301..400).contains(&served),
        "{served} of 400 records are served: a part of one request is corrupt"
    );

    // As the condition says.
    let (_, command) = message.rsplit_once("kubectl ").context("the message has no command")?;
    namespace.run(&command.split(' ').collect::<Vec<_>>())?;
    until("StorageDamaged goes", MINUTE_AND_A_HALF, || {
        Ok(condition(&namespace.get("dstream", "corrupt")?, "StorageDamaged").is_null().then_some(()))
    })?;
    assert_eq!(
        records.check_without(150)?,
        served,
        "an accepted loss is passed over, all other records are there"
    );
    Ok(())
}

#[test]
fn another_streams_volume_is_refused_with_both_names_and_left_alone() -> Result<()> {
    let installation = Installation::get()?;
    let namespace = Namespace::create("foreign")?;
    namespace.apply(&stream("foreign", 1, "Delete"))?;
    namespace.wait_for("dstream/foreign", "condition=Ready", 120)?;
    Records::of(&installation, "foreign")?.put(100)?;
    let volume = Volume::only_one_of(&namespace)?;
    volume.take_identity_of("another-streams-uid")?;
    let files = volume.log_files()?;
    namespace.run(&["delete", "pods", "--all"])?;
    let uid = namespace.get("dstream", "foreign")?["metadata"]["uid"].as_str().context("no UID")?.to_owned();
    let message = until("the stream says whose volume it is", Duration::from_secs(120), || {
        let object = namespace.get("dstream", "foreign")?;
        let ready = condition(&object, "Ready");
        let message = ready["message"].as_str().unwrap_or_default().to_owned();
        Ok((ready["status"] == "False" && message.contains("another-streams-uid")).then_some(message))
    })?;
    ensure!(message.contains(&uid), "{message}");
    assert_eq!(volume.log_files()?, files, "nothing was written");
    Ok(())
}

#[test]
fn second_process_on_a_volume_waits_and_writes_nothing() -> Result<()> {
    let installation = Installation::get()?;
    let namespace = Namespace::create("twice")?;
    namespace.apply(&stream("twice", 1, "Delete"))?;
    namespace.wait_for("dstream/twice", "condition=Ready", 120)?;
    let records = Records::of(&installation, "twice")?;
    records.put(100)?;
    let volume = Volume::only_one_of(&namespace)?;
    let uid = namespace.get("dstream", "twice")?["metadata"]["uid"].as_str().context("no UID")?.to_owned();
    let group =
        namespace.list("statefulsets", &[])?[0]["metadata"]["name"].as_str().context("no group")?.to_owned();
    let program = run("setup/binaries", &["shard-server"])?;
    let program = format!("{}/shard-server", program.trim());
    let second = volume.second_process(&program, &uid, &group)?;
    let waits = || Ok(second.status()?.contains("WaitingForVolume").then_some(()));
    until("the second process waits for the volume", Duration::from_secs(30), waits)?;
    // The times of access to what it was started from are in it.
    let written = second.process().written_bytes()?;

    records.put(100)?;
    let writers = volume.writers()?;
    ensure!(writers.len() == 1 && !writers.contains(&second.process()), "{writers:?}, second: {second:?}");
    for first in writers {
        ensure!(first.written_bytes()? > 0, "what a process writes is seen");
    }
    assert_eq!(second.process().written_bytes()?, written, "the second one writes nothing");
    assert_eq!(records.check()?, 200, "the first process goes on");
    ensure!(waits()?.is_some(), "the second one still waits");
    Ok(())
}
