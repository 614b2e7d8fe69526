//! Rereads the token keys while the process runs.

use std::time::Duration;

use tokio::sync::watch;

use super::token::{KeyFiles, TokenKeys};

/// How often the files are read again: a new key is in force everywhere after this time.
const PERIOD: Duration = Duration::from_secs(20);

/// The keys in these files, reread periodically. If they cannot be read, the old keys stay in force.
///
/// # Errors
/// If they cannot be read now.
pub fn follow(files: KeyFiles) -> anyhow::Result<watch::Receiver<TokenKeys>> {
    let (sender, receiver) = watch::channel(files.read()?);
    tokio::spawn(async move {
        while !sender.is_closed() {
            tokio::time::sleep(PERIOD).await;
            match files.read() {
                Ok(keys) => drop(sender.send_replace(keys)),
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "the iterator keys stay as they were")
                }
            }
        }
    });
    Ok(receiver)
}
