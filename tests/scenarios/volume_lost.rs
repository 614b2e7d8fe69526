//! A volume that is not the one that held the records.

use anyhow::Result;
use tests::{AuditLog, Installation, Namespace, Records, condition, stream};

#[test]
fn stream_with_an_emptied_volume_stalls_and_says_so() -> Result<()> {
    let installation = Installation::get()?;
    let namespace = Namespace::create("lost")?;
    namespace.apply(&stream("lost", 1, "Delete"))?;
    namespace.wait_for("dstream/lost", "condition=Ready", 120)?;
    let records = Records::of(&installation, "lost")?;
    records.put(100)?;

    // The claim and with it the volume: the StatefulSet makes a new claim for the new pod.
    namespace.run(&["delete", "persistentvolumeclaims", "--all", "--wait=false"])?;
    namespace.run(&["delete", "pods", "--all"])?;
    namespace.wait_for("dstream/lost", "condition=Stalled", 120)?;
    let object = namespace.get("dstream", "lost")?;
    assert_eq!(condition(&object, "Stalled")["reason"], "VolumeLost");
    assert_eq!(condition(&object, "Ready")["status"], "False");
    let events = namespace.run(&["get", "events"])?;
    assert!(events.contains("VolumeLost"), "{events}");

    // It stays so: nobody begins anew on the empty volume, and what was lost is not answered with nothing.
    let audit = AuditLog::from_now()?;
    std::thread::sleep(installation.requeue_period());
    assert_eq!(condition(&namespace.get("dstream", "lost")?, "Stalled")["reason"], "VolumeLost");
    let patched = audit.mutations_of(&installation.operator_user())?;
    assert!(patched.keys().all(|mutation| mutation.resource == "leases"), "{patched:?}");
    let refused = records.check().unwrap_err().to_string();
    assert!(refused.contains("InternalFailure"), "a lost stream was read as if it were empty: {refused}");
    Ok(())
}
