//! Lives through the worlds of many seeds and prints what happened in them; ends with an error at the first broken
//! promise.

use clap::Parser;
use simulation::totals::Totals;
use simulation::world;

/// Simulates the log on a failing disk
#[derive(Parser)]
struct Options {
    /// How many worlds
    #[arg(long, env = "SEEDS", default_value_t = 10_000)]
    seeds: u64,
    /// The first one's seed
    #[arg(long, env = "SEED", default_value_t = 0)]
    seed: u64,
}

fn main() -> anyhow::Result<()> {
    let Options { seeds, seed } = Options::parse();
    let mut totals = Totals::default();
    for seed in seed..seed + seeds {
        totals.merge(&world::run(seed)?.totals);
    }
    println!("{totals}\n{seeds} worlds, every promise kept");
    anyhow::ensure!(seeds < 1_000 || totals.never().is_empty(), "never happened: {:?}", totals.never());
    Ok(())
}
