//! The tool `inspect`: what the logs below a directory hold, and whether they are whole.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use record_log::disk::{Disk, system::SystemDisk};
use record_log::inspect::{Inspection, Segment, inspect};

/// The file by which a log's directory is known.
const SLOTS: &str = "slots";

/// Shows what the logs below a directory hold. Changes nothing; the logs may be in use.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// A log's directory, a volume of a shard group, or the data directory of `local`
    pub directory: PathBuf,
    /// Read and check every batch of every segment, not of the newest one alone
    #[arg(long)]
    pub verify: bool,
}

/// Prints the logs; ends with an error if one is damaged.
///
/// # Errors
/// If there is no log, one is damaged, or the disk does not answer.
pub fn run(options: &Options, out: &mut impl Write) -> anyhow::Result<()> {
    let mut directories = Vec::new();
    find_logs(&options.directory, &mut directories)?;
    if directories.is_empty() {
        bail!("there is no log in {} or below", options.directory.display());
    }
    directories.sort();
    let mut damaged = 0;
    for directory in &directories {
        let disk: Arc<dyn Disk> = Arc::new(SystemDisk::new(directory.clone()));
        match inspect(&disk, options.verify) {
            Ok(inspection) => {
                show(directory, &inspection, out)?;
                damaged += usize::from(inspection.is_damaged());
            }
            Err(error) => {
                writeln!(out, "log {}\n  DAMAGED  {error}\n", directory.display())?;
                damaged += 1;
            }
        }
    }
    if damaged > 0 {
        bail!("{damaged} of {} logs are damaged", directories.len());
    }
    Ok(())
}

fn find_logs(directory: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if directory.join(SLOTS).is_file() {
        found.push(directory.into());
        return Ok(());
    }
    let entries = std::fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() && entry.file_name() != "lost+found" {
            find_logs(&entry.path(), found)?;
        }
    }
    Ok(())
}

fn show(directory: &Path, inspection: &Inspection, out: &mut impl Write) -> std::io::Result<()> {
    let Inspection { log_id, incarnation, has_spare, segments, missing } = inspection;
    writeln!(out, "log {}", directory.display())?;
    let spare = if *has_spare { ", and a spare" } else { "" };
    writeln!(out, "  log id {log_id}, copy {incarnation}; segments: {}{spare}", segments.len())?;
    for segment in segments {
        show_segment(segment, out)?;
    }
    for sequence in missing {
        writeln!(out, "  DAMAGED  segment {sequence} is missing between others")?;
    }
    writeln!(out)
}

fn show_segment(segment: &Segment, out: &mut impl Write) -> std::io::Result<()> {
    write!(out, "  {}  {} bytes on disk", segment.name, segment.file_bytes)?;
    if let Some(end) = segment.end {
        write!(out, ", {end} written")?;
    }
    if let Some(batches) = segment.batches {
        write!(out, ", batches: {batches}")?;
    }
    if let Some((first, last)) = segment.arrivals_ms {
        write!(out, ", arrived {} to {}", time(first), time(last))?;
    }
    writeln!(out)?;
    for (shard, (first, behind)) in &segment.shards {
        writeln!(out, "    {shard}  offsets {first} to {}", behind - 1)?;
    }
    for damage in &segment.damage {
        writeln!(out, "    DAMAGED  {damage}")?;
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
    use crate::shard::tests::{append, bootstrap, config, run};

    fn shown(directory: &Path, verify: bool) -> (String, anyhow::Result<()>) {
        let mut out = Vec::new();
        let options = Options { directory: directory.into(), verify };
        let outcome = super::run(&options, &mut out);
        (String::from_utf8(out).unwrap(), outcome)
    }

    #[tokio::test]
    async fn live_volume_is_shown_and_damage_of_a_copy_is_named() {
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
        assert!(text.contains("DAMAGED  segment-000000000002 is damaged at byte"), "{text}");
    }

    #[test]
    fn directory_without_a_log_is_an_error() {
        let empty = tempfile::tempdir().unwrap();
        assert!(shown(empty.path(), false).1.unwrap_err().to_string().contains("no log"));
    }
}
