//! The order to end, as it reaches connections: those that wait for an answer get it, and then all end.

use tokio::sync::watch;

/// Gives the order.
#[derive(Debug)]
pub struct DrainOrder(watch::Sender<bool>);

/// Waits for the order; clones wait for the same one.
#[derive(Clone, Debug)]
pub struct Drain(watch::Receiver<bool>);

/// An order that was not given yet, and what waits for it.
#[must_use]
pub fn drain() -> (DrainOrder, Drain) {
    let (sender, receiver) = watch::channel(false);
    (DrainOrder(sender), Drain(receiver))
}

impl DrainOrder {
    /// Gives the order.
    pub fn give(&self) {
        self.0.send_replace(true);
    }
}

impl Drain {
    /// One that no order ever reaches.
    #[must_use]
    pub fn never() -> Self {
        drain().1
    }

    /// Returns once the order was given.
    pub async fn ordered(&mut self) {
        if self.0.wait_for(|ordered| *ordered).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
