//! The binary: one program, a role by subcommand.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shard_server::{gateway, inspect, local, serve};
use tracing_subscriber::EnvFilter;

/// The data plane of Kinetes, Kinesis Data Streams for Kubernetes: stores records and serves the Kinesis API
///
/// What is logged is set by RUST_LOG (default: info), and goes to standard error.
#[derive(Debug, Parser)]
#[command(name = "shard-server", version)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    Serve(serve::Options),
    Gateway(gateway::Options),
    Local(local::Options),
    Inspect(inspect::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    raise_file_limit();
    let ended = match arguments.role {
        Role::Serve(options) => serve::run(options).await,
        Role::Gateway(options) => gateway::run(options).await,
        Role::Local(options) => local::run(options).await,
        Role::Inspect(options) => inspect::run(&options, &mut std::io::stdout()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Takes as many open files as the system allows: each log that is written or read has some, each connection one.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, open_files = limit.current, "the limit of open files stays as it is");
    }
}
