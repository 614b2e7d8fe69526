//! On what it was measured.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
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
    /// The file system that the data is on.
    pub file_system: String,
    /// The disk under it.
    pub disk: String,
}

impl Machine {
    /// This one, with the disk that a folder is on.
    ///
    /// # Errors
    /// If the folder is in memory, or it cannot be found out.
    pub fn here(data: &Path) -> Result<Self> {
        let (file_system, disk) = disk_of(data)?;
        let line = |path: &str, name: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').unwrap_or_default().1.trim().to_owned()
        };
        let memory_kib: u64 =
            line("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
        Ok(Self {
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            processor: line("/proc/cpuinfo", "model name"),
            memory_gib: memory_kib >> 20,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            file_system,
            disk,
        })
    }
}

/// The file system that a folder is on, and its disk, with the model where the kernel knows it.
fn disk_of(folder: &Path) -> Result<(String, String)> {
    let folder = folder.canonicalize().with_context(|| format!("no folder {}", folder.display()))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let (device, file_system, source) = mounts
        .lines()
        .filter_map(|line| {
            // proc_pid_mountinfo(5): a varying number of fields lies before the dash.
            let (mount, file_system) = line.split_once(" - ")?;
            let mut mount = mount.split(' ').skip(2);
            let (device, point) = (mount.next()?, Path::new(mount.nth(1)?));
            let mut file_system = file_system.split(' ');
            folder.starts_with(point).then_some((point, (device, file_system.next()?, file_system.next()?)))
        })
        // The last of the longest: a later mount hides an earlier one.
        .max_by_key(|(point, _)| point.components().count())
        .with_context(|| format!("nothing is mounted at {}", folder.display()))?
        .1;
    ensure!(
        !matches!(file_system, "tmpfs" | "ramfs"),
        "{} is in memory ({file_system}): give a folder on a disk",
        folder.display()
    );
    let block = Path::new("/sys/dev/block").join(device);
    let model =
        ["device/model", "../device/model"].iter().find_map(|name| fs::read_to_string(block.join(name)).ok());
    let disk = model.map_or_else(|| source.to_owned(), |model| format!("{source}, {}", model.trim()));
    Ok((file_system.to_owned(), disk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_in_memory_is_refused() {
        let error = Machine::here(Path::new("/dev/shm")).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("/dev/shm is in memory (tmpfs): give a folder on a disk"));
    }
}
