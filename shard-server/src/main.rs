//! The binary: one program, a role by subcommand.

use std::process::ExitCode;
use std::time::Duration;

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

/// How long tasks that wait for a disk may delay the end of the process.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    raise_file_limit();
    keep_freed_memory();
    match run(arguments.role) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(role: Role) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(async {
        match role {
            Role::Serve(options) => serve::run(options).await,
            Role::Gateway(options) => gateway::run(options).await,
            Role::Local(options) => local::run(options).await,
            Role::Inspect(options) => inspect::run(&options, &mut std::io::stdout()),
        }
    });
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    ended
}

/// Raises the limit of open files to what the system allows: each log in use has some, each connection one.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, open_files = limit.current, "the limit of open files stays as it is");
    }
}

/// Has glibc keep up to 8 MiB of freed memory at the end of each of its heaps: twice the size of the largest block that was
/// mapped and freed. Else it gives pieces of answers back to the kernel and takes them again with each answer, which
/// `perf stat --event page-faults --pid` shows while `make bench` has 4 shards read from memory: 20,000 a second, or none.
fn keep_freed_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(4 << 20)));
}
