//! Measures Kinetes, its peers and what the machine allows by the same load, and writes what came out as a page.
#![allow(clippy::cast_precision_loss, reason = "what is measured is not known to 52 bits")]

mod beside;
mod cluster;
mod disk;
mod goals;
mod large_log;
mod load;
mod lost;
mod machine;
mod measurements;
mod pread;
mod progress;
mod records;
mod report;
mod run;
mod server;
mod service;
mod streams;
mod system;
mod what;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

use crate::machine::Machine;
use crate::measurements::Measurements;
use crate::progress::Progress;
use crate::report::Report;
use crate::run::Run;
use crate::system::{Programs, System};

/// Puts systems under the same load, one after the other, and writes what came out.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    programs: Programs,
    /// Folder on the disk that is to be measured; needs some GB
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Folder for benchmark.md and benchmark.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Seconds of each load
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// How often Kinetes and the floors are measured, in turns; the peers are measured once
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// GiB of the log that is opened with no cache
    #[arg(long, default_value_t = 100)]
    log_gib: u64,
    /// Only these systems
    #[arg(value_enum)]
    systems: Vec<System>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::parse();
    let machine = Machine::here(&options.data)?;
    let folder = tempfile::tempdir_in(&options.data)?;
    let mut run = Run {
        programs: options.programs,
        duration: Duration::from_secs(options.seconds),
        warm_up: Duration::from_secs(options.seconds) / 4,
        log_gib: options.log_gib,
        folder: folder.path().to_owned(),
        round: 0,
        measurements: Measurements::default(),
    };
    let order = order(&options.systems, options.rounds);
    let mut progress = Progress::new(&order, run.duration + run.warm_up);
    let mut failed = vec![];
    for (round, system) in order {
        let minutes = progress.minutes_left();
        eprintln!(
            "==> round {} of {}: {}; about {minutes} minutes left",
            round + 1,
            options.rounds,
            system.name()
        );
        run.round = round;
        if let Err(error) = run.measure(system).await {
            eprintln!("{error:#}");
            failed.push(system.name());
        }
        progress.done(system);
    }
    let mut beside_earlier = Measurements::default();
    if run.programs.earlier.is_some() && is_wanted(&options.systems, System::Earlier) {
        eprintln!("==> beside the earlier commit, in turns; about 6 minutes left");
        match beside::measure(&run).await {
            Ok(measured) => beside_earlier = measured,
            Err(error) => {
                eprintln!("{error:#}");
                failed.push(System::Earlier.name());
            }
        }
    }
    let report = Report::new(machine, run.measurements, beside_earlier);
    fs::write(options.out.join("benchmark.json"), serde_json::to_string_pretty(&report)? + "\n")?;
    fs::write(options.out.join("benchmark.md"), report.markdown())?;
    println!("{}", report.markdown());
    ensure!(failed.is_empty(), "not measured to the end, see above: {}", failed.join(", "));
    Ok(())
}

/// Which system is measured in which round, one after the other.
fn order(wanted: &[System], rounds: usize) -> Vec<(usize, System)> {
    let in_round = |round| {
        let systems = System::value_variants().iter().copied();
        let mut order: Vec<_> = systems
            .filter(|system| *system != System::Earlier && is_wanted(wanted, *system))
            .filter(|system| round == 0 || system.is_ours())
            .map(|system| (round, system))
            .collect();
        // Each is first as often as last: a machine gets slower, or faster, while a round lasts.
        if round % 2 == 1 {
            order.reverse();
        }
        order
    };
    (0..rounds).flat_map(in_round).collect()
}

/// Where none is named, all are measured.
fn is_wanted(wanted: &[System], system: System) -> bool {
    wanted.is_empty() || wanted.contains(&system)
}
