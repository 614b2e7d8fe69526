//! A volume that is empty where there were records.

use anyhow::Result;
use tests::{AuditLog, Installation, Namespace, Records, Volume, condition, stream};

#[test]
fn stream_with_an_emptied_volume_stalls_says_so_and_writes_nothing_to_it() -> Result<()> {
    let installation = Installation::get()?;
    let namespace = Namespace::create("lost")?;
    namespace.apply(&stream("lost", 1, "Delete"))?;
    namespace.wait_for("dstream/lost", "condition=Ready", 120)?;
    let records = Records::of(&installation, "lost")?;
    records.put(100)?;
    let volume = Volume::on_small_disk(&namespace, 48)?;
    assert_eq!(records.check()?, 100);

    volume.empty()?;
    namespace.replace_only_pod()?;
    namespace.wait_for("dstream/lost", "condition=Stalled", 120)?;
    let object = namespace.get("dstream", "lost")?;
    assert_eq!(condition(&object, "Stalled")["reason"], "VolumeLost");
    assert_eq!(condition(&object, "Ready")["status"], "False");
    let events = namespace.run(&["get", "events"])?;
    assert!(events.contains("VolumeLost"), "{events}");

    // It stays so: nobody begins anew on the empty volume, and what was lost is not answered with nothing.
    let audit = AuditLog::from_now()?;
    installation.wait_for_looks(2)?;
    assert_eq!(condition(&namespace.get("dstream", "lost")?, "Stalled")["reason"], "VolumeLost");
    let patched = audit.mutations_of(&installation.operator_user())?;
    assert!(patched.keys().all(|mutation| mutation.resource == "leases"), "{patched:?}");
    let refused = records.check().unwrap_err().to_string();
    assert!(refused.contains("InternalFailure"), "a lost stream was read as if it were empty: {refused}");
    assert_eq!(volume.files()?, "./lock 0\n", "nothing was written to it");
    Ok(())
}
