//! Where reads run: at once where memory has what they need, else on threads that may wait for the disk.

use std::sync::Arc;

use record_log::value::Wait;
use record_log::{ReadError, Reader};
use tokio::sync::Semaphore;

use crate::protocol::Refusal;

/// The most reads of the disk that are under way at once in a process; each may hold its limit in memory. More wait.
const THREADS: usize = 4;

/// The threads of a process that read logs from the disk. Cloning shares them.
#[derive(Clone, Debug)]
pub struct ReadThreads {
    free: Arc<Semaphore>,
}

impl ReadThreads {
    /// Four threads, which the runtime starts when they are needed and ends when they are not.
    #[must_use]
    pub fn new() -> Self {
        Self { free: Arc::new(Semaphore::new(THREADS)) }
    }

    /// How many more may read at once.
    #[cfg(test)]
    pub fn free_places(&self) -> usize {
        self.free.available_permits()
    }

    /// Reads, waiting for the disk only where memory is not enough.
    ///
    /// # Errors
    /// If the log is corrupt there.
    pub async fn run<T: Send + 'static>(
        &self,
        reader: &Reader,
        read: impl Fn(&Reader, Wait) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Refusal> {
        match read(reader, Wait::Never) {
            Err(ReadError::WouldBlock) => {}
            outcome => return outcome.map_err(refusal),
        }
        let place = Arc::clone(&self.free).acquire_owned().await;
        let place = place.map_err(|error| Refusal::NotReady(error.to_string()))?;
        let reader = reader.clone();
        // The place goes with the read, which goes on where nobody waits for it any more.
        let read = move || {
            let _place = place;
            read(&reader, Wait::ForDisk)
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(outcome) => outcome.map_err(refusal),
            Err(error) => Err(Refusal::NotReady(format!("a read was dropped: {error}"))),
        }
    }
}

impl Default for ReadThreads {
    fn default() -> Self {
        Self::new()
    }
}

fn refusal(error: ReadError) -> Refusal {
    match error {
        ReadError::Corrupt(corruption) => Refusal::Corrupt(corruption.to_string()),
        ReadError::Newer(newer) => Refusal::Corrupt(newer.to_string()),
        ReadError::WouldBlock | ReadError::UnknownShard(_) => Refusal::NotReady(error.to_string()),
    }
}
