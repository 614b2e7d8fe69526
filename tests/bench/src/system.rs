//! The systems that are measured, and how each is started, with its defaults but for what is said here.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::Serialize;

use crate::cluster;
use crate::lost;
use crate::server::{End, Process, Server, free_address};

/// A system that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
pub enum System {
    /// `shard-server local`.
    Kinetes,
    /// A gateway, and a pod with all shards.
    ClusterOneGroup,
    /// A gateway, and two pods with half of the shards each.
    ClusterTwoGroups,
    /// A gateway, and four pods with a shard each, of which three hang for a while.
    ClusterFourGroups,
    /// `shard-server local` of an earlier commit, measured in turns with that of this one.
    Earlier,
    /// The floor that keeps: the least that a durable endpoint must do.
    Floor,
    /// The same in two processes: one receives, parses and decodes, the other keeps.
    FloorInTwoProcesses,
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
            Self::ClusterOneGroup => "Kinetes in the cluster, one group",
            Self::ClusterTwoGroups => "Kinetes in the cluster, two groups",
            Self::ClusterFourGroups => "Kinetes in the cluster, four groups",
            Self::Earlier => "Kinetes, earlier",
            Self::Floor => "floor: keeps, and nothing else",
            Self::FloorInTwoProcesses => "floor: keeps, in two processes",
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
        self.is_kinetes() || self.is_floor()
    }

    /// It is Kinetes, of this commit or an earlier one, in one process or several.
    #[must_use]
    pub fn is_kinetes(self) -> bool {
        self.is_local() || self.is_in_cluster()
    }

    /// It is `shard-server local`, of this commit or an earlier one.
    #[must_use]
    pub fn is_local(self) -> bool {
        matches!(self, Self::Kinetes | Self::Earlier)
    }

    /// It is a gateway and pods.
    #[must_use]
    pub fn is_in_cluster(self) -> bool {
        matches!(self, Self::ClusterOneGroup | Self::ClusterTwoGroups | Self::ClusterFourGroups)
    }

    /// It shows what the machine allows.
    #[must_use]
    pub fn is_floor(self) -> bool {
        self.is_keeping_floor() || self == Self::Http
    }

    /// It is a floor that keeps.
    #[must_use]
    pub fn is_keeping_floor(self) -> bool {
        matches!(self, Self::Floor | Self::FloorInTwoProcesses)
    }

    /// What is acknowledged is on disk.
    #[must_use]
    pub fn is_durable(self) -> bool {
        self.is_kinetes() || self.is_keeping_floor() || matches!(self, Self::Redis | Self::KafkaSynced)
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
    /// Folder with the shard-server of an earlier commit, to be measured in turns with this one
    #[arg(long, value_name = "DIR")]
    pub earlier: Option<PathBuf>,
}

impl Programs {
    /// Starts a system that keeps its data in `folder`; what it prints goes to files beside it.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn start(&self, system: System, folder: &Path) -> Result<Server> {
        fs::create_dir_all(folder)?;
        let address = free_address()?;
        let port = address.port().to_string();
        let mut command = match system {
            System::Kinetes => local(&self.binaries, address, folder),
            System::Earlier => {
                let earlier = self.earlier.as_ref().context("no --earlier: nothing to measure it by")?;
                local(earlier, address, folder)
            }
            System::ClusterOneGroup => return self.cluster(folder, 1).await,
            System::ClusterTwoGroups => return self.cluster(folder, 2).await,
            System::ClusterFourGroups => return self.cluster(folder, lost::GROUPS).await,
            System::FloorInTwoProcesses => return self.two_processes(folder).await,
            System::Floor | System::Http => {
                let mut command = self.floor(address);
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
        let log = folder.with_extension("log");
        Ok(Server::of_one(Process::start(&mut command, address, &log, End::Asked).await?))
    }

    async fn cluster(&self, folder: &Path, groups: u32) -> Result<Server> {
        cluster::start(&self.binaries.join("shard-server"), folder, groups).await
    }

    fn floor(&self, address: SocketAddr) -> Command {
        let mut command = Command::new(self.binaries.join("floor"));
        command.args(["--listen", &address.to_string()]);
        command
    }

    /// A floor that forwards, and one that keeps what it forwards.
    async fn two_processes(&self, folder: &Path) -> Result<Server> {
        let (address, store) = (free_address()?, free_address()?);
        let mut command = self.floor(store);
        command.arg("--store").arg("--keep").arg(folder);
        let log = folder.with_extension("store.log");
        let keeps = Process::start(&mut command, store, &log, End::Asked).await?;
        let mut command = self.floor(address);
        command.args(["--forward", &store.to_string()]);
        let log = folder.with_extension("log");
        let forwards = Process::start(&mut command, address, &log, End::Asked).await?;
        Ok(Server::of_several(forwards, vec![keeps], None))
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

fn local(binaries: &Path, address: SocketAddr, folder: &Path) -> Command {
    let mut command = Command::new(binaries.join("shard-server"));
    command.arg("local").args(["--listen", &address.to_string()]).arg("--data-dir").arg(folder);
    command
}
