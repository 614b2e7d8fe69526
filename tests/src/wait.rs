//! Waiting for a condition, with a limit.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const POLL: Duration = Duration::from_millis(200);

/// Asks until the answer is something, at most `limit`.
///
/// # Errors
/// If nothing came in time, naming `what`, and the last error if asking failed.
pub fn until<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        let answer = ask();
        match answer {
            Ok(Some(value)) => return Ok(value),
            Ok(None) if Instant::now() < end => {}
            Err(_) if Instant::now() < end => {}
            Ok(None) => bail!("not within {limit:?}: {what}"),
            Err(error) => return Err(error.context(format!("not within {limit:?}: {what}"))),
        }
        std::thread::sleep(POLL);
    }
}
