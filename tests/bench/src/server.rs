//! A process under load: started, weighed, ended.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to listen, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that listens; it ends with this value.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts a program and waits until it listens at `address`. What it prints goes to `log`.
    ///
    /// # Errors
    /// If it ends before, or does not listen within a minute.
    pub fn start(command: &mut Command, address: SocketAddr, log: &Path) -> Result<Self> {
        let output = fs::File::create(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut server = Self { child, address };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("{command:?} ended: {status}. {} says why", log.display());
            }
            ensure!(begun.elapsed() < PATIENCE, "{command:?} does not listen at {address}");
            sleep(Duration::from_millis(2));
        }
        Ok(server)
    }

    /// Seconds of processor time that it used so far, in and out of the kernel.
    ///
    /// # Errors
    /// If it is no more.
    pub fn cpu_seconds(&self) -> Result<f64> {
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

    /// The most bytes of memory that it ever had.
    ///
    /// # Errors
    /// If it is no more.
    pub fn peak_memory_bytes(&self) -> Result<u64> {
        self.memory("VmHWM:")
    }

    /// The bytes of memory that it has.
    ///
    /// # Errors
    /// If it is no more.
    pub fn memory_bytes(&self) -> Result<u64> {
        self.memory("VmRSS:")
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

impl Drop for Server {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM).ok();
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

/// An address of this machine that nobody listens at.
///
/// # Errors
/// If there is none.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
