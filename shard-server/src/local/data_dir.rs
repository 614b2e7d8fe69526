//! The data directory: its lock and its layout.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{FlockOperation, flock};

const STREAMS: &str = "streams";
const DRAFTS: &str = "drafts";

/// A data directory, locked for this process until this value is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates the directory if it is absent, and takes its lock.
    ///
    /// # Errors
    /// If another process has the lock, or the directory cannot be written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("create the data directory {}", path.display()))?;
        let path =
            path.canonicalize().with_context(|| format!("find the data directory {}", path.display()))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.with_context(|| format!("open {}", lock_path.display()))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => anyhow::bail!(
                "the data directory {} is in use by another process: stop that one, or choose another --data-dir",
                path.display()
            ),
            Err(error) => return Err(error).with_context(|| format!("lock {}", lock_path.display())),
        }
        for name in [STREAMS, DRAFTS] {
            let directory = path.join(name);
            fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
        }
        sync_dir(&path)?;
        // The directory may be new. If its parent cannot be opened, this process did not create it.
        let _ = path.parent().map(sync_dir);
        Ok(Self { path, _lock: lock })
    }

    /// The directory, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of a stream.
    #[must_use]
    pub fn stream_dir(&self, stream_uid: &str) -> PathBuf {
        self.path.join(STREAMS).join(stream_uid)
    }

    /// The directory in which a stream is created, and to which it is moved for removal. Drafts are swept at a start.
    #[must_use]
    pub fn draft_dir(&self, stream_uid: &str) -> PathBuf {
        self.path.join(DRAFTS).join(stream_uid)
    }

    /// The directories of all streams.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn stream_dirs(&self) -> anyhow::Result<Vec<PathBuf>> {
        let streams = self.path.join(STREAMS);
        let entries = fs::read_dir(&streams).with_context(|| format!("read {}", streams.display()))?;
        let paths: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        Ok(paths.into_iter().filter(|path| path.is_dir()).collect())
    }

    /// Turns a draft into a stream, durably and atomically.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn publish(&self, stream_uid: &str) -> io::Result<()> {
        fs::rename(self.draft_dir(stream_uid), self.stream_dir(stream_uid))?;
        sync_dir(&self.path.join(STREAMS))
    }

    /// Turns a stream back into a draft, durably. Its files still have to be removed.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn withdraw(&self, stream_uid: &str) -> io::Result<()> {
        fs::rename(self.stream_dir(stream_uid), self.draft_dir(stream_uid))?;
        sync_dir(&self.path.join(STREAMS))
    }

    /// Removes a stream whose creation failed, whether it was published or not.
    ///
    /// # Errors
    /// If it was published and cannot be withdrawn. Other files that stay are swept at the next start.
    pub fn discard(&self, stream_uid: &str) -> io::Result<()> {
        let draft = self.draft_dir(stream_uid);
        match fs::rename(self.stream_dir(stream_uid), &draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for done in [sync_dir(&self.path.join(STREAMS)), fs::remove_dir_all(&draft)] {
            if let Err(error) = done {
                tracing::warn!(stream_uid, %error, "the files of a failed creation stay until the next start");
            }
        }
        Ok(())
    }

    /// The key of shard iterators. Generated and stored at first use.
    ///
    /// # Errors
    /// If its file cannot be read or written.
    pub fn iterator_key(&self) -> anyhow::Result<Vec<u8>> {
        let path = self.path.join("iterator-key");
        match fs::read(&path) {
            Ok(key) => Ok(key),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key: [u8; 32] = rand::random();
                replace_file(&path, &key).with_context(|| format!("write {}", path.display()))?;
                Ok(key.to_vec())
            }
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    /// Removes the drafts that interrupted creations and deletions left.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn sweep(&self) -> anyhow::Result<()> {
        let drafts = self.path.join(DRAFTS);
        for entry in fs::read_dir(&drafts).with_context(|| format!("read {}", drafts.display()))? {
            let path = entry?.path();
            tracing::info!(path = %path.display(), "removing what an interrupted creation or deletion left");
            fs::remove_dir_all(&path).with_context(|| format!("remove {}", path.display()))?;
        }
        Ok(())
    }
}

/// Replaces a file atomically and durably. Only its owner may read it.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Syncs a directory: makes creations, renames and removals in it durable.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn directory_in_use_is_refused_by_name_and_free_again_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let held = DataDir::open(folder.path()).unwrap();
        let error = DataDir::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("in use") && error.contains(held.path().to_str().unwrap()), "{error}");
        drop(held);
        assert!(DataDir::open(folder.path()).is_ok());
    }

    #[test]
    fn iterator_key_is_kept_and_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(folder.path()).unwrap();
        let key = data_dir.iterator_key().unwrap();
        assert_eq!(key.len(), 32);
        assert_eq!(data_dir.iterator_key().unwrap(), key);
        let mode = fs::metadata(folder.path().join("iterator-key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn stream_exists_from_publish_to_withdraw_and_drafts_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(folder.path()).unwrap();
        for uid in ["kept", "left", "deleted"] {
            fs::create_dir_all(data_dir.draft_dir(uid).join("g0")).unwrap();
        }
        data_dir.publish("kept").unwrap();
        data_dir.publish("deleted").unwrap();
        data_dir.withdraw("deleted").unwrap();
        data_dir.sweep().unwrap();
        assert_eq!(data_dir.stream_dirs().unwrap(), [data_dir.stream_dir("kept")]);
        assert!(!data_dir.draft_dir("left").exists() && !data_dir.draft_dir("deleted").exists());
    }
}
