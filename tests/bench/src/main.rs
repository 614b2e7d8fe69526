//! Measures Kinetes, its peers and what the machine allows by the same load, and writes what came out as a page.
#![allow(clippy::cast_precision_loss, reason = "what is measured is not known to 52 bits")]

mod load;
mod machine;
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

use anyhow::Result;
use clap::Parser;

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
    /// How often Kinetes and the floor are measured, in turns; the peers are measured once
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only these systems
    #[arg(value_enum)]
    systems: Vec<System>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::parse();
    let folder = tempfile::tempdir_in(&options.data)?;
    let mut run = Run {
        programs: options.programs,
        duration: Duration::from_secs(options.seconds),
        warm_up: Duration::from_secs(1),
        folder: folder.path().to_owned(),
        round: 0,
        measurements: vec![],
    };
    for round in 0..options.rounds {
        run.round = round;
        for system in <System as clap::ValueEnum>::value_variants() {
            let is_ours = matches!(system, System::Kinetes | System::Floor | System::Http);
            let is_wanted = options.systems.is_empty() || options.systems.contains(system);
            if is_wanted && (is_ours || round == 0) {
                run.measure(*system).await?;
            }
        }
    }
    let report = Report::new(run.measurements);
    fs::write(options.out.join("benchmark.json"), serde_json::to_string_pretty(&report)? + "\n")?;
    fs::write(options.out.join("benchmark.md"), report.markdown())?;
    println!("{}", report.markdown());
    Ok(())
}
