//! Every promise is kept in a thousand worlds.

use simulation::totals::Totals;
use simulation::world;

const SEEDS: u64 = 1_000;

#[test]
fn every_promise_is_kept_and_every_fault_and_branch_is_met() {
    let mut totals = Totals::default();
    for seed in 0..SEEDS {
        match world::run(seed) {
            Ok(outcome) => totals.merge(&outcome.totals),
            Err(error) => panic!("{error:#}"),
        }
    }
    assert_eq!(totals.never(), Vec::<&str>::new(), "never happened in {SEEDS} worlds");
}

#[test]
fn same_seed_twice_is_the_same_world() {
    for seed in 0..100 {
        let (once, again) = (world::run(seed).unwrap(), world::run(seed).unwrap());
        assert_eq!(once, again, "seed {seed}");
    }
    assert_ne!(world::run(1).unwrap().digest, world::run(2).unwrap().digest);
}
