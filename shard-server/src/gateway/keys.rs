//! Rereads keys while the process runs.

use std::time::Duration;

use tokio::sync::watch;

/// How often keys are read again: a new key is in force everywhere after this time.
pub const PERIOD: Duration = Duration::from_secs(20);

/// What `read` gives, reread periodically. `replace` puts what was read in the place of the old, and says whether it is
/// another. If keys cannot be read, the old ones stay in force.
///
/// # Errors
/// If they cannot be read now.
pub fn follow<T: Send + Sync + 'static>(
    name: &'static str,
    read: impl Fn() -> anyhow::Result<T> + Send + 'static,
    replace: fn(&mut T, T) -> bool,
) -> anyhow::Result<watch::Receiver<T>> {
    let (sender, receiver) = watch::channel(read()?);
    tokio::spawn(async move {
        while !sender.is_closed() {
            tokio::time::sleep(PERIOD).await;
            match read() {
                Ok(keys) => drop(sender.send_if_modified(|known| replace(known, keys))),
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "the {name} stay as they were")
                }
            }
        }
    });
    Ok(receiver)
}
