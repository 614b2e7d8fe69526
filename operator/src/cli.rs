//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::settings::Settings;

/// Makes streams of DataStream objects: StatefulSets of storage pods, and the catalog that gateways follow.
///
/// RUST_LOG says what is logged (default: info).
#[derive(Parser, Debug)]
#[command(name = "operator", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the controllers and the catalog service, until SIGTERM
    Run(Box<Settings>),
    /// Print the custom resource definitions as YAML
    Crds {
        /// Write one file for each into this folder instead
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Print the list of conditions, reasons and metrics as Markdown
    Signals,
}
