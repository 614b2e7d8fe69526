//! The systems that are measured, and how each is started, with its defaults but for what is said here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::Serialize;

use crate::server::{Server, free_address};

/// A system that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
pub enum System {
    /// `shard-server local`.
    Kinetes,
    /// The same of an earlier commit.
    Earlier,
    /// The floor that keeps: the least that a durable endpoint must do.
    Floor,
    /// The floor that answers without looking: HTTP alone.
    Http,
    /// Kinesis in memory, in Rust.
    Ferrokinesis,
    /// Kinesis in memory, in JavaScript.
    Kinesalite,
    /// Redis Streams, synced before every acknowledgement.
    Redis,
    /// Kafka, which leaves it to the kernel when records reach the disk.
    Kafka,
    /// Kafka, synced before every acknowledgement.
    KafkaSynced,
}

impl System {
    /// The name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kinetes => "Kinetes",
            Self::Earlier => "Kinetes, earlier",
            Self::Floor => "floor: keeps, and nothing else",
            Self::Http => "floor: HTTP alone",
            Self::Ferrokinesis => "ferrokinesis 0.7",
            Self::Kinesalite => "kinesalite 3.3",
            Self::Redis => "Redis Streams, appendfsync always",
            Self::Kafka => "Kafka 4.1",
            Self::KafkaSynced => "Kafka 4.1, flush.messages=1",
        }
    }

    /// It is measured in every round; the peers are in the first.
    #[must_use]
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Kinetes | Self::Earlier | Self::Floor | Self::Http)
    }

    /// It is Kinetes, of this commit or an earlier one: everything is measured of it.
    #[must_use]
    pub fn is_kinetes(self) -> bool {
        matches!(self, Self::Kinetes | Self::Earlier)
    }

    /// What was put can be read.
    #[must_use]
    pub fn gives_back(self) -> bool {
        !matches!(self, Self::Floor | Self::Http)
    }

    /// What is acknowledged is on disk.
    #[must_use]
    pub fn is_durable(self) -> bool {
        matches!(self, Self::Kinetes | Self::Earlier | Self::Floor | Self::Redis | Self::KafkaSynced)
    }
}

/// Where the programs are.
#[derive(clap::Args, Clone)]
pub struct Programs {
    /// Folder with shard-server and floor
    #[arg(long, value_name = "DIR")]
    pub binaries: PathBuf,
    /// Folder with the peers: bin/ferrokinesis, node_modules/kinesalite, kafka/*.jar
    #[arg(long, value_name = "DIR")]
    pub peers: PathBuf,
    /// Folder with the shard-server of an earlier commit, to be measured in the same rounds
    #[arg(long, value_name = "DIR")]
    pub earlier: Option<PathBuf>,
}

impl Programs {
    /// Starts a system that keeps its data in `folder`; what it prints goes to a file beside it.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(&self, system: System, folder: &Path) -> Result<Server> {
        fs::create_dir_all(folder)?;
        let address = free_address()?;
        let port = address.port().to_string();
        let mut command = match system {
            System::Kinetes | System::Earlier => {
                let binaries =
                    if system == System::Earlier { self.earlier.as_ref() } else { Some(&self.binaries) };
                let binaries = binaries.context("no --earlier: nothing to measure it by")?;
                let mut command = Command::new(binaries.join("shard-server"));
                command.arg("local").args(["--listen", &address.to_string()]).arg("--data-dir").arg(folder);
                command
            }
            System::Floor | System::Http => {
                let mut command = Command::new(self.binaries.join("floor"));
                command.args(["--listen", &address.to_string()]);
                if system == System::Floor {
                    command.arg("--keep").arg(folder);
                }
                command
            }
            System::Ferrokinesis => {
                let mut command = Command::new(self.peers.join("bin/ferrokinesis"));
                command.args(["--port", &port]);
                command
            }
            System::Kinesalite => {
                let mut command = Command::new("node");
                command.arg(self.peers.join("node_modules/kinesalite/cli.js")).args(["--port", &port]);
                command
            }
            System::Redis => {
                let mut command = Command::new(self.peers.join("bin/redis-server"));
                command.args(["--port", &port, "--save", "", "--appendonly", "yes"]);
                command.args(["--appendfsync", "always"]).arg("--dir").arg(folder);
                command
            }
            System::Kafka | System::KafkaSynced => self.broker(&port, system, folder)?,
        };
        Server::start(&mut command, address, &folder.with_extension("log"))
    }

    /// One node that is broker and controller. A heap of 1 GiB is what Kafka's own start script gives it.
    fn broker(&self, port: &str, system: System, folder: &Path) -> Result<Command> {
        let controller = free_address()?;
        let flush = if system == System::KafkaSynced { "log.flush.interval.messages=1\n" } else { "" };
        let properties = folder.join("server.properties");
        let lines = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://{controller}\n\
             controller.listener.names=CONTROLLER\nlog.dirs={}\noffsets.topic.replication.factor=1\n{flush}",
            folder.join("logs").display()
        );
        fs::write(&properties, lines)?;
        let java = |class: &str| {
            let mut command = Command::new("java");
            command.args(["-Xms1g", "-Xmx1g", "-cp"]).arg(self.peers.join("kafka/*")).arg(class);
            command
        };
        let formatted = java("kafka.tools.StorageTool")
            .args(["format", "--cluster-id", "a2luZXRlcy1iZW5jaC0wMQ", "--config"])
            .arg(&properties)
            .output()
            .context("cannot run java")?;
        let errors = String::from_utf8_lossy(&formatted.stderr).into_owned();
        ensure!(formatted.status.success(), "Kafka's storage cannot be formatted: {errors}");
        let mut command = java("kafka.Kafka");
        command.arg(&properties);
        Ok(command)
    }
}
