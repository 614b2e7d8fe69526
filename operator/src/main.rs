//! The operator's program.

use std::process::ExitCode;

use clap::Parser;
use operator::cli::{Cli, Command};
use operator::settings::Settings;
use operator::{crds, run, signals};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Crds { dir: Some(dir) } => crds::write(&dir).map_err(Into::into),
        Command::Crds { dir: None } => crds::print(&mut std::io::stdout().lock()).map_err(Into::into),
        Command::Signals => {
            print!("{}", signals::page());
            Ok(())
        }
        Command::Run(settings) => run(*settings),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line, which the kubelet keeps as the pod's last words.
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: Settings) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run::run(settings))
}
