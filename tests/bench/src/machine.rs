//! On what it was measured.

use std::fs;

use serde::Serialize;

/// A machine.
#[derive(Serialize)]
pub struct Machine {
    /// Processors, as the kernel counts them.
    pub processors: usize,
    /// Their name.
    pub processor: String,
    /// Memory in GiB.
    pub memory_gib: u64,
    /// The kernel's release.
    pub kernel: String,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        let line = |path: &str, name: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').unwrap_or_default().1.trim().to_owned()
        };
        let memory_kib: u64 =
            line("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
        Self {
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            processor: line("/proc/cpuinfo", "model name"),
            memory_gib: memory_kib >> 20,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        }
    }
}
