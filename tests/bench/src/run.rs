//! The order of a run: which system is put under which load, and what is noted of it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise};

use crate::load::{self, Puts};
use crate::lost::{self, Outcome};
use crate::measurements::{Measurement, Measurements};
use crate::pread::Taken;
use crate::records::{Record, Tally, requests};
use crate::server::Server;
use crate::service::Service;
use crate::service::kafka::Kafka;
use crate::service::kinesis::Kinesis;
use crate::service::redis::Redis;
use crate::streams;
use crate::system::{Programs, System};
use crate::what::{self, GetLoad, PUT_LOADS, PutLoad};
use crate::{disk, large_log};

/// Shards of the stream under load.
pub const SHARDS: usize = 4;

/// Shards of the stream of which only one is read.
pub const MANY_SHARDS: usize = 16;

/// The folder of a system that is measured alone.
const DATA: &str = "data";

/// Records a second while the time from put to get is measured.
const TAIL_RATE: u64 = 200;

/// A run over systems.
pub struct Run {
    /// Where the programs are.
    pub programs: Programs,
    /// How long each load lasts.
    pub duration: Duration,
    /// How long each load is warmed up.
    pub warm_up: Duration,
    /// GiB of the log that is opened with no cache.
    pub log_gib: u64,
    /// A folder on the disk to be measured; each system empties what it made in it.
    pub folder: PathBuf,
    /// Which round this is.
    pub round: usize,
    /// What was measured so far.
    pub measurements: Measurements,
}

/// A system that was just started.
pub struct Fresh<S> {
    /// Its data.
    pub folder: PathBuf,
    /// Its processes.
    pub server: Server,
    /// What speaks to it.
    pub service: Arc<S>,
}

impl Run {
    /// Measures one system.
    ///
    /// # Errors
    /// If it does not come up, refuses a record, or gives back other records than it acknowledged.
    pub async fn measure(&mut self, system: System) -> Result<()> {
        let measured = match system {
            System::ClusterFourGroups => return self.one_group_beside_hung(system).await,
            System::Redis => self.under_load(system, |address, _| Arc::new(Redis::new(address))).await,
            System::Kafka | System::KafkaSynced => {
                self.under_load(system, |address, _| Arc::new(Kafka::new(address))).await
            }
            _ => self.under_load(system, kinesis).await,
        };
        measured.with_context(|| format!("{}, round {}", system.name(), self.round))?;
        if system.is_kinetes() {
            self.one_of_many_shards(system).await?;
        }
        if system == System::Kinetes {
            self.put_to_event(system).await?;
            self.streams(system).await?;
        }
        // The log is made by the code of this commit, whose format an earlier one may not read.
        if system == System::Kinetes && self.round == 0 {
            self.large_log().await?;
        }
        Ok(())
    }

    async fn under_load<S: Service>(
        &mut self,
        system: System,
        connect: impl Fn(SocketAddr, bool) -> Arc<S>,
    ) -> Result<()> {
        let Fresh { folder, server, service } = self.fresh(system, DATA, &connect, SHARDS).await?;
        let acknowledged = self.put_loads(system, &server, &service, &connect).await?;
        if !system.is_floor() {
            load::read_back(&service, acknowledged).await?;
        }
        if !system.is_keeping_floor() {
            for load in [&what::GET_MEMORY, &what::GET_MEMORY_ONE] {
                self.catch_up_warm(system, load, &server, &service).await?;
            }
        }
        self.note_peak_memory(system, &server)?;
        drop(server);
        if system.is_kinetes() {
            for load in [&what::GET_DISK, &what::GET_DISK_ONE] {
                self.catch_up_cold(system, load, &folder, acknowledged).await?;
            }
        }
        if !system.is_floor() {
            self.put_to_get(system, connect).await?;
        }
        Ok(())
    }

    /// Puts all loads, one after the other; gives all that was acknowledged.
    async fn put_loads<S: Service>(
        &mut self,
        system: System,
        server: &Server,
        service: &Arc<S>,
        connect: impl Fn(SocketAddr, bool) -> Arc<S>,
    ) -> Result<Tally> {
        let mut acknowledged = Tally::default();
        for (seed, load) in (0..).zip(&PUT_LOADS) {
            if load.hashed && !(system.is_kinetes() || system.is_keeping_floor()) {
                continue;
            }
            let service = if load.hashed { connect(server.address, true) } else { Arc::clone(service) };
            let requests = requests(load.batch, seed);
            acknowledged.add_times(self.put_load(system, load, &requests, server, &service).await?, 1);
        }
        Ok(acknowledged)
    }

    /// Puts a load; gives all that was acknowledged.
    ///
    /// # Errors
    /// If a record is refused.
    pub async fn put_load<S: Service>(
        &mut self,
        system: System,
        load: &PutLoad,
        requests: &[Vec<Record>],
        server: &Server,
        service: &Arc<S>,
    ) -> Result<Tally> {
        let mut acknowledged =
            load::put(service, requests, load.connections, self.warm_up).await?.acknowledged;
        let before = server.cpu_seconds()?;
        let puts = load::put(service, requests, load.connections, self.duration).await?;
        let cpu_seconds = server.cpu_seconds()? - before;
        acknowledged.add_times(puts.acknowledged, 1);
        self.note_rate(system, load, &puts);
        self.note(system, &load.cpu(), cpu_seconds * 1e6 / puts.acknowledged.count as f64);
        Ok(acknowledged)
    }

    /// Catches up with what was put.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn catch_up<S: Service>(
        &mut self,
        system: System,
        load: &GetLoad,
        server: &Server,
        service: &Arc<S>,
    ) -> Result<()> {
        let before = server.cpu_seconds()?;
        let got = load::catch_up(service, load.shards, self.duration).await?;
        let cpu_seconds = server.cpu_seconds()? - before;
        self.note(system, &load.rate(), got.rate);
        self.note(system, &load.cpu(), cpu_seconds * 1e6 / got.records as f64);
        Ok(())
    }

    /// Catches up with what was read just before: of what was read earlier the kernel may have dropped a part.
    async fn catch_up_warm<S: Service>(
        &mut self,
        system: System,
        load: &GetLoad,
        server: &Server,
        service: &Arc<S>,
    ) -> Result<()> {
        load::catch_up(service, load.shards, self.duration).await?;
        self.catch_up(system, load, server, service).await
    }

    /// Catches up over what is in `folder` with none of it in the page cache, then reads everything back.
    async fn catch_up_cold(
        &mut self,
        system: System,
        load: &GetLoad,
        folder: &Path,
        acknowledged: Tally,
    ) -> Result<()> {
        forget(folder)?;
        let server = self.programs.start(system, folder).await?;
        let service = kinesis(server.address, false);
        self.catch_up(system, load, &server, &service).await?;
        load::read_back(&service, acknowledged).await
    }

    async fn put_to_get<S: Service>(
        &mut self,
        system: System,
        connect: impl Fn(SocketAddr, bool) -> Arc<S>,
    ) -> Result<()> {
        let Fresh { server: _server, service, .. } = self.fresh(system, DATA, connect, 1).await?;
        self.tail(system, &service, self.duration * 2).await?;
        if system == System::Kinetes {
            let (folder, duration) = (self.folder.clone(), self.duration * 2);
            let writing =
                tokio::task::spawn_blocking(move || disk::paced_writes(&folder, TAIL_RATE, duration));
            let took_us = writing.await??;
            self.note(System::Floor, what::WRITE_P99, took_us.value_at_quantile(0.99) as f64 / 1e3);
        }
        Ok(())
    }

    /// Measures the time from putting a record to getting it.
    ///
    /// # Errors
    /// If a record is refused or does not arrive.
    pub async fn tail<S: Service>(
        &mut self,
        system: System,
        service: &Arc<S>,
        duration: Duration,
    ) -> Result<()> {
        load::put_to_get(service, TAIL_RATE, self.warm_up).await?;
        let latency_us = load::put_to_get(service, TAIL_RATE, duration).await?;
        self.note(system, what::TAIL_P50, latency_us.value_at_quantile(0.5) as f64 / 1e3);
        self.note(system, what::TAIL_P99, latency_us.value_at_quantile(0.99) as f64 / 1e3);
        Ok(())
    }

    /// Measures the time from putting a record to its event.
    async fn put_to_event(&mut self, system: System) -> Result<()> {
        let Fresh { server: _server, service, .. } = self.fresh(system, DATA, kinesis, 1).await?;
        load::put_to_event(&service, TAIL_RATE, self.warm_up).await?;
        let latency_us = load::put_to_event(&service, TAIL_RATE, self.duration * 2).await?;
        self.note(system, what::EVENT_P50, latency_us.value_at_quantile(0.5) as f64 / 1e3);
        self.note(system, what::EVENT_P99, latency_us.value_at_quantile(0.99) as f64 / 1e3);
        Ok(())
    }

    async fn one_of_many_shards(&mut self, system: System) -> Result<()> {
        let Fresh { folder, server, service } = self.fresh(system, DATA, kinesis, MANY_SHARDS).await?;
        let puts = load::put(&service, &requests(500, 0), 8, self.duration).await?;
        load::read_back(&service, puts.acknowledged).await?;
        self.catch_up_warm(system, &what::GET_MEMORY_ONE_OF_16, &server, &service).await?;
        drop(server);
        self.catch_up_cold(system, &what::GET_DISK_ONE_OF_16, &folder, puts.acknowledged).await?;
        if system == System::Kinetes {
            let duration = self.duration;
            let reading = tokio::task::spawn_blocking(move || {
                let taken = Taken::of_first_shard(&folder)?;
                forget(&folder)?;
                taken.records_a_second(duration)
            });
            let rate = reading.await??;
            self.note(System::Floor, what::PREAD_ONE_OF_16, rate);
        }
        Ok(())
    }

    /// Puts to one group of four, before and while the other three hang.
    async fn one_group_beside_hung(&mut self, system: System) -> Result<()> {
        let Fresh { server, service, .. } = self.fresh(system, DATA, kinesis, lost::GROUPS as usize).await?;
        let Outcome { before, beside_hung, recovery } =
            lost::measure(&server, &service, self.duration * 3).await?;
        for (load, puts) in [(what::ONE_GROUP, before), (what::ONE_GROUP_BESIDE_HUNG, beside_hung)] {
            self.note_rate(system, &load, &puts);
        }
        self.note(system, what::RECOVERY, recovery.as_secs_f64());
        self.note_peak_memory(system, &server)
    }

    /// Starts over a large log, and reads in its middle, with nothing cached.
    async fn large_log(&mut self) -> Result<()> {
        let Fresh { folder, server, .. } = self.fresh(System::Kinetes, DATA, kinesis, SHARDS).await?;
        drop(server);
        let middle_ms = large_log::fill(&folder, self.log_gib)?;
        let caches = large_log::drop_caches();
        let begun = Instant::now();
        let server = self.programs.start(System::Kinetes, &folder).await?;
        let seconds = begun.elapsed().as_secs_f64();
        self.note(System::Kinetes, &what::start_seconds(self.log_gib, caches), seconds);
        let begun = Instant::now();
        kinesis(server.address, false).read_at(middle_ms).await?;
        let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
        self.note(System::Kinetes, &what::middle_milliseconds(self.log_gib, caches), milliseconds);
        Ok(())
    }

    /// Creates streams, and looks at what they cost.
    ///
    /// # Errors
    /// If one cannot be created.
    pub async fn streams(&mut self, system: System) -> Result<()> {
        let folder = self.fresh_folder(DATA)?;
        let server = self.programs.start(system, &folder).await?;
        streams::create(server.address, 100).await?;
        let idle = streams::idle_memory_bytes(&server).await?;
        self.note(system, what::IDLE_MEMORY, megabytes(idle));
        drop(server);

        let folder = self.fresh_folder(DATA)?;
        let server = self.programs.start(system, &folder).await?;
        let took = streams::create(server.address, 1000).await?;
        self.note(system, what::THOUSAND_SECONDS, took.as_secs_f64());
        self.note(system, what::THOUSAND_DISK, megabytes(streams::disk_bytes(&folder)?));
        let idle = streams::idle_memory_bytes(&server).await?;
        self.note(system, what::THOUSAND_MEMORY, megabytes(idle));
        drop(server);
        let begun = Instant::now();
        let _server = self.programs.start(system, &folder).await?;
        self.note(system, what::THOUSAND_RESTART, begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// An empty folder; what had its name is gone.
    fn fresh_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        Ok(folder)
    }

    /// A system over an empty folder of this name, with a stream.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn fresh<S: Service>(
        &self,
        system: System,
        folder: &str,
        connect: impl Fn(SocketAddr, bool) -> Arc<S>,
        shards: usize,
    ) -> Result<Fresh<S>> {
        let folder = self.fresh_folder(folder)?;
        let server = self.programs.start(system, &folder).await?;
        let service = connect(server.address, false);
        service.create(u32::try_from(shards)?).await?;
        Ok(Fresh { folder, server, service })
    }

    fn note_rate(&mut self, system: System, load: &PutLoad, puts: &Puts) {
        self.note(system, &load.rate(), puts.rate);
        self.note(system, &load.p99(), puts.latency_us.value_at_quantile(0.99) as f64 / 1e3);
    }

    /// Notes the most memory that a system ever had.
    ///
    /// # Errors
    /// If it is no more.
    pub fn note_peak_memory(&mut self, system: System, server: &Server) -> Result<()> {
        self.note(system, what::PEAK_MEMORY, megabytes(server.peak_memory_bytes()?));
        Ok(())
    }

    fn note(&mut self, system: System, what: &str, value: f64) {
        eprintln!("{}: {what}: {value:.2}", system.name());
        self.measurements.0.push(Measurement { system, what: what.to_owned(), value, round: self.round });
    }
}

/// What speaks to a Kinesis endpoint; `hashed` as in [`PutLoad`].
pub fn kinesis(address: SocketAddr, hashed: bool) -> Arc<Kinesis> {
    Arc::new(Kinesis { address, stream: "bench".to_owned(), hashed })
}

/// Has the kernel drop what it caches of the files below a folder.
///
/// # Errors
/// If a file cannot be opened.
pub fn forget(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            forget(&path)?;
        } else {
            let file = File::open(&path)?;
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
