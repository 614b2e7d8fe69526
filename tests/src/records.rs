//! Records put and read by boto3, as an application does, and the checker over what it saw.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::Installation;
use crate::shell::run;

/// One stream's records: those acknowledged so far are remembered in a file, with their sequence numbers.
#[derive(Debug)]
pub struct Records {
    endpoint: String,
    stream: String,
    acknowledged: PathBuf,
}

impl Records {
    /// Of the stream with this AWS name; nothing is acknowledged yet.
    ///
    /// # Errors
    /// If an older file of acknowledged records is there and cannot be removed.
    pub fn of(installation: &Installation, stream: &str) -> Result<Self> {
        let acknowledged = std::env::temp_dir().join(format!("kinetes-acknowledged-{stream}.jsonl"));
        if acknowledged.exists() {
            std::fs::remove_file(&acknowledged)?;
        }
        Ok(Self { endpoint: installation.endpoint(), stream: stream.into(), acknowledged })
    }

    /// Puts so many records, over 50 partition keys, each with distinct data. All must be acknowledged.
    ///
    /// # Errors
    /// If one is not.
    pub fn put(&self, count: u32) -> Result<()> {
        self.client("put", &["--count", &count.to_string()]).map(drop)
    }

    /// Reads all shards from their trim horizon to their tip and checks every acknowledged record: there once, with
    /// its data, under its sequence number, in order by shard and by partition key; and no other record.
    ///
    /// Gives how many there are.
    ///
    /// # Errors
    /// If the check fails, saying which record.
    pub fn check(&self) -> Result<u32> {
        self.client("check", &[])?.trim().parse().context("the client printed no count")
    }

    /// [`Records::check`] of a stream in which the record of this number, and what is stored with it, is corrupt: that
    /// is refused, and all other records are there.
    ///
    /// # Errors
    /// If the check fails, saying which record.
    pub fn check_around(&self, corrupt: u32) -> Result<u32> {
        let answer = self.client("check", &["--corrupt", &corrupt.to_string()])?;
        answer.trim().parse().context("the client printed no count")
    }

    /// [`Records::check`] of a stream in which its loss is accepted: it is passed over.
    ///
    /// # Errors
    /// If the check fails, saying which record.
    pub fn check_without(&self, lost: u32) -> Result<u32> {
        let answer = self.client("check", &["--lost", &lost.to_string()])?;
        answer.trim().parse().context("the client printed no count")
    }

    fn client(&self, command: &str, arguments: &[&str]) -> Result<String> {
        let python = std::env::var("KINETES_PYTHON").context("KINETES_PYTHON is not set")?;
        let acknowledged = self.acknowledged.to_string_lossy();
        let common = [
            "tests/clients/records.py",
            command,
            "--endpoint",
            &self.endpoint,
            "--stream",
            &self.stream,
            "--acknowledged",
            &acknowledged,
        ];
        Ok(run(&format!("{python}/bin/python"), &[&common, arguments].concat())?)
    }
}
