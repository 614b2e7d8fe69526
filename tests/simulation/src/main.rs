//! Simulates the worlds of many seeds and prints the totals. Fails at the first broken promise.

use clap::{Parser, ValueEnum};
use simulation::totals::Totals;
use simulation::{groups, world};

/// Simulates the log on a failing disk, and groups on a failing network
#[derive(Parser)]
struct Options {
    /// How many worlds of each kind
    #[arg(long, env = "SEEDS", default_value_t = 10_000)]
    seeds: u64,
    /// The first one's seed
    #[arg(long, env = "SEED", default_value_t = 0)]
    seed: u64,
    /// Which kind of worlds
    #[arg(long, env = "WORLDS", value_enum, default_value_t = Worlds::All)]
    worlds: Worlds,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Worlds {
    /// One log on a disk that fails
    Log,
    /// One to five groups with routers, clocks and a network
    Groups,
    /// Both
    All,
}

fn main() -> anyhow::Result<()> {
    let Options { seeds, seed, worlds } = Options::parse();
    let mut totals = Totals::default();
    for seed in seed..seed + seeds {
        if worlds != Worlds::Groups {
            totals.merge(&world::run(seed)?.totals);
        }
        if worlds != Worlds::Log {
            totals.merge(&groups::run(seed)?.totals);
        }
    }
    println!("{totals}\n{seeds} worlds of each kind, every promise kept");
    anyhow::ensure!(seeds < 1_000 || totals.never().is_empty(), "never happened: {:?}", totals.never());
    Ok(())
}
