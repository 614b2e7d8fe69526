//! Reading the newest segment again, as a whole.
//!
//! The batches behind it decide what a corrupt batch is. One write is under way at a time, so if a later batch says
//! that more was durable, the batch is corrupt; else a crash tore it, and nobody was answered for it. (Corruption of
//! the very last batch, while none confirms it, looks the same as a torn tail.) Bytes that the disk does not give are
//! never taken for a torn tail. A segment with a footer is never taken for the newest: it gets its footer only when the
//! next one has its name.

use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::ShardId;

use group_core::{Continuity, State};

use crate::error::{Corruption, Error, NewerFile};
use crate::format::batch::BatchHeader;
use crate::format::entry::EntryHeader;
use crate::format::header::SegmentHeader;
use crate::format::index::SegmentIndex;
use crate::format::{Newer, segment_name};
use crate::segments::scan::{Scan, ScanError, Step};
use crate::segments::{NO_SUCH_FILE, Segments};
use crate::shared::{CorruptTail, Newest};

/// What the newest segment gives.
pub struct Recovery {
    /// The state behind it.
    pub state: State,
    /// The segment, up to its last good batch.
    pub newest: Newest,
    /// What is corrupt in it.
    pub corruption: Vec<Corruption>,
    /// What is behind it, where that is not known.
    pub corrupt_tail: Option<CorruptTail>,
    /// For each shard: bytes behind its last readable record that may hold more of its records.
    unseen_bytes: BTreeMap<ShardId, u64>,
}

/// A batch that is torn or corrupt: what follows decides.
struct Suspect {
    position: u64,
    until: u64,
    header: Option<BatchHeader>,
    error: ScanError,
}

impl Recovery {
    /// Reads a segment; `is_newest` if nothing is known to follow it.
    ///
    /// # Errors
    /// If it cannot be made durable or looked at, or a newer version wrote a batch of it: nothing of that is ever cut off.
    pub fn new(segments: &Segments, header: Arc<SegmentHeader>, is_newest: bool) -> Result<Self, Error> {
        let name = segment_name(header.sequence);
        let file = segments.file(header.sequence).map_err(|error| error.refuse_opening(header.sequence))?;
        file.sync().map_err(Error::io("sync", &name))?;
        let file_bytes = file.bytes().map_err(Error::io("look at", &name))?;
        let newest = Newest {
            header: Arc::clone(&header),
            file: Arc::clone(&file),
            end: header.bytes,
            index: SegmentIndex::new(segments.stride_bytes),
        };
        let mut recovery = Self {
            state: header.state().clone(),
            newest,
            corruption: Vec::new(),
            corrupt_tail: None,
            unseen_bytes: BTreeMap::new(),
        };
        let mut suspects: Vec<Suspect> = Vec::new();
        let mut scan = Scan::new(Arc::clone(&file), header.nonce, header.bytes, file_bytes, true);
        while let Some(step) = scan.next() {
            match step {
                Step::Corrupt { position, until, error } => {
                    suspects.push(Suspect { position, until, header: None, error });
                }
                Step::Newer { unknown, .. } => {
                    let newer = Newer::new(header.features.written_by, unknown);
                    return Err(NewerFile::new(name, newer).into());
                }
                Step::Batch { position, header, error } => {
                    let until = position + header.frame.bytes as u64;
                    if suspects.first().is_some_and(|first| header.frame.durable > first.position) {
                        suspects
                            .drain(..)
                            .for_each(|suspect| recovery.judge_corrupt(segments, &name, suspect));
                        recovery.leave_out_before(&header);
                    }
                    match error {
                        None if suspects.is_empty() => recovery.take(&name, position, &header),
                        None => {
                            let what = "it lies behind a gap".into();
                            let error = ScanError { position, what, unreadable: false, begun: true };
                            suspects.push(Suspect { position, until, header: Some(header), error });
                        }
                        Some(error) => {
                            suspects.push(Suspect { position, until, header: Some(header), error });
                        }
                    }
                }
            }
        }
        if is_newest {
            recovery.judge_end(segments, &name, &suspects);
            recovery.judge_footer(segments);
        }
        recovery.leave_out_unseen(segments);
        Ok(recovery)
    }

    /// Adds a batch whose headers are good.
    fn take(&mut self, name: &str, position: u64, header: &BatchHeader) {
        let continuity = if self.corruption.is_empty() { Continuity::Required } else { Continuity::MayJump };
        match self.state.apply(header.step(), continuity) {
            Ok(()) => {
                self.newest.index.note(position, header);
                for appended in header.entries.iter().filter_map(EntryHeader::appends) {
                    self.unseen_bytes.remove(&appended.shard);
                }
            }
            Err(invalid) => self.corruption.push(Corruption::new(name, position, invalid.0)),
        }
        self.newest.end = position + header.frame.bytes as u64;
    }

    fn judge_corrupt(&mut self, segments: &Segments, name: &str, suspect: Suspect) {
        self.corruption.push(Corruption::new(name, suspect.error.position, suspect.error.what));
        match suspect.header {
            Some(header) => {
                segments.count(|counts| counts.corrupt_blocks += 1);
                self.take(name, suspect.position, &header);
            }
            None => {
                segments.count(|counts| counts.corrupt_headers += 1);
                self.newest.index.note_unread(suspect.position, &self.state);
                // It belongs to the segment even where nothing behind it is kept: else missing records would have no
                // location.
                self.newest.end = suspect.until;
                // It may hold a change of the retention.
                self.state.retention_hours = None;
                let open = self.state.shards.iter().filter(|(_, shard)| shard.seal.is_none());
                for (shard, _) in open {
                    *self.unseen_bytes.entry(*shard).or_default() += suspect.until - suspect.position;
                }
            }
        }
    }

    /// What lies unread before a batch has numbers and times up to the batch's, also where the batch itself is cut off.
    fn leave_out_before(&mut self, header: &BatchHeader) {
        self.state.index = self.state.index.max(header.frame.index.saturating_sub(1));
        self.state.time_ms = self.state.time_ms.max(header.frame.time_ms);
    }

    /// Skips every offset that an unreadable record may have, so that none is used twice. (No record takes less than a
    /// byte.)
    fn leave_out_unseen(&mut self, segments: &Segments) {
        for (shard, bytes) in std::mem::take(&mut self.unseen_bytes) {
            segments.count(|counts| counts.offsets_left_out += bytes);
            if let Some(shard) = self.state.shards.get_mut(&shard) {
                shard.next_offset += bytes;
                shard.last_arrival_ms = shard.last_arrival_ms.max(self.state.time_ms);
            }
        }
    }

    /// Judges suspects with no later batch behind them: torn, unless the disk did not give them.
    fn judge_end(&mut self, segments: &Segments, name: &str, suspects: &[Suspect]) {
        if self.newest.end == self.newest.header.bytes {
            segments.count(|counts| counts.empty_segments += 1);
        }
        let Some(first) = suspects.first() else { return };
        if suspects.iter().any(|suspect| suspect.error.unreadable) {
            segments.count(|counts| counts.unreadable_tail += 1);
            self.set_corrupt_tail(
                Corruption::new(name, first.position, first.error.what.clone()),
                self.newest.header.sequence,
            );
        } else if suspects.iter().any(|suspect| suspect.error.begun) {
            segments.count(|counts| counts.torn_tails += 1);
            tracing::warn!(
                file = name,
                position = first.position,
                "the log ends in an incomplete batch, which is cut off"
            );
        }
    }

    /// A segment with a footer had another one behind it.
    fn judge_footer(&mut self, segments: &Segments) {
        let sequence = self.newest.header.sequence;
        match self.newest.has_footer() {
            Ok(false) => {}
            Ok(true) => {
                segments.count(|counts| counts.missing_newest += 1);
                self.set_corrupt_tail(
                    Corruption::new(&segment_name(sequence + 1), 0, NO_SUCH_FILE),
                    sequence + 1,
                );
            }
            Err(error) => {
                segments.count(|counts| counts.unreadable_tail += 1);
                self.set_corrupt_tail(
                    Corruption::new(&segment_name(sequence), self.newest.end, error.to_string()),
                    sequence,
                );
            }
        }
    }

    fn set_corrupt_tail(&mut self, corruption: Corruption, sequence: u64) {
        self.corruption.push(corruption.clone());
        self.corrupt_tail = Some(CorruptTail { corruption, sequence });
    }
}
