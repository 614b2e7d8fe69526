//! The order to end.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Knows whether the process was told to end. Clones share the order.
#[derive(Clone, Debug)]
pub struct Termination {
    ordered: watch::Receiver<bool>,
}

impl Termination {
    /// Listens for SIGTERM and SIGINT from now on.
    ///
    /// Call it first of all: the first process of a container (PID 1) ignores a signal that it has no handler for,
    /// and one without a handler elsewhere ends at once with nothing drained.
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
            // Kept, so that the order stands and a second signal changes nothing.
            sender.closed().await;
        });
        Ok(Self { ordered })
    }

    /// An order that is given by setting the sender to true, or by dropping it.
    #[must_use]
    pub fn by_hand() -> (watch::Sender<bool>, Self) {
        let (sender, ordered) = watch::channel(false);
        (sender, Self { ordered })
    }

    /// Returns once the process was told to end.
    pub async fn ordered(&self) {
        // A sender that is gone will never give the order otherwise: it counts as given.
        let _ = self.ordered.clone().wait_for(|ordered| *ordered).await;
    }
}
