//! An operator that has nothing to do writes nothing.

use std::collections::BTreeMap;

use anyhow::Result;
use tests::{AuditLog, Installation, Namespace, stream};

#[test]
fn operator_writes_only_its_lease_while_nothing_changes() -> Result<()> {
    let installation = Installation::get()?;
    let namespace = Namespace::create("idle")?;
    let manifest = stream("quiet", 2, "Delete");
    namespace.apply(&manifest)?;
    namespace.wait_for("dstream/quiet", "condition=Ready", 120)?;
    // What became Ready is announced right behind.
    installation.wait_for_looks(2)?;

    let audit = AuditLog::from_now()?;
    let applied = namespace.apply(&manifest)?;
    assert!(applied.contains("unchanged"), "{applied}");
    installation.wait_for_looks(3)?;

    let mutations = audit.mutations_of(&installation.operator_user())?;
    let (lease, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        mutations.into_iter().partition(|(mutation, _)| mutation.resource == "leases");
    assert!(!lease.is_empty(), "the operator is known to the audit log by another name, or does not run");
    assert_eq!(others, BTreeMap::new());
    Ok(())
}
