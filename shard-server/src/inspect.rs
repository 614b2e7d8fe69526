//! The tool `inspect`: what the logs below a directory hold, and whether they are whole.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use record_log::disk::{Disk, system::SystemDisk};
use record_log::inspect::{Inspection, Segment, inspect};

use crate::shard::volume;

/// Directories that hold no log in use: the file system's, an interrupted bootstrap, a stream being created or removed.
const SKIPPED: [&str; 3] = ["lost+found", "bootstrap", "drafts"];

/// Shows what the logs below a directory hold. Changes nothing; the logs may be in use.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// A log's directory, a volume of a shard group, or the data directory of `local`
    pub directory: PathBuf,
    /// Read and check every batch of every segment, not of the newest one alone
    #[arg(long)]
    pub verify: bool,
}

/// The logs and volumes below a directory.
#[derive(Default)]
struct Found {
    /// The directories of logs, each with the path that shows that the log exists: while that is there, missing files
    /// are corruption.
    logs: BTreeMap<PathBuf, PathBuf>,
    /// Volumes whose identity cannot be read, and why.
    unknown: BTreeMap<PathBuf, volume::Error>,
}

/// Prints the logs; returns an error if one is corrupt.
///
/// # Errors
/// If there is no log, one is corrupt, or the disk does not answer.
pub fn run(options: &Options, out: &mut impl Write) -> anyhow::Result<()> {
    let mut found = Found::default();
    found.look_below(&options.directory)?;
    let Found { logs, unknown } = found;
    if logs.is_empty() && unknown.is_empty() {
        bail!("there is no log in {} or below", options.directory.display());
    }
    let total = logs.len() + unknown.len();
    let (mut corrupt, mut newer) = (0, 0);
    for (volume, error) in &unknown {
        let is_newer = matches!(error, volume::Error::Newer { .. });
        let word = if is_newer { "NEWER" } else { "CORRUPT" };
        writeln!(out, "volume {}\n  {word}  {error}\n", volume.display())?;
        *(if is_newer { &mut newer } else { &mut corrupt }) += 1;
    }
    for (directory, evidence) in &logs {
        let disk: Arc<dyn Disk> = Arc::new(SystemDisk::new(directory.clone()));
        match inspect(&disk, options.verify) {
            // Deleted during the inspection.
            _ if !evidence.exists() => {}
            Ok(inspection) => {
                show(directory, &inspection, out)?;
                corrupt += usize::from(inspection.is_corrupt());
                newer += usize::from(inspection.is_newer());
            }
            Err(error @ record_log::Error::Newer(_)) => {
                writeln!(out, "log {}\n  NEWER  {error}\n", directory.display())?;
                newer += 1;
            }
            Err(error) => {
                writeln!(out, "log {}\n  CORRUPT  {error}\n", directory.display())?;
                corrupt += 1;
            }
        }
    }
    if corrupt > 0 {
        bail!("{corrupt} of {total} logs are corrupt");
    }
    if newer > 0 {
        bail!(
            "a newer version wrote {newer} of {total} logs: inspect them with that version, or a newer one"
        );
    }
    Ok(())
}

impl Found {
    /// A directory is a log if it has any file of a log, or if the identity of its volume names it.
    fn look_below(&mut self, directory: &Path) -> anyhow::Result<()> {
        let mut directories = Vec::new();
        for (name, is_directory) in entries(directory)? {
            if is_directory && !SKIPPED.contains(&&*name) {
                directories.push(directory.join(name));
            } else if record_log::inspect::is_file_of_a_log(&name) {
                self.logs.insert(directory.into(), directory.into());
                return Ok(());
            }
        }
        if volume::has_group(directory) {
            match volume::read_identity(directory) {
                Ok(identity) => {
                    self.logs.insert(identity.log_directory(directory), directory.into());
                }
                // Deleted meanwhile.
                Err(_) if !directory.exists() => {}
                Err(error) => {
                    self.unknown.insert(directory.into(), error);
                }
            }
        }
        for directory in directories {
            self.look_below(&directory)?;
        }
        Ok(())
    }
}

/// The names in a directory, each with whether it is a directory; empty if the directory is gone.
fn entries(directory: &Path) -> anyhow::Result<Vec<(String, bool)>> {
    let read = || {
        let entries = std::fs::read_dir(directory)?.map(|entry| {
            let entry = entry?;
            Ok((entry.file_name().to_string_lossy().into_owned(), entry.file_type()?.is_dir()))
        });
        entries.collect::<io::Result<_>>()
    };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries.with_context(|| format!("read {}", directory.display())),
    }
}

fn show(directory: &Path, inspection: &Inspection, out: &mut impl Write) -> io::Result<()> {
    let Inspection { log_id, incarnation, has_spare, shards, segments, missing } = inspection;
    writeln!(out, "log {}", directory.display())?;
    let spare = if *has_spare { ", and a spare" } else { "" };
    writeln!(out, "  log id {log_id}, copy {incarnation}; segments: {}{spare}", segments.len())?;
    for shard in shards {
        let open = &shard.open;
        write!(out, "  {}  hash keys {} to {}", open.id, open.range.start, open.range.end)?;
        match &shard.seal {
            None => writeln!(out)?,
            Some(seal) => {
                let successors: Vec<_> = seal.successors.iter().map(ToString::to_string).collect();
                writeln!(
                    out,
                    "; sealed {}, followed by {}",
                    time(seal.arrival_ms),
                    successors.join(" and ")
                )?;
            }
        }
    }
    for segment in segments {
        show_segment(segment, out)?;
    }
    for sequence in missing {
        writeln!(out, "  CORRUPT  segment {sequence} is missing between others")?;
    }
    writeln!(out)
}

fn show_segment(segment: &Segment, out: &mut impl Write) -> io::Result<()> {
    write!(out, "  {}  {} bytes on disk", segment.name, segment.file_bytes)?;
    if let Some(end) = segment.end {
        write!(out, ", {end} written")?;
    }
    if let Some(batches) = segment.batches {
        write!(out, ", batches: {batches}")?;
    }
    match (segment.first_arrival_ms, segment.last_arrival_ms) {
        (Some(first), Some(last)) => write!(out, ", arrived {} to {}", time(first), time(last))?,
        (None, Some(last)) => write!(out, ", arrived until {}", time(last))?,
        (_, None) => {}
    }
    writeln!(out)?;
    for (shard, (first, behind)) in &segment.offsets {
        writeln!(out, "    {shard}  offsets {first} to {}", behind - 1)?;
    }
    if let Some(newer) = &segment.newer {
        writeln!(out, "    NEWER  {newer}")?;
    }
    if let Some(newer) = &segment.read_only {
        writeln!(out, "    READ ONLY  {newer}")?;
    }
    for corruption in &segment.corruption {
        writeln!(out, "    CORRUPT  {corruption}")?;
    }
    Ok(())
}

fn time(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| format!("{ms} ms"), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::Group;
    use crate::shard::tests::{Calls as _, append, bootstrap, config, run};

    fn shown(directory: &Path, verify: bool) -> (String, anyhow::Result<()>) {
        let mut out = Vec::new();
        let options = Options { directory: directory.into(), verify };
        let outcome = super::run(&options, &mut out);
        (String::from_utf8(out).unwrap(), outcome)
    }

    #[tokio::test]
    async fn volume_in_use_is_shown_and_corruption_is_named() {
        let volume = tempfile::tempdir().unwrap();
        let group = Group::create(volume.path().into(), config(), bootstrap(2)).await.unwrap();
        for data in ["a", "b"] {
            assert!(
                group.append(append(vec![run(0, &[data]), run(1, &[data])])).await.iter().all(Result::is_ok)
            );
        }
        let (text, outcome) = shown(volume.path(), true);
        outcome.unwrap();
        assert!(text.contains("shardId-000000000001  offsets 1 to 2"), "{text}");
        assert!(text.contains("segments: 2"), "{text}");

        // Closed, and with another segment behind it, the second one is read only if asked for.
        group.close().await;
        let group = Group::open(volume.path().into(), config()).await.unwrap();
        assert!(group.append(append(vec![run(0, &["c"])])).await[0].is_ok());
        group.close().await;
        let segment = volume.path().join("group/logs/g0/segment-000000000002");
        let mut bytes = std::fs::read(&segment).unwrap();
        // The last byte of the first block that a batch has: "b" or what is around it.
        let at = bytes.windows(3).position(|window| window == b"key").unwrap();
        bytes[at] ^= 1;
        std::fs::write(&segment, bytes).unwrap();
        shown(volume.path(), false).1.unwrap();
        let (text, outcome) = shown(volume.path(), true);
        assert!(outcome.unwrap_err().to_string().contains("1 of 1 logs"));
        assert!(text.contains("CORRUPT  segment-000000000002 is corrupt at byte"), "{text}");
    }

    #[tokio::test]
    async fn shards_and_times_are_shown_even_of_segments_that_are_not_read() {
        let volume = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let group = Group::start(volume.path().into(), config());
            group.settled().await.unwrap();
            let _ = group.bootstrap(bootstrap(2)).await;
            assert!(group.append(append(vec![run(1, &["a"])])).await[0].is_ok());
            group.close().await;
        }
        let (text, outcome) = shown(volume.path(), false);
        outcome.unwrap();
        let range = "shardId-000000000001  hash keys 170141183460469231731687303715884105728 to 340282366920938463463374607431768211455";
        assert!(text.contains(range), "{text}");
        let line = text.lines().find(|line| line.contains("segment-000000000002")).unwrap();
        assert!(line.contains("arrived until 20") && !line.contains("batches"), "{text}");
    }

    #[tokio::test]
    async fn log_with_missing_files_is_corrupt_and_not_absent() {
        let volume = tempfile::tempdir().unwrap();
        Group::create(volume.path().into(), config(), bootstrap(1)).await.unwrap().close().await;
        let log = volume.path().join("group/logs/g0");
        let is_corrupt = |what: &str| {
            let (text, outcome) = shown(volume.path(), false);
            assert!(outcome.unwrap_err().to_string().contains("1 of 1 logs"), "{text}");
            assert!(text.contains("CORRUPT") && text.contains(what), "{text}");
        };
        std::fs::rename(log.join("slots"), volume.path().join("group/slots-for-later")).unwrap();
        is_corrupt("slots is corrupt at byte 0: there is no such file");
        std::fs::rename(volume.path().join("group/slots-for-later"), log.join("slots")).unwrap();
        std::fs::remove_file(log.join("segment-000000000001")).unwrap();
        is_corrupt("there is no segment");
        std::fs::remove_dir_all(&log).unwrap();
        is_corrupt("slots is corrupt at byte 0: there is no such file");
        std::fs::remove_file(volume.path().join("group/identity.json")).unwrap();
        is_corrupt("identity.json is corrupt: there is no such file");
    }

    #[tokio::test]
    async fn log_of_a_draft_or_an_interrupted_bootstrap_is_skipped() {
        let data = tempfile::tempdir().unwrap();
        let volume = data.path().join("streams/uid-1/g0");
        std::fs::create_dir_all(volume.parent().unwrap()).unwrap();
        Group::create(volume.clone(), config(), bootstrap(1)).await.unwrap().close().await;
        for half in [volume.join("bootstrap/logs/g0"), data.path().join("drafts/uid-2/g0/group/logs/g0")] {
            std::fs::create_dir_all(&half).unwrap();
            std::fs::write(half.join("slots"), "").unwrap();
        }
        let (text, outcome) = shown(data.path(), true);
        outcome.unwrap();
        assert_eq!(text.matches("log id").count(), 1, "{text}");
    }

    #[test]
    fn directory_that_is_missing_or_has_no_log_is_an_error() {
        let empty = tempfile::tempdir().unwrap();
        assert!(shown(empty.path(), false).1.unwrap_err().to_string().contains("no log"));
        assert!(shown(&empty.path().join("gone"), false).1.unwrap_err().to_string().contains("no log"));
    }
}
