//! Looks for what is bad: between two places where records are missing, or in a segment of which a loss is accepted.

use std::sync::Arc;

use crate::accepted::{Accepted, Stretch};
use crate::disk::DiskFile;
use crate::error::{Damage, NewerFile};
use crate::format::batch::BatchHeader;
use crate::format::header::SegmentHeader;
use crate::format::{Newer, segment_name};
use crate::place::Place;
use crate::scan::{Scan, Step, TRIES};
use crate::segments::{Missing, damage};
use crate::shared::Shared;
use crate::value::Wait;

/// A stretch that is bad.
#[derive(Debug)]
pub struct Bad {
    /// Where.
    pub stretch: Stretch,
    /// What is wrong.
    pub what: String,
}

impl Bad {
    /// As damage, if not all of it is given up.
    pub fn outside(&self, accepted: &Accepted) -> Option<Damage> {
        let position = accepted.first_outside(self.stretch)?;
        Some(damage(&segment_name(self.stretch.segment), position, self.what.clone()))
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Looked {
    /// What is bad.
    pub bad: Vec<Bad>,
    /// The first thing that a newer version wrote.
    pub newer: Option<NewerFile>,
}

impl Looked {
    fn and(mut self, next: Self) -> Self {
        self.bad.extend(next.bad);
        Self { bad: self.bad, newer: self.newer.or(next.newer) }
    }
}

/// What keeps a reader from going from one place, where a batch begins, to another: bad heads of segments and batches.
pub fn bad_between(shared: &Shared, from: Place, to: Place) -> Looked {
    let in_segment = |sequence| {
        let start = if sequence == from.segment { from.position } else { 0 };
        let end = if sequence == to.segment { to.position } else { u64::MAX };
        look(shared, sequence, start, end, false)
    };
    (from.segment..=to.segment).map(in_segment).fold(Looked::default(), Looked::and)
}

/// All that is bad in a segment.
pub fn bad_in(shared: &Shared, sequence: u64) -> Looked {
    look(shared, sequence, 0, u64::MAX, true)
}

fn look(shared: &Shared, sequence: u64, from: u64, to: u64, check_blocks: bool) -> Looked {
    let mut looked = Looked::default();
    let mut tries = 1;
    let entered = loop {
        match enter(shared, sequence) {
            Err(Missing::Damaged(_) | Missing::NoFile) if tries < TRIES => tries += 1,
            entered => break entered,
        }
    };
    let (head, file, end) = match entered {
        Ok(entered) => entered,
        Err(Missing::Newer(newer)) => return Looked { newer: Some(newer), ..looked },
        Err(missing) => {
            looked.bad.push(Bad { stretch: Stretch::head(sequence), what: missing.what() });
            return looked;
        }
    };
    let (from, to) = (from.max(head.bytes), to.min(end));
    let mut scan = Scan::new(Arc::clone(&file), head.nonce, from, to, false);
    while let Some(step) = scan.next() {
        match step {
            Step::Bad { position, until, wrong } => {
                let stretch = Stretch { segment: sequence, start: position, end: until };
                looked.bad.push(Bad { stretch, what: wrong.what });
            }
            Step::Batch { position, head, .. } if check_blocks => {
                looked.bad.extend(bad_blocks(&*file, sequence, position, &head));
            }
            Step::Batch { .. } => {}
            Step::Newer { unknown, .. } => {
                let newer = Newer::new(head.features.written_by, unknown);
                looked.newer.get_or_insert_with(|| NewerFile::new(segment_name(sequence), newer));
            }
        }
    }
    looked
}

type Entered = (Arc<SegmentHeader>, Arc<dyn DiskFile>, u64);

/// A segment's head, its file, and where its last batch ends.
fn enter(shared: &Shared, sequence: u64) -> Result<Entered, Missing> {
    {
        let published = shared.published();
        let newest = &published.newest;
        if newest.head.sequence == sequence {
            let lost_bytes = published.lost_end.as_ref().filter(|lost| lost.sequence == sequence);
            // All behind a lost end is looked at too.
            let file_bytes = lost_bytes.and_then(|_| newest.file.bytes().ok()).unwrap_or_default();
            return Ok((Arc::clone(&newest.head), Arc::clone(&newest.file), newest.end.max(file_bytes)));
        }
    }
    let closed = shared.segments.closed(sequence, Wait::ForDisk)?;
    Ok((closed.head, shared.segments.file(sequence)?, closed.end))
}

fn bad_blocks(file: &dyn DiskFile, segment: u64, position: u64, head: &BatchHeader) -> Vec<Bad> {
    let bad = head.blocks().filter_map(|(entry, start)| {
        let start = position + start as u64;
        let mut bytes = vec![0; entry.block_bytes as usize];
        let mut what = String::new();
        for _ in 0..TRIES {
            match file.read_disk(start, &mut bytes) {
                Ok(read) => match entry.check(&bytes[..read]) {
                    Ok(()) => return None,
                    Err(invalid) => what = invalid.to_string(),
                },
                Err(error) => what = error.to_string(),
            }
        }
        let stretch = Stretch { segment, start, end: start + u64::from(entry.block_bytes) };
        Some(Bad { stretch, what })
    });
    bad.collect()
}
