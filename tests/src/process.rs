//! A process of this machine, as the kernel accounts for it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};

/// A process of this machine, in whichever container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process(pub u32);

impl Process {
    /// Those that have a file below a folder open for writing.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn writing_below(folder: &Path) -> Result<BTreeSet<Self>> {
        let mut files = BTreeSet::new();
        collect(folder, &mut files).with_context(|| folder.display().to_string())?;
        let mut writing = BTreeSet::new();
        for entry in fs::read_dir("/proc")? {
            let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A process may end meanwhile: then it writes nothing.
            if Self(id).opened_for_writing().unwrap_or_default().is_disjoint(&files) {
                continue;
            }
            writing.insert(Self(id));
        }
        Ok(writing)
    }

    /// The bytes that it has written to disks so far, in files and about them.
    ///
    /// # Errors
    /// If it has ended.
    pub fn written_bytes(self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/io", self.0))?;
        let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        line.context("the kernel does not count what processes write")?.parse().context("no number")
    }

    fn opened_for_writing(self) -> Result<BTreeSet<FileId>> {
        let mut files = BTreeSet::new();
        for entry in fs::read_dir(format!("/proc/{}/fd", self.0))? {
            let entry = entry?;
            let info =
                fs::read_to_string(format!("/proc/{}/fdinfo/{}", self.0, entry.file_name().display()))?;
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).context("no flags")?;
            // The lowest two bits: 0 is for reading alone.
            if u32::from_str_radix(flags.trim(), 8)? & 0o3 != 0 {
                // Followed, also where the path is one of another mount namespace.
                files.extend(fs::metadata(entry.path()).map(|file| (file.dev(), file.ino())));
            }
        }
        Ok(files)
    }
}

/// Device and inode.
type FileId = (u64, u64);

fn collect(folder: &Path, files: &mut BTreeSet<FileId>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let file = fs::symlink_metadata(&path)?;
        if file.is_dir() {
            collect(&path, files)?;
        } else {
            files.insert((file.dev(), file.ino()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn only_who_has_a_file_open_for_writing_writes() {
        let folder = std::env::temp_dir().join(format!("kinetes-writers-{}", std::process::id()));
        fs::create_dir_all(folder.join("logs")).unwrap();
        let path = folder.join("logs/segment");
        let writing = File::create(&path).unwrap();
        let with_writer = Process::writing_below(&folder).unwrap();
        drop(writing);
        let _reading = File::open(&path).unwrap();
        let with_reader = Process::writing_below(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(with_writer, [Process(std::process::id())].into());
        assert_eq!(with_reader, BTreeSet::new());
    }
}
