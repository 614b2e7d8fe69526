//! A later version is installed for a while, and then this one again: on what the later one wrote. This one reads that, or
//! refuses it, and changes nothing; when the later one is installed again, all that was answered is there.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use record_log::{AcceptLossError, Log, NewerFile, Reader, WriteError};

use super::{Event, World};
use crate::later::{self, Additions};
use crate::newer::Newer;

/// Which versions run in a world. It draws by itself: worlds without another version go on as if there were none.
pub(super) struct Versions {
    random: StdRng,
    /// Whether there is a later one.
    are_mixed: bool,
    runs_later: bool,
}

impl Versions {
    pub(super) fn draw(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed ^ 0x5eed_0f7e);
        let are_mixed = random.random_ratio(1, 3);
        Self { random, are_mixed, runs_later: false }
    }
}

impl World {
    /// The log is closed: another version may be installed.
    pub(super) fn roll_out(&mut self) {
        if self.versions.are_mixed && self.versions.random.random_ratio(1, 3) {
            match self.versions.runs_later {
                true => self.roll_back(),
                false => self.roll_forward(),
            }
        }
    }

    fn roll_back(&mut self) {
        self.versions.runs_later = false;
        self.disk.run_version(None);
        self.record_event(Event::RolledBack, 0);
    }

    fn roll_forward(&mut self) {
        let additions = Additions::draw(&mut self.versions.random);
        self.versions.runs_later = true;
        self.disk.run_version(Some(additions));
        self.record_event(Event::RolledForward, additions);
    }

    /// Looks at what is newer than the version that is about to open the log.
    pub(super) fn look_for_newer(&mut self) -> BTreeMap<String, Vec<u8>> {
        if !self.versions.are_mixed || self.versions.runs_later {
            self.newer = Newer::default();
            return BTreeMap::new();
        }
        self.newer = Newer::of(&self.disk);
        self.disk.contents()
    }

    /// The log was opened, and takes appends.
    pub(super) fn check_may_write(&self) -> Result<()> {
        let Newer { ends_unreadable, ends_read_only, .. } = self.newer;
        ensure!(!ends_unreadable, "a log that ends with what only a newer version reads is written");
        ensure!(!ends_read_only, "a log that only a newer version may write is written");
        Ok(())
    }

    /// The log was opened, and takes nothing: whether that is because a newer version wrote it.
    pub(super) fn is_read_only(&self, reader: &Reader) -> Result<bool> {
        let why = reader.status().stopped.unwrap_or_default();
        let is_read_only = why.contains("can only be read");
        if self.is_readable() {
            ensure!(
                !self.newer.ends_unreadable,
                "a log is read that ends with what only a newer version reads"
            );
            ensure!(
                is_read_only || !self.newer.ends_read_only,
                "a newer version's log stops otherwise: {why}"
            );
        }
        ensure!(
            !is_read_only || self.newer.may_be_read_only(),
            "the log passes for a newer version's: {why}"
        );
        ensure!(!is_read_only || why.contains(later::VERSION), "the version to run is not named: {why}");
        Ok(is_read_only)
    }

    /// All of it is read, nothing is written; then the later version is installed again.
    pub(super) fn opened_read_only(
        &mut self,
        log: Log,
        reader: Reader,
        before: &BTreeMap<String, Vec<u8>>,
    ) -> Result<()> {
        let status = reader.status();
        self.may_misjudge = !self.is_readable() && !status.corruption.is_empty();
        self.check_reported(&status.corruption)?;
        // Else only the later version, which may cut a tail off, decides where the log ends.
        let is_end_known = !self.corrupted.may_stop() && !self.may_misjudge;
        if is_end_known {
            self.model.reopened(&status.next_offsets, &self.corrupted, false)?;
        }
        self.record_event(Event::OpenedReadOnly, format!("{:?}", status.next_offsets));
        self.run_process(log, reader);
        self.read_all().context("of a log that can only be read")?;
        self.pass_time();
        if is_end_known {
            for _ in 0..3 {
                self.read_somewhere()?;
            }
        }
        self.check_takes_nothing()?;
        ensure!(
            self.disk.contents() == *before,
            "what a newer version wrote is changed by who only reads it"
        );
        self.end_process(false);
        if !self.versions.runs_later {
            self.roll_forward();
        }
        Ok(())
    }

    fn check_takes_nothing(&mut self) -> Result<()> {
        let appends = self.draw_appends();
        let log = &mut self.process()?.log;
        let answers = [log.append(&appends).map(drop), log.set_retention(48), log.maintain(), log.confirm()];
        log.rest();
        for answer in answers {
            ensure!(matches!(answer, Err(WriteError::Stopped(_))), "a log that can only be read: {answer:?}");
        }
        let process = self.process()?;
        let Some(corruption) = process.reader.status().corruption.into_iter().next() else { return Ok(()) };
        let answer = process.log.accept_loss(&corruption.file, corruption.position);
        ensure!(
            matches!(answer, Err(AcceptLossError::Write(WriteError::Stopped(_)) | AcceptLossError::Newer(_))),
            "a loss of a log that can only be read is accepted: {answer:?}"
        );
        Ok(())
    }

    /// The log was not opened, as a newer version wrote it: then that is so, and it is installed again.
    pub(super) fn refused_as_newer(
        &mut self,
        refused: &NewerFile,
        before: &BTreeMap<String, Vec<u8>>,
    ) -> Result<()> {
        self.check_newer(refused)?;
        ensure!(self.disk.contents() == *before, "what a newer version wrote is changed: {refused}");
        self.record_event(Event::RefusedAsNewer, refused.to_string());
        self.roll_forward();
        Ok(())
    }

    /// What is refused as newer is that.
    pub(super) fn check_newer(&self, refused: &NewerFile) -> Result<()> {
        ensure!(self.newer.may_be_refused(&refused.file), "a file passes for a newer version's: {refused}");
        let names_it = refused.newer.written_by.to_string() == later::VERSION;
        ensure!(names_it, "the version to run is not named: {refused}");
        Ok(())
    }

    /// At the end of the world the version runs that knows all of the log.
    pub(super) fn end_with_all_known(&mut self) -> Result<()> {
        if self.process.is_some() && !self.newer.is_nothing() {
            self.end_process(false);
            if !self.versions.runs_later {
                self.roll_forward();
            }
            self.open().context("at the end, by the later version")?;
        }
        Ok(())
    }
}
