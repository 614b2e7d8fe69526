//! A stream of the catalog on disk: a JSON file in the stream's directory, replaced atomically.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::data_dir::replace_file;
use super::entry::Entry;

/// The name of the file.
const NAME: &str = "stream.json";
/// The version of the layout.
const VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File<E> {
    version: u32,
    entry: E,
}

/// The streams by UID. Boxed: a node of the tree has room for eleven, and half of it is empty.
pub type Entries = BTreeMap<String, Box<Entry>>;

/// Reads the stream in a directory.
///
/// # Errors
/// If it cannot be read or has another layout. An unreadable stream is never taken for an absent one.
pub fn read(directory: &Path) -> anyhow::Result<Box<Entry>> {
    let path = directory.join(NAME);
    let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let file: File<Box<Entry>> =
        serde_json::from_slice(&bytes).with_context(|| format!("{} is corrupt", path.display()))?;
    anyhow::ensure!(
        file.version == VERSION,
        "{} has version {}, this program reads {VERSION}",
        path.display(),
        file.version
    );
    anyhow::ensure!(!file.entry.stream.groups.is_empty(), "{} names no group", path.display());
    Ok(file.entry)
}

/// Replaces the file; the new one is durable when this returns.
///
/// # Errors
/// If it cannot be written: then the old one stays.
pub fn write(directory: &Path, entry: &Entry) -> anyhow::Result<()> {
    let path = directory.join(NAME);
    let bytes = serde_json::to_vec_pretty(&File { version: VERSION, entry })?;
    replace_file(&path, &bytes).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use catalog::control::Tags;

    use super::*;
    use crate::gateway::testing::stream;
    use crate::local::consumers::Consumers;

    #[test]
    fn stream_round_trips() {
        let folder = tempfile::tempdir().unwrap();
        let entry = Entry {
            stream: stream("orders"),
            tags: Tags::new(),
            consumers: Consumers::default(),
            manifest: None,
            reshards: Default::default(),
        };
        write(folder.path(), &entry).unwrap();
        assert_eq!(*read(folder.path()).unwrap(), entry);
    }

    #[test]
    fn corrupt_or_missing_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).is_err());
        for text in ["", "{}", "{\"version\":1,\"entry\":{}}"] {
            std::fs::write(folder.path().join(NAME), text).unwrap();
            assert!(read(folder.path()).is_err(), "{text}");
        }
    }
}
