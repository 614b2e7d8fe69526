//! A network between routers, groups and the catalog: it delays, drops, repeats and reorders, and is cut for a while.

use std::collections::BTreeMap;

use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::faults::happens;

/// A sender or receiver of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// The catalog's service, which also sends control calls.
    Catalog,
    /// A router.
    Router(usize),
    /// The process at this address, which may belong to different groups at different times.
    Pod(usize),
}

/// How often faults hit a message, each as one in so many; 0 is never.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetworkFaults {
    /// A message is dropped.
    pub drop: u32,
    /// A message arrives twice.
    pub repeat: u32,
    /// A message takes seconds, so that later ones pass it.
    pub slow: u32,
}

/// The journey of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journey {
    /// The delay of each of its arrivals, in milliseconds.
    pub delays_ms: Vec<u64>,
    /// Whether a cut dropped it.
    pub cut: bool,
}

/// The network.
#[derive(Debug)]
pub struct Network {
    faults: NetworkFaults,
    /// Pairs of nodes that are cut off from each other, in both directions, with the true time at which that ends.
    cuts: BTreeMap<(Node, Node), u64>,
}

impl Network {
    /// A network with these faults.
    #[must_use]
    pub fn new(faults: NetworkFaults) -> Self {
        Self { faults, cuts: BTreeMap::new() }
    }

    /// Cuts two nodes off from each other until then.
    pub fn cut(&mut self, one: Node, other: Node, until_ms: u64) {
        self.cuts.insert((one.min(other), one.max(other)), until_ms);
    }

    /// Draws the journey of a message.
    pub fn send(&self, random: &mut StdRng, from: Node, to: Node, now_ms: u64) -> Journey {
        let until_ms = self.cuts.get(&(from.min(to), from.max(to))).copied().unwrap_or_default();
        let dropped = happens(random, self.faults.drop);
        let repeated = happens(random, self.faults.repeat);
        let mut delay_ms = || match happens(random, self.faults.slow) {
            true => random.random_range(500..6_000),
            false => random.random_range(1..20),
        };
        let (first_ms, second_ms) = (delay_ms(), delay_ms());
        let mut journey = Journey { delays_ms: Vec::new(), cut: now_ms < until_ms };
        if !journey.cut && !dropped {
            journey.delays_ms.push(first_ms);
            journey.delays_ms.extend(repeated.then_some(first_ms + second_ms));
        }
        journey
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn cut_drops_messages_in_both_directions_until_it_ends() {
        let mut network = Network::new(NetworkFaults::default());
        let mut random = StdRng::seed_from_u64(1);
        network.cut(Node::Router(0), Node::Pod(1), 100);
        let mut cut = |from, to, now_ms| network.send(&mut random, from, to, now_ms).cut;
        assert!(cut(Node::Router(0), Node::Pod(1), 99));
        assert!(cut(Node::Pod(1), Node::Router(0), 99));
        assert!(!cut(Node::Router(1), Node::Pod(1), 99));
        assert!(!cut(Node::Router(0), Node::Pod(1), 100));
    }
}
