//! A control group of the kernel, which limits and counts what the processes in it use. Needs root.

use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = "/sys/fs/cgroup";

/// A group of version 1, or of the unified hierarchy, for one disk. Its folders go with the value.
pub struct Cgroup {
    memory: PathBuf,
    disk: PathBuf,
    unified: bool,
    /// `major:minor`.
    device: String,
}

impl Cgroup {
    /// Makes a group that counts and limits the use of the disk that a directory is on; the name is the test's own.
    pub fn new(name: &str, data_dir: &Path) -> Self {
        let name = format!("kinetes-{name}-{}", std::process::id());
        let unified = Path::new(ROOT).join("cgroup.controllers").exists();
        if unified {
            std::fs::write(Path::new(ROOT).join("cgroup.subtree_control"), "+memory +io").unwrap();
        }
        let folder = |controller: &str| match unified {
            true => Path::new(ROOT).join(&name),
            false => Path::new(ROOT).join(controller).join(&name),
        };
        let group =
            Self { memory: folder("memory"), disk: folder("blkio"), unified, device: device_of(data_dir) };
        for folder in [&group.memory, &group.disk] {
            std::fs::create_dir_all(folder).expect("a cgroup: the test needs root");
        }
        group
    }

    /// Takes a process in.
    pub fn add(&self, process: u64) {
        for folder in [&self.memory, &self.disk] {
            std::fs::write(folder.join("cgroup.procs"), process.to_string()).unwrap();
        }
    }

    /// From now on the group has this much memory, the page cache of its files included.
    pub fn limit_memory(&self, bytes: u64) {
        let limit = if self.unified { "memory.max" } else { "memory.limit_in_bytes" };
        std::fs::write(self.memory.join(limit), bytes.to_string()).unwrap();
    }

    /// From now on the disk takes this much of the group in a second.
    pub fn limit_writes(&self, bytes_per_second: u64) {
        let (file, line) = match self.unified {
            true => ("io.max", format!("{} wbps={bytes_per_second}", self.device)),
            false => ("blkio.throttle.write_bps_device", format!("{} {bytes_per_second}", self.device)),
        };
        std::fs::write(self.disk.join(file), line).unwrap();
    }

    /// Bytes that the group has had the disk write. A page that is only dirty is none of them. Kernels count where
    /// there is a limit, so set one before.
    pub fn written_bytes(&self) -> u64 {
        let (file, prefix) = match self.unified {
            true => ("io.stat", self.device.clone()),
            false => ("blkio.throttle.io_service_bytes", format!("{} Write ", self.device)),
        };
        let counts = std::fs::read_to_string(self.disk.join(file)).unwrap();
        let Some(counts) = counts.lines().find_map(|line| line.strip_prefix(&prefix)) else { return 0 };
        let bytes = match self.unified {
            true => counts.split(' ').find_map(|count| count.strip_prefix("wbytes=")).unwrap(),
            false => counts,
        };
        bytes.parse().unwrap()
    }

    /// The most memory that was used at once, and how many processes the kernel killed.
    pub fn peak_and_kills(&self) -> (u64, u64) {
        let (peak, events) = match self.unified {
            true => ("memory.peak", "memory.events"),
            false => ("memory.max_usage_in_bytes", "memory.oom_control"),
        };
        let peak = std::fs::read_to_string(self.memory.join(peak)).unwrap().trim().parse().unwrap();
        let events = std::fs::read_to_string(self.memory.join(events)).unwrap();
        let kills = events.lines().find_map(|line| line.strip_prefix("oom_kill ")).unwrap();
        (peak, kills.trim().parse().unwrap())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in [&self.memory, &self.disk] {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// `major:minor` of the disk that a directory is on: of the whole one, as a partition cannot be limited.
fn device_of(directory: &Path) -> String {
    let arguments = ["--noheadings", "--output", "MAJ:MIN", "--target"];
    let output = Command::new("findmnt").args(arguments).arg(directory).output().unwrap();
    let device = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let partition = Path::new("/sys/dev/block").join(&device);
    match partition.join("partition").exists() {
        true => std::fs::read_to_string(partition.join("../dev")).unwrap().trim().to_owned(),
        false => device,
    }
}
