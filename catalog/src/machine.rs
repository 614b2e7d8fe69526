//! Which machine a program runs on: what its calls show beside their clock.

use std::sync::OnceLock;

/// The id of this machine since it started (Linux: `boot_id`), read once a process; none where the system does not give
/// it. For [`MACHINE_HEADER`](crate::member::MACHINE_HEADER).
#[must_use]
pub fn machine_id() -> Option<&'static str> {
    static ID: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim().to_owned()).filter(|id| !id.is_empty())
    };
    ID.get_or_init(read).as_deref()
}
