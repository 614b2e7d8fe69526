//! The catalog on disk: one JSON file, replaced whole.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::data_dir::replace_file;
use super::entry::Entry;

/// The layout that is written and read.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File<S> {
    version: u32,
    streams: S,
}

/// The streams by UID.
pub type Entries = BTreeMap<String, Entry>;

/// Reads the file; there are no streams where there is none.
///
/// # Errors
/// If it cannot be read or is no catalog of this layout. It is never taken for an empty one.
pub fn read(path: &Path) -> anyhow::Result<Entries> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Entries::new()),
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    let file: File<Vec<Entry>> = serde_json::from_slice(&bytes)
        .with_context(|| format!("the catalog {} is damaged", path.display()))?;
    anyhow::ensure!(
        file.version == VERSION,
        "the catalog {} has version {}, this program reads {VERSION}",
        path.display(),
        file.version
    );
    Ok(file.streams.into_iter().map(|entry| (entry.stream.uid.clone(), entry)).collect())
}

/// Replaces the file; when this returns the new one is durable.
///
/// # Errors
/// If it cannot be written; the old one stays then.
pub fn write(path: &Path, entries: &Entries) -> anyhow::Result<()> {
    let file = File { version: VERSION, streams: entries.values().collect::<Vec<_>>() };
    let bytes = serde_json::to_vec_pretty(&file)?;
    replace_file(path, &bytes).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::testing::stream;

    #[test]
    fn catalog_reads_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.json");
        assert_eq!(read(&path).unwrap(), Entries::new());
        let entry = Entry { stream: stream("orders"), tags: BTreeMap::new(), manifest: None };
        let entries = Entries::from([(entry.stream.uid.clone(), entry)]);
        write(&path, &entries).unwrap();
        assert_eq!(read(&path).unwrap(), entries);
    }

    #[test]
    fn damaged_catalog_is_not_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.json");
        for text in ["", "{}", "{\"version\":2,\"streams\":[]}"] {
            std::fs::write(&path, text).unwrap();
            assert!(read(&path).is_err(), "{text}");
        }
    }
}
