//! The termination of the process.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether termination was ordered. Clones share it.
#[derive(Clone, Debug)]
pub struct Termination {
    ordered: watch::Receiver<bool>,
}

impl Termination {
    /// Listens for SIGTERM and SIGINT from now on.
    ///
    /// Call it before anything else. Without a handler the first process of a container (PID 1) ignores a signal, and
    /// any other process ends at once and drains nothing.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn on_signal() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (sender, ordered) = watch::channel(false);
        tokio::spawn(async move {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            tracing::info!(signal = name, "ending");
            sender.send_replace(true);
            // Keep the sender: a second signal changes nothing.
            sender.closed().await;
        });
        Ok(Self { ordered })
    }

    /// A termination that is ordered by setting the sender to true, or by dropping it.
    #[must_use]
    pub fn by_hand() -> (watch::Sender<bool>, Self) {
        let (sender, ordered) = watch::channel(false);
        (sender, Self { ordered })
    }

    /// Returns once termination is ordered.
    pub async fn ordered(&self) {
        // A dropped sender can order nothing any more; it counts as an order.
        let _ = self.ordered.clone().wait_for(|ordered| *ordered).await;
    }
}
