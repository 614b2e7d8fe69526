//! The directory of a group: its identity, and its lock for one process at a time.
//!
//! ```text
//! lock                     locked (flock) by the process that uses the directory
//! group/identity.json      whose the directory is
//! group/logs/<log>/        the log
//! bootstrap/               left by an interrupted bootstrap; ignored
//! lost+found               the file system's; ignored
//! ```
//!
//! A bootstrap fills `bootstrap/`, makes it durable and renames it to `group/` as its last step. So a directory has a
//! group whole or not at all, and whatever is missing under `group/` later is corruption, not an empty volume.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use record_log::LogConfig;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::log;

const LOCK: &str = "lock";
const GROUP: &str = "group";
const BOOTSTRAP: &str = "bootstrap";
const LOST_AND_FOUND: &str = "lost+found";
const IDENTITY: &str = "identity.json";
const LOGS: &str = "logs";
const FORMAT_VERSION: u32 = 3;

/// The owner of a directory. Written once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The version of the directory's layout.
    pub format_version: u32,
    /// The UID of the stream.
    pub stream_uid: String,
    /// The group.
    pub group: String,
    /// The name of its log.
    pub log: String,
    /// The random id of this copy.
    pub replica_id: String,
}

/// The field that every version of [`Identity`] has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    format_version: u32,
}

/// Why a directory cannot be used as a group's volume.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It belongs to another group.
    #[error(
        "the volume at {} belongs to group {} of stream {} (replica {}), and this process was started for group {group} \
         of stream {stream_uid}: give it its own volume", directory.display(), found.group, found.stream_uid,
        found.replica_id
    )]
    Foreign {
        /// The directory.
        directory: PathBuf,
        /// Its owner.
        found: Box<Identity>,
        /// The stream that was expected.
        stream_uid: String,
        /// The group that was expected.
        group: String,
    },
    /// It has no group, but is not empty.
    #[error(
        "the volume at {} has no group but is not empty: it holds {names}; give an empty one, or clear it",
        directory.display()
    )]
    UnknownContent {
        /// The directory.
        directory: PathBuf,
        /// What it holds.
        names: String,
    },
    /// It is empty where a group was expected.
    #[error("the volume at {} is empty", .0.display())]
    Empty(PathBuf),
    /// Its identity is corrupt.
    #[error("{} is corrupt: {what}; nothing of the volume is served or changed", path.display())]
    CorruptIdentity {
        /// The file.
        path: PathBuf,
        /// What is corrupt.
        what: String,
    },
    /// A newer version wrote it.
    #[error(
        "{} is of format {found}, which a newer version wrote, and this version knows format {FORMAT_VERSION}: run the \
         version that wrote it, or a newer one; nothing of the volume is served or changed", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its format.
        found: u32,
    },
    /// Nothing of the log can be served, or it cannot be written.
    #[error("the log in {}: {error}", directory.display())]
    Log {
        /// The log's directory.
        directory: PathBuf,
        /// The error of the log.
        error: log::Error,
    },
    /// The system refused; a restart may help.
    #[error("cannot {action} {}: {error}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
}

impl Error {
    /// Whether stored data is corrupt: a restart does not help, and a person has to look.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        match self {
            Self::CorruptIdentity { .. } | Self::Log { error: log::Error::Corrupt(_), .. } => true,
            Self::Foreign { .. }
            | Self::UnknownContent { .. }
            | Self::Empty(_)
            | Self::Newer { .. }
            | Self::Log {
                error: log::Error::Io { .. } | log::Error::Foreign { .. } | log::Error::Newer(_),
                ..
            }
            | Self::Io { .. } => false,
        }
    }
}

/// The lock of a directory, held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a directory, which is created if its parent exists; `None` if another process, or another part
    /// of this one, holds the lock.
    pub fn try_take(directory: &Path) -> Result<Option<Self>, Error> {
        match fs::create_dir(directory) {
            Ok(()) => {
                let parent = directory.parent().filter(|path| path.is_dir()).unwrap_or(Path::new("."));
                sync_directory(parent)?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("create", directory)(error)),
        }
        let path = directory.join(LOCK);
        let options = File::options().create(true).truncate(false).write(true).open(&path);
        let file = options.map_err(failed("open", &path))?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(failed("lock", &path)(errno.into())),
        }
    }
}

/// The identity of a directory; `None` if it is empty and waits for its bootstrap.
pub fn identify(directory: &Path, stream_uid: &str, group: &str) -> Result<Option<Identity>, Error> {
    let mut unknown = Vec::new();
    let mut found = false;
    for entry in fs::read_dir(directory).map_err(failed("list", directory))? {
        let name = entry.map_err(failed("list", directory))?.file_name();
        match name.to_str() {
            Some(GROUP) => found = true,
            Some(LOCK | BOOTSTRAP | LOST_AND_FOUND) => {}
            _ => unknown.push(name.to_string_lossy().into_owned()),
        }
    }
    if found {
        let found = read_identity(directory)?;
        if found.stream_uid == stream_uid && found.group == group {
            return Ok(Some(found));
        }
        let (directory, stream_uid, group) = (directory.into(), stream_uid.into(), group.into());
        return Err(Error::Foreign { directory, found: Box::new(found), stream_uid, group });
    }
    if unknown.is_empty() {
        return Ok(None);
    }
    unknown.sort();
    Err(Error::UnknownContent { directory: directory.into(), names: unknown.join(", ") })
}

/// Whether the directory has a group, complete or not.
pub fn has_group(directory: &Path) -> bool {
    let group = directory.join(GROUP);
    group.join(IDENTITY).exists() || group.join(LOGS).exists()
}

/// Reads the identity of the directory's group.
pub fn read_identity(directory: &Path) -> Result<Identity, Error> {
    let path = directory.join(GROUP).join(IDENTITY);
    let corrupt = |what: String| Error::CorruptIdentity { path: path.clone(), what };
    let bytes = fs::read(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => corrupt("there is no such file".into()),
        _ => failed("read", &path)(error),
    })?;
    let Version { format_version } =
        serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
    if format_version > FORMAT_VERSION {
        return Err(Error::Newer { path, found: format_version });
    }
    let identity: Identity = serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
    if identity.format_version != FORMAT_VERSION {
        return Err(corrupt(format!("its format is version {}", identity.format_version)));
    }
    check_log_name(&identity.log).map_err(corrupt)?;
    identity.replica_id.parse::<Uuid>().map_err(|error| corrupt(error.to_string()))?;
    Ok(identity)
}

impl Identity {
    /// A new identity of an empty directory.
    ///
    /// # Errors
    /// With the reason, if the log's name is invalid.
    pub fn new(stream_uid: String, group: String, log: String, replica: Uuid) -> Result<Self, String> {
        check_log_name(&log)?;
        Ok(Self { format_version: FORMAT_VERSION, stream_uid, group, log, replica_id: replica.to_string() })
    }

    /// The id of this copy, as the log's checks use it.
    ///
    /// # Panics
    /// Never for an identity that [`identify`] or [`Identity::new`] gave.
    #[must_use]
    pub fn replica(&self) -> Uuid {
        self.replica_id.parse().expect("checked when it was read, or drawn")
    }

    /// The directory of the log.
    #[must_use]
    pub fn log_directory(&self, directory: &Path) -> PathBuf {
        directory.join(GROUP).join(LOGS).join(&self.log)
    }
}

/// Log names become names of directories.
fn check_log_name(name: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=63).contains(&name.len()) && name.bytes().all(allowed) {
        Ok(())
    } else {
        Err(format!("{name:?} is not a log's name: 1 to 63 lower-case letters, digits and '-'"))
    }
}

/// Bootstraps a group in an empty directory: creates its log with these shards, and its identity. After a crash in
/// between the directory counts as empty.
pub fn bootstrap(directory: &Path, identity: &Identity, log_config: &LogConfig) -> Result<(), Error> {
    let draft = directory.join(BOOTSTRAP);
    match fs::remove_dir_all(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &draft)(error)),
        _ => {}
    }
    let logs = draft.join(LOGS);
    fs::create_dir_all(&logs).map_err(failed("create", &logs))?;
    let log = logs.join(&identity.log);
    log::create(&log, log_config).map_err(|error| Error::Log { directory: log, error })?;
    sync_directory(&logs)?;

    let path = draft.join(IDENTITY);
    let bytes = serde_json::to_vec_pretty(identity).expect("an identity is plain data");
    fs::write(&path, bytes).and_then(|()| File::open(&path)?.sync_all()).map_err(failed("write", &path))?;
    sync_directory(&draft)?;

    let group = directory.join(GROUP);
    fs::rename(&draft, &group).map_err(failed("rename", &draft))?;
    sync_directory(directory)?;
    Ok(())
}

/// Syncs a directory: makes creations, renames and removals in it durable.
fn sync_directory(directory: &Path) -> Result<(), Error> {
    File::open(directory).and_then(|opened| opened.sync_all()).map_err(failed("sync", directory))
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |error| Error::Io { action, path: path.into(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(stream_uid: &str) -> Identity {
        Identity::new(stream_uid.into(), "g0".into(), "g0".into(), Uuid::from_u128(1)).unwrap()
    }

    fn log_config() -> LogConfig {
        let incarnation = Uuid::from_u128(1);
        LogConfig {
            log_id: Uuid::from_u128(2),
            incarnation,
            shards: Vec::new(),
            retention_hours: 24,
            created_ms: 1,
        }
    }

    #[test]
    fn bootstrapped_directory_has_its_identity() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(identify(directory.path(), "uid", "g0").unwrap(), None);
        bootstrap(directory.path(), &identity("uid"), &log_config()).unwrap();
        assert_eq!(identify(directory.path(), "uid", "g0").unwrap(), Some(identity("uid")));
    }

    #[test]
    fn directory_of_another_stream_or_another_group_of_it_is_refused_with_both_names() {
        let directory = tempfile::tempdir().unwrap();
        bootstrap(directory.path(), &identity("theirs"), &log_config()).unwrap();
        let others = [
            ("ours", "g0", ["stream theirs", "stream ours"]),
            ("theirs", "g1", ["belongs to group g0", "started for group g1"]),
        ];
        for (stream_uid, group, names) in others {
            let error = identify(directory.path(), stream_uid, group).unwrap_err();
            assert!(!error.is_corrupt());
            let text = error.to_string();
            assert!(names.iter().all(|name| text.contains(name)), "{text}");
        }
    }

    #[test]
    fn interrupted_bootstrap_leaves_an_empty_directory() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join(LOST_AND_FOUND)).unwrap();
        fs::create_dir_all(directory.path().join(BOOTSTRAP).join(LOGS).join("g0")).unwrap();
        assert_eq!(identify(directory.path(), "uid", "g0").unwrap(), None);
        bootstrap(directory.path(), &identity("uid"), &log_config()).unwrap();
        assert!(identify(directory.path(), "uid", "g0").unwrap().is_some());
        assert!(!directory.path().join(BOOTSTRAP).exists());
    }

    #[test]
    fn unknown_content_is_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("photo.jpg"), "x").unwrap();
        let error = identify(directory.path(), "uid", "g0").unwrap_err();
        assert!(error.to_string().contains("photo.jpg"), "{error}");
    }

    #[test]
    fn identity_of_a_newer_format_is_newer_and_not_corrupt() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join(GROUP)).unwrap();
        let identity = format!(r#"{{"formatVersion":{},"owner":"of a later version"}}"#, FORMAT_VERSION + 1);
        fs::write(directory.path().join(GROUP).join(IDENTITY), identity).unwrap();
        let error = identify(directory.path(), "uid", "g0").unwrap_err();
        assert!(!error.is_corrupt() && error.to_string().contains("newer version wrote"), "{error}");
    }

    #[test]
    fn missing_or_empty_identity_is_corrupt() {
        let directory = tempfile::tempdir().unwrap();
        bootstrap(directory.path(), &identity("uid"), &log_config()).unwrap();
        let path = directory.path().join(GROUP).join(IDENTITY);
        fs::write(&path, "").unwrap();
        assert!(identify(directory.path(), "uid", "g0").unwrap_err().is_corrupt());
        fs::remove_file(&path).unwrap();
        assert!(identify(directory.path(), "uid", "g0").unwrap_err().is_corrupt());
    }

    #[test]
    fn lock_is_held_by_one() {
        let directory = tempfile::tempdir().unwrap();
        let lock = Lock::try_take(directory.path()).unwrap();
        assert!(lock.is_some());
        assert!(Lock::try_take(directory.path()).unwrap().is_none());
        drop(lock);
        assert!(Lock::try_take(directory.path()).unwrap().is_some());
    }

    #[test]
    fn log_name_that_leaves_the_directory_is_refused() {
        for name in ["", "..", "a/b", "G0"] {
            assert!(Identity::new("uid".into(), "g0".into(), name.into(), Uuid::nil()).is_err(), "{name}");
        }
    }
}
