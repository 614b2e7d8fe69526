//! Reading the newest segment again, as a whole.
//!
//! What is bad in it is judged by what is behind it: one write is under way at a time, so where a later batch says that
//! more was durable already, it is damage; else it is what a crash left of the last write, which nobody was answered
//! for. (Damage to the very last batch, while none confirms it, cannot be told from that.) Bytes that the disk does not
//! give are never taken for a torn end, and a segment with a footer never for the newest: it gets one only when the next
//! has its name.

use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::ShardId;

use group_core::{Continuity, State};

use crate::error::{Damage, Error, NewerFile};
use crate::format::batch::BatchHeader;
use crate::format::entry::EntryHeader;
use crate::format::header::SegmentHeader;
use crate::format::{Newer, segment_name};
use crate::marks::SegmentMarks;
use crate::open::unusable;
use crate::scan::{Scan, Step, Wrong};
use crate::segments::{NO_SUCH_FILE, Segments, damage};
use crate::shared::{LostEnd, Newest};

/// What the newest segment gives.
pub struct Recovery {
    /// The state behind it.
    pub state: State,
    /// The segment, up to its last good batch.
    pub newest: Newest,
    /// What is damaged in it.
    pub damage: Vec<Damage>,
    /// What is behind it, where that is not known.
    pub lost_end: Option<LostEnd>,
    /// Of each shard, bytes in which it may have records that cannot be read, since its last one that can.
    unseen_bytes: BTreeMap<ShardId, u64>,
}

/// Something bad that is not judged yet.
struct Undecided {
    position: u64,
    until: u64,
    head: Option<BatchHeader>,
    wrong: Wrong,
}

impl Recovery {
    /// Reads a segment; `is_newest` if nothing is known to follow it.
    ///
    /// # Errors
    /// If it cannot be made durable or looked at, or a newer version wrote a batch of it: nothing of that is ever cut off.
    pub fn new(segments: &Segments, head: Arc<SegmentHeader>, is_newest: bool) -> Result<Self, Error> {
        let name = segment_name(head.sequence);
        let file = segments.file(head.sequence).map_err(|error| unusable(error, head.sequence))?;
        file.sync().map_err(Error::io("sync", &name))?;
        let file_bytes = file.bytes().map_err(Error::io("look at", &name))?;
        let newest = Newest {
            head: Arc::clone(&head),
            file: Arc::clone(&file),
            end: head.bytes,
            marks: SegmentMarks::new(segments.stride_bytes),
        };
        let mut recovery = Self {
            state: head.state().clone(),
            newest,
            damage: Vec::new(),
            lost_end: None,
            unseen_bytes: BTreeMap::new(),
        };
        let mut undecided: Vec<Undecided> = Vec::new();
        let mut scan = Scan::new(Arc::clone(&file), head.nonce, head.bytes, file_bytes, true);
        while let Some(step) = scan.next() {
            match step {
                Step::Bad { position, until, wrong } => {
                    undecided.push(Undecided { position, until, head: None, wrong });
                }
                Step::Newer { unknown, .. } => {
                    let newer = Newer::new(head.features.written_by, unknown);
                    return Err(NewerFile::new(name, newer).into());
                }
                Step::Batch { position, head, wrong } => {
                    let until = position + head.frame.bytes as u64;
                    if undecided.first().is_some_and(|first| head.frame.durable > first.position) {
                        undecided.drain(..).for_each(|bad| recovery.judge_damaged(segments, &name, bad));
                        recovery.leave_out_before(&head);
                    }
                    match wrong {
                        None if undecided.is_empty() => recovery.take(&name, position, &head),
                        None => {
                            let what = "it lies behind a gap".into();
                            let wrong = Wrong { position, what, unreadable: false, begun: true };
                            undecided.push(Undecided { position, until, head: Some(head), wrong });
                        }
                        Some(wrong) => {
                            undecided.push(Undecided { position, until, head: Some(head), wrong });
                        }
                    }
                }
            }
        }
        if is_newest {
            recovery.judge_end(segments, &name, &undecided);
            recovery.judge_footer(segments);
        }
        recovery.leave_out_unseen(segments);
        Ok(recovery)
    }

    /// Adds a good batch, or one of which at least the heads are.
    fn take(&mut self, name: &str, position: u64, head: &BatchHeader) {
        let continuity = if self.damage.is_empty() { Continuity::Required } else { Continuity::MayJump };
        match self.state.apply(head.step(), continuity) {
            Ok(()) => {
                self.newest.marks.note(position, head);
                for appended in head.entries.iter().filter_map(EntryHeader::appends) {
                    self.unseen_bytes.remove(&appended.shard);
                }
            }
            Err(invalid) => self.damage.push(damage(name, position, invalid.0)),
        }
        self.newest.end = position + head.frame.bytes as u64;
    }

    fn judge_damaged(&mut self, segments: &Segments, name: &str, bad: Undecided) {
        self.damage.push(damage(name, bad.wrong.position, bad.wrong.what));
        match bad.head {
            Some(head) => {
                segments.count(|counts| counts.bad_blocks += 1);
                self.take(name, bad.position, &head);
            }
            None => {
                segments.count(|counts| counts.bad_heads += 1);
                self.newest.marks.note_unread(bad.position, &self.state);
                // It is a part of the segment, also where nothing is kept behind it: else what is missing would have no
                // place.
                self.newest.end = bad.until;
                // What cannot be read may have said how long records are kept.
                self.state.retention_hours = None;
                for shard in self.state.shards.keys() {
                    *self.unseen_bytes.entry(*shard).or_default() += bad.until - bad.position;
                }
            }
        }
    }

    /// What lies unread before a batch has numbers and times up to the batch's, also where the batch itself is cut off.
    fn leave_out_before(&mut self, head: &BatchHeader) {
        self.state.index = self.state.index.max(head.frame.index.saturating_sub(1));
        self.state.time_ms = self.state.time_ms.max(head.frame.time_ms);
    }

    /// Leaves out every offset that a record which cannot be read may have: none is ever used twice. (No record takes
    /// less than a byte.)
    fn leave_out_unseen(&mut self, segments: &Segments) {
        for (shard, bytes) in std::mem::take(&mut self.unseen_bytes) {
            segments.count(|counts| counts.offsets_left_out += bytes);
            if let Some(shard) = self.state.shards.get_mut(&shard) {
                shard.next_offset += bytes;
                shard.last_arrival_ms = shard.last_arrival_ms.max(self.state.time_ms);
            }
        }
    }

    /// What is bad with nothing behind it that speaks against a torn end.
    fn judge_end(&mut self, segments: &Segments, name: &str, undecided: &[Undecided]) {
        if self.newest.end == self.newest.head.bytes {
            segments.count(|counts| counts.empty_segments += 1);
        }
        let Some(first) = undecided.first() else { return };
        if undecided.iter().any(|bad| bad.wrong.unreadable) {
            segments.count(|counts| counts.unreadable_end += 1);
            self.lose_end(damage(name, first.position, first.wrong.what.clone()), self.newest.head.sequence);
        } else if undecided.iter().any(|bad| bad.wrong.begun) {
            segments.count(|counts| counts.torn_tails += 1);
            tracing::warn!(
                file = name,
                position = first.position,
                "the log ends in an incomplete batch, which is cut off"
            );
        }
    }

    /// A segment that was closed had another behind it.
    fn judge_footer(&mut self, segments: &Segments) {
        let sequence = self.newest.head.sequence;
        match self.newest.has_footer() {
            Ok(false) => {}
            Ok(true) => {
                segments.count(|counts| counts.lost_newest += 1);
                self.lose_end(damage(&segment_name(sequence + 1), 0, NO_SUCH_FILE), sequence + 1);
            }
            Err(error) => {
                segments.count(|counts| counts.unreadable_end += 1);
                self.lose_end(damage(&segment_name(sequence), self.newest.end, error.to_string()), sequence);
            }
        }
    }

    fn lose_end(&mut self, damage: Damage, sequence: u64) {
        self.damage.push(damage.clone());
        self.lost_end = Some(LostEnd { damage, sequence });
    }
}
