//! The settings of the account on disk, by region: a JSON file in the data directory, replaced atomically.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use catalog::control::Commitment;
use serde::{Deserialize, Serialize};

use super::data_dir::replace_file;

/// The name of the file.
const NAME: &str = "account.json";
/// The version of the layout.
const VERSION: u32 = 1;

/// The settings of the account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    version: u32,
    /// The commitment in each region that ever had one.
    commitments: BTreeMap<String, Commitment>,
    #[serde(skip)]
    path: PathBuf,
}

impl Account {
    /// Reads the settings in a data directory; the first settings if there is no file.
    ///
    /// # Errors
    /// If the file cannot be read, or has another layout.
    pub fn read(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join(NAME);
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { version: VERSION, commitments: BTreeMap::new(), path });
            }
            read => read.with_context(|| format!("read {}", path.display()))?,
        };
        let account: Self =
            serde_json::from_slice(&bytes).with_context(|| format!("{} is corrupt", path.display()))?;
        anyhow::ensure!(
            account.version == VERSION,
            "{} has version {}, this program reads {VERSION}",
            path.display(),
            account.version
        );
        Ok(Self { path, ..account })
    }

    /// The commitment in a region.
    pub fn commitment(&self, region: &str) -> Commitment {
        self.commitments.get(region).copied().unwrap_or_default()
    }

    /// These settings with another commitment in a region.
    pub fn with_commitment(&self, region: &str, commitment: Commitment) -> Self {
        let mut account = self.clone();
        account.commitments.insert(region.into(), commitment);
        account
    }

    /// Replaces the file; the new one is durable when this returns.
    ///
    /// # Errors
    /// If it cannot be written: then the old one stays.
    pub fn write(&self) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec_pretty(self)?;
        replace_file(&self.path, &bytes).with_context(|| format!("write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_kept_by_region() {
        let folder = tempfile::tempdir().unwrap();
        let on = Commitment::default().updated(true, 1_790_000_000_000);
        let account = Account::read(folder.path()).unwrap().with_commitment("eu-west-1", on);
        account.write().unwrap();
        let read = Account::read(folder.path()).unwrap();
        assert_eq!(read, account);
        assert_eq!(read.commitment("us-east-1"), Commitment::default());
        assert_eq!(read.commitment("eu-west-1"), on);
    }

    #[test]
    fn corrupt_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "{}", "{\"version\":2,\"commitments\":{}}"] {
            std::fs::write(folder.path().join(NAME), text).unwrap();
            assert!(Account::read(folder.path()).is_err(), "{text}");
        }
    }
}
