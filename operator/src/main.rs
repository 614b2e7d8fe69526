//! The operator's program.

use clap::Parser;
use operator::cli::{Cli, Command};
use operator::{crds, run};

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Crds { dir: Some(dir) } => Ok(crds::write(&dir)?),
        Command::Crds { dir: None } => Ok(crds::print(&mut std::io::stdout().lock())?),
        Command::Run(settings) => {
            let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
            tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).init();
            tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run::run(*settings))
        }
    }
}
