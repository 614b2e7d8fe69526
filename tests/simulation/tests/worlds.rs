//! Every promise is kept in a thousand worlds of each kind.

use std::fmt::Debug;

use anyhow::Result;
use simulation::totals::Totals;
use simulation::{groups, world};

const SEEDS: u64 = 1_000;

fn every_promise_is_kept_and_all_is_met(totals_of: impl Fn(u64) -> Result<Totals>) {
    let mut totals = Totals::default();
    for seed in 0..SEEDS {
        match totals_of(seed) {
            Ok(world) => totals.merge(&world),
            Err(error) => panic!("{error:#}"),
        }
    }
    assert_eq!(totals.never(), Vec::<&str>::new(), "never happened in {SEEDS} worlds");
}

fn same_seed_twice_is_the_same<T: PartialEq + Debug>(outcome: impl Fn(u64) -> T) {
    for seed in 0..100 {
        assert_eq!(outcome(seed), outcome(seed), "seed {seed}");
    }
}

#[test]
fn log_keeps_every_promise_and_meets_every_fault_and_branch() {
    every_promise_is_kept_and_all_is_met(|seed| Ok(world::run(seed)?.totals));
}

#[test]
fn groups_keep_every_promise_and_meet_every_fault_and_event() {
    every_promise_is_kept_and_all_is_met(|seed| Ok(groups::run(seed)?.totals));
}

#[test]
fn same_seed_twice_is_the_same_world() {
    same_seed_twice_is_the_same(|seed| world::run(seed).unwrap());
    same_seed_twice_is_the_same(|seed| groups::run(seed).unwrap());
    assert_ne!(world::run(1).unwrap().digest, world::run(2).unwrap().digest);
    assert_ne!(groups::run(1).unwrap().digest, groups::run(2).unwrap().digest);
}
