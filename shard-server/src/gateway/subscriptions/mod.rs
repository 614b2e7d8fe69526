//! The subscriptions of this gateway: who has which, and how they are stopped. Whose turn one is, [`turns`] decides.
//!
//! Every gateway keeps its own. A consumer that subscribes to a shard at two gateways has two subscriptions.

mod turns;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::IntGauge;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::admin::Limits;
use turns::Turns;
pub use turns::{NoTurn, SubscriptionKey};

/// The most subscriptions of a gateway, and the most consumers that it remembers. Even where all of them follow shards of
/// one pod, they leave a quarter of the streams of its connection to other calls.
const MOST: usize = Limits::PARTS.streams as usize / 4 * 3;

/// Why a subscription is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Another one has taken over.
    TakenOver,
    /// Its consumer was deregistered.
    ConsumerGone,
    /// The process ends.
    Draining,
}

/// All subscriptions. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Subscriptions {
    state: Arc<Mutex<State>>,
    running: IntGauge,
}

#[derive(Debug)]
struct State {
    turns: Turns<watch::Sender<Option<Stop>>>,
    is_draining: bool,
    /// The ARNs of consumers that the catalog service has found.
    consumers: HashSet<String>,
}

/// The place of a subscription that runs. When it is dropped, the client has left.
#[derive(Debug)]
pub struct Place {
    subscriptions: Subscriptions,
    key: SubscriptionKey,
    number: u64,
    stop: watch::Receiver<Option<Stop>>,
    has_ended: bool,
}

impl Subscriptions {
    /// None yet; a gauge shows how many run.
    #[must_use]
    pub fn new(running: IntGauge) -> Self {
        let (turns, is_draining, consumers) = (Turns::new(MOST), false, HashSet::new());
        Self { state: Arc::new(Mutex::new(State { turns, is_draining, consumers })), running }
    }

    /// Whether a subscription may begin now.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, key: &SubscriptionKey) -> Result<(), NoTurn> {
        self.state().turns.check(key, Instant::now())
    }

    /// Begins a subscription, and stops the one that it takes over.
    ///
    /// # Errors
    /// If it may not begin.
    pub fn begin(&self, key: SubscriptionKey) -> Result<Place, NoTurn> {
        let mut state = self.state();
        let (sender, stop) = watch::channel(state.is_draining.then_some(Stop::Draining));
        let (number, before) = state.turns.begin(key.clone(), sender, Instant::now())?;
        if let Some(before) = before {
            before.send_replace(Some(Stop::TakenOver));
        }
        self.running.inc();
        Ok(Place { subscriptions: self.clone(), key, number, stop, has_ended: false })
    }

    /// Remembers that a consumer exists.
    pub fn remember(&self, consumer_arn: &str) {
        let mut state = self.state();
        if state.consumers.len() < MOST {
            state.consumers.insert(consumer_arn.into());
        }
    }

    /// Whether the catalog service has found a consumer before.
    #[must_use]
    pub fn remembers(&self, consumer_arn: &str) -> bool {
        self.state().consumers.contains(consumer_arn)
    }

    /// Forgets consumers that are gone, by their ARNs, and stops their subscriptions.
    pub fn forget(&self, is_gone: impl Fn(&str) -> bool) {
        let mut state = self.state();
        state.consumers.retain(|arn| !is_gone(arn));
        for (_, sender) in state.turns.running().filter(|(key, _)| is_gone(&key.consumer_arn)) {
            sender.send_replace(Some(Stop::ConsumerGone));
        }
    }

    /// Stops all of them, and whatever begins later.
    pub fn drain(&self) {
        let mut state = self.state();
        state.is_draining = true;
        for (_, sender) in state.turns.running() {
            sender.send_replace(Some(Stop::Draining));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// What becomes `Some` when the subscription is to stop.
    #[must_use]
    pub fn stop(&self) -> watch::Receiver<Option<Stop>> {
        self.stop.clone()
    }

    /// The subscription has ended by itself.
    pub fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.subscriptions.state();
        match self.has_ended {
            true => state.turns.end(&self.key, self.number),
            false => state.turns.leave(&self.key, self.number),
        }
        self.subscriptions.running.dec();
    }
}
