//! What is under load, of one process or several: started, weighed, ended.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;

use crate::cluster::CatalogService;

/// How long a process may take to listen, or to end.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A system that listens; it ends with this value.
pub struct Server {
    /// In the order in which they end.
    processes: Vec<Process>,
    /// Played beside them, and no part of what is weighed.
    _catalog_service: Option<CatalogService>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// A system of one process.
    #[must_use]
    pub fn of_one(process: Process) -> Self {
        Self { address: process.address, processes: vec![process], _catalog_service: None }
    }

    /// A system that listens where the first of its processes does, which also ends first.
    #[must_use]
    pub fn of_several(first: Process, others: Vec<Process>, catalog_service: Option<CatalogService>) -> Self {
        let address = first.address;
        let processes = [first].into_iter().chain(others).collect();
        Self { processes, _catalog_service: catalog_service, address }
    }

    /// Seconds of processor time that all of it used so far, in and out of the kernel.
    ///
    /// # Errors
    /// If a process is no more.
    pub fn cpu_seconds(&self) -> Result<f64> {
        self.processes.iter().map(Process::cpu_seconds).sum()
    }

    /// The most bytes of memory that each process ever had, summed up.
    ///
    /// # Errors
    /// If a process is no more.
    pub fn peak_memory_bytes(&self) -> Result<u64> {
        self.processes.iter().map(|process| process.memory("VmHWM:")).sum()
    }

    /// Stops the last of its processes, so many, until what this gives goes.
    ///
    /// # Errors
    /// If one is no more.
    pub fn hang_last(&self, processes: usize) -> Result<Hanging> {
        let first = self.processes.len().saturating_sub(processes);
        let hanging: Vec<_> = self.processes[first..].iter().filter_map(Process::pid).collect();
        let hanging = Hanging(hanging);
        for pid in &hanging.0 {
            kill_process(*pid, Signal::STOP)?;
        }
        Ok(hanging)
    }

    /// The bytes of memory that all of it has.
    ///
    /// # Errors
    /// If a process is no more.
    pub fn memory_bytes(&self) -> Result<u64> {
        self.processes.iter().map(|process| process.memory("VmRSS:")).sum()
    }
}

/// Processes that were stopped: they go on when this value goes.
pub struct Hanging(Vec<Pid>);

impl Drop for Hanging {
    fn drop(&mut self) {
        for pid in &self.0 {
            kill_process(*pid, Signal::CONT).ok();
        }
    }
}

/// How a process is ended.
#[derive(Clone, Copy)]
pub enum End {
    /// It is asked to.
    Asked,
    /// It is killed: it keeps nothing, and would take its time.
    Killed,
}

/// A process; it ends with this value.
pub struct Process {
    child: Child,
    end: End,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Process {
    /// Starts a program and waits until it listens at `address`. What it prints goes to `log`.
    ///
    /// # Errors
    /// If it ends before, or does not listen within a minute.
    pub async fn start(command: &mut Command, address: SocketAddr, log: &Path, end: End) -> Result<Self> {
        let output = fs::File::create(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut process = Self { child, end, address };
        let begun = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            if let Some(status) = process.child.try_wait()? {
                bail!("{command:?} ended: {status}. {} says why", log.display());
            }
            ensure!(begun.elapsed() < PATIENCE, "{command:?} does not listen at {address}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(process)
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    fn cpu_seconds(&self) -> Result<f64> {
        let stat = self.proc_file("stat")?;
        // proc_pid_stat(5): the name, in parentheses, may hold spaces; utime and stime are fields 14 and 15.
        let (_, fields) = stat.rsplit_once(") ").context("/proc/PID/stat without a name")?;
        let ticks: f64 = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(|field| field.parse::<f64>().context("/proc/PID/stat"))
            .sum::<Result<f64>>()?;
        Ok(ticks / rustix::param::clock_ticks_per_second() as f64)
    }

    fn memory(&self, field: &str) -> Result<u64> {
        let status = self.proc_file("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).context("/proc/PID/status")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
    }

    fn proc_file(&self, name: &str) -> Result<String> {
        Ok(fs::read_to_string(format!("/proc/{}/{name}", self.child.id()))?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let signal = match self.end {
            End::Asked => Signal::TERM,
            End::Killed => Signal::KILL,
        };
        if let Some(pid) = self.pid() {
            kill_process(pid, signal).ok();
        }
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begun.elapsed() > PATIENCE {
                eprintln!("process {} does not end by SIGTERM: it is killed", self.child.id());
                self.child.kill().ok();
                self.child.wait().ok();
                return;
            }
            sleep(Duration::from_millis(5));
        }
    }
}

/// An address of this machine that nobody listens at, and that nobody else is given: not one of those from which the
/// system takes ports for connections, as one might begin at it before it is listened at.
///
/// # Errors
/// If there is none.
pub fn free_address() -> Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(10_000);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        ensure!(port < 32_768, "no port is free");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
}
