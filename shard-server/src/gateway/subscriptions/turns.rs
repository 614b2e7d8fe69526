//! Whose turn a subscription is. Pure.
//!
//! A consumer has one subscription to a shard. For five seconds after a call another one is refused; later it takes over
//! (AWS API reference, SubscribeToShard).

use std::collections::HashMap;
use std::time::Duration;

use catalog::ShardId;
use tokio::time::Instant;

/// How long a consumer may not subscribe to a shard again.
const EXCLUSIVE: Duration = Duration::from_secs(5);

/// Names a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionKey {
    /// The ARN of the consumer.
    pub consumer_arn: String,
    /// The shard.
    pub shard: ShardId,
}

/// The subscriptions that run, each with a handle, and those that began within the last five seconds.
#[derive(Debug)]
pub struct Turns<H> {
    turns: HashMap<SubscriptionKey, Turn<H>>,
    most: usize,
    last_number: u64,
}

#[derive(Debug)]
struct Turn<H> {
    number: u64,
    begun: Instant,
    /// Absent once the client has left.
    running: Option<H>,
}

/// Why a subscription does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTurn {
    /// Another one has begun less than five seconds ago.
    Exclusive,
    /// Too many run.
    TooMany,
}

impl<H> Turns<H> {
    /// At most so many.
    pub fn new(most: usize) -> Self {
        Self { turns: HashMap::new(), most, last_number: 0 }
    }

    /// Whether five seconds have passed since another call.
    ///
    /// # Errors
    /// If not.
    pub fn check(&self, key: &SubscriptionKey, now: Instant) -> Result<(), NoTurn> {
        let is_exclusive = self.turns.get(key).is_some_and(|turn| turn.is_exclusive(now));
        if is_exclusive { Err(NoTurn::Exclusive) } else { Ok(()) }
    }

    /// Begins a subscription. Returns its number, and the handle of the one that it takes over.
    ///
    /// # Errors
    /// If it may not begin.
    pub fn begin(
        &mut self,
        key: SubscriptionKey,
        handle: H,
        now: Instant,
    ) -> Result<(u64, Option<H>), NoTurn> {
        self.turns.retain(|_, turn| turn.running.is_some() || turn.is_exclusive(now));
        self.check(&key, now)?;
        if self.turns.len() >= self.most && !self.turns.contains_key(&key) {
            return Err(NoTurn::TooMany);
        }
        self.last_number += 1;
        let turn = Turn { number: self.last_number, begun: now, running: Some(handle) };
        let before = self.turns.insert(key, turn);
        Ok((self.last_number, before.and_then(|turn| turn.running)))
    }

    /// The client of a subscription has left. For AWS that makes nobody else's turn come sooner.
    pub fn leave(&mut self, key: &SubscriptionKey, number: u64) {
        if let Some(turn) = self.turns.get_mut(key).filter(|turn| turn.number == number) {
            turn.running = None;
        }
    }

    /// A subscription has ended by itself: its client may come back at once.
    pub fn end(&mut self, key: &SubscriptionKey, number: u64) {
        if self.turns.get(key).is_some_and(|turn| turn.number == number) {
            self.turns.remove(key);
        }
    }

    /// The handles of those that run.
    pub fn running(&self) -> impl Iterator<Item = (&SubscriptionKey, &H)> {
        self.turns.iter().filter_map(|(key, turn)| Some((key, turn.running.as_ref()?)))
    }
}

impl<H> Turn<H> {
    fn is_exclusive(&self, now: Instant) -> bool {
        now < self.begun + EXCLUSIVE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    fn key(consumer: &str) -> SubscriptionKey {
        SubscriptionKey { consumer_arn: consumer.into(), shard: ShardId::FIRST }
    }

    fn running<'a>(turns: &Turns<&'a str>) -> Vec<&'a str> {
        let mut running: Vec<_> = turns.running().map(|(_, handle)| *handle).collect();
        running.sort_unstable();
        running
    }

    #[test]
    fn second_subscription_is_refused_for_five_seconds_and_then_takes_over() {
        let (mut turns, start) = (Turns::new(9), Instant::now());
        assert_eq!(turns.begin(key("a"), "first", start), Ok((1, None)));
        assert_eq!(turns.check(&key("a"), start + EXCLUSIVE - MOMENT), Err(NoTurn::Exclusive));
        assert_eq!(turns.begin(key("a"), "x", start + EXCLUSIVE - MOMENT), Err(NoTurn::Exclusive));
        assert_eq!(running(&turns), ["first"]);
        assert_eq!(turns.begin(key("a"), "second", start + EXCLUSIVE), Ok((2, Some("first"))));
        // That the first one ends now is nothing to the second.
        turns.end(&key("a"), 1);
        turns.leave(&key("a"), 1);
        assert_eq!(running(&turns), ["second"]);
    }

    #[test]
    fn other_consumers_and_shards_have_turns_of_their_own() {
        let (mut turns, start) = (Turns::new(9), Instant::now());
        let other_shard = SubscriptionKey { shard: ShardId::new(1).unwrap(), ..key("a") };
        for (key, handle) in [(key("a"), "a"), (key("b"), "b"), (other_shard, "a1")] {
            assert!(turns.begin(key, handle, start).is_ok());
        }
        assert_eq!(running(&turns), ["a", "a1", "b"]);
    }

    #[test]
    fn client_that_leaves_waits_for_the_five_seconds_and_one_whose_subscription_ended_does_not() {
        let (mut turns, start) = (Turns::new(9), Instant::now());
        turns.begin(key("a"), "left", start).unwrap();
        turns.leave(&key("a"), 1);
        assert_eq!(turns.begin(key("a"), "x", start + MOMENT), Err(NoTurn::Exclusive));
        assert_eq!(turns.begin(key("a"), "back", start + EXCLUSIVE), Ok((2, None)));
        turns.end(&key("a"), 2);
        assert_eq!(turns.begin(key("a"), "again", start + EXCLUSIVE), Ok((3, None)));
    }

    #[test]
    fn subscriptions_are_bounded_and_those_that_were_left_are_forgotten() {
        let (mut turns, start) = (Turns::new(2), Instant::now());
        turns.begin(key("a"), "a", start).unwrap();
        turns.begin(key("b"), "b", start).unwrap();
        assert_eq!(turns.begin(key("c"), "c", start + EXCLUSIVE), Err(NoTurn::TooMany));
        // Taking over needs no more room.
        assert_eq!(turns.begin(key("a"), "a2", start + EXCLUSIVE), Ok((3, Some("a"))));
        turns.leave(&key("b"), 2);
        assert_eq!(turns.begin(key("c"), "c", start + EXCLUSIVE), Ok((4, None)));
    }
}
