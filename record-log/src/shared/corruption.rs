//! Finds corruption: between two locations where records are missing, or in a segment whose loss is accepted.

use std::sync::Arc;

use crate::disk::DiskFile;
use crate::error::{Corruption, NewerFile};
use crate::format::batch::BatchHeader;
use crate::format::header::SegmentHeader;
use crate::format::{Newer, segment_name};
use crate::segments::Unavailable;
use crate::segments::scan::{Scan, Step, TRIES};
use crate::shared::Shared;
use crate::state::Location;
use crate::state::{AcceptedLosses, SegmentRange};
use crate::value::Wait;

/// A range that is corrupt.
#[derive(Debug)]
pub struct CorruptRange {
    /// Where.
    pub range: SegmentRange,
    /// What is wrong.
    pub what: String,
}

impl CorruptRange {
    /// As corruption, unless all of it is accepted.
    pub fn outside(&self, accepted_losses: &AcceptedLosses) -> Option<Corruption> {
        let position = accepted_losses.first_outside(self.range)?;
        Some(Corruption::new(&segment_name(self.range.segment), position, self.what.clone()))
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Looked {
    /// What is corrupt.
    pub corrupt: Vec<CorruptRange>,
    /// The first thing that a newer version wrote.
    pub newer: Option<NewerFile>,
}

impl Looked {
    fn and(mut self, next: Self) -> Self {
        self.corrupt.extend(next.corrupt);
        Self { corrupt: self.corrupt, newer: self.newer.or(next.newer) }
    }
}

/// What keeps a reader from going from one place, where a batch begins, to another: corrupt headers of segments and batches.
pub fn corruption_between(shared: &Shared, from: Location, to: Location) -> Looked {
    let in_segment = |sequence| {
        let start = if sequence == from.segment { from.position } else { 0 };
        let end = if sequence == to.segment { to.position } else { u64::MAX };
        look(shared, sequence, start, end, false)
    };
    (from.segment..=to.segment).map(in_segment).fold(Looked::default(), Looked::and)
}

/// All that is corrupt in a segment.
pub fn corruption_in(shared: &Shared, sequence: u64) -> Looked {
    look(shared, sequence, 0, u64::MAX, true)
}

fn look(shared: &Shared, sequence: u64, from: u64, to: u64, check_blocks: bool) -> Looked {
    let mut looked = Looked::default();
    let mut tries = 1;
    let entered = loop {
        match enter(shared, sequence) {
            Err(Unavailable::Corrupt(_) | Unavailable::NoFile) if tries < TRIES => tries += 1,
            entered => break entered,
        }
    };
    let (header, file, end) = match entered {
        Ok(entered) => entered,
        Err(Unavailable::Newer(newer)) => return Looked { newer: Some(newer), ..looked },
        Err(unavailable) => {
            looked
                .corrupt
                .push(CorruptRange { range: SegmentRange::header(sequence), what: unavailable.what() });
            return looked;
        }
    };
    let (from, to) = (from.max(header.bytes), to.min(end));
    let mut scan = Scan::new(Arc::clone(&file), header.nonce, from, to, false);
    while let Some(step) = scan.next() {
        match step {
            Step::Corrupt { position, until, error } => {
                let range = SegmentRange { segment: sequence, start: position, end: until };
                looked.corrupt.push(CorruptRange { range, what: error.what });
            }
            Step::Batch { position, header, .. } if check_blocks => {
                looked.corrupt.extend(corrupt_blocks(&*file, sequence, position, &header));
            }
            Step::Batch { .. } => {}
            Step::Newer { unknown, .. } => {
                let newer = Newer::new(header.features.written_by, unknown);
                looked.newer.get_or_insert_with(|| NewerFile::new(segment_name(sequence), newer));
            }
        }
    }
    looked
}

type Entered = (Arc<SegmentHeader>, Arc<dyn DiskFile>, u64);

/// A segment's header, its file, and where its last batch ends.
fn enter(shared: &Shared, sequence: u64) -> Result<Entered, Unavailable> {
    {
        let published = shared.published();
        let newest = &published.newest;
        if newest.header.sequence == sequence {
            let lost_bytes = published.corrupt_tail.as_ref().filter(|lost| lost.sequence == sequence);
            // All behind a corrupt tail is looked at too.
            let file_bytes = lost_bytes.and_then(|_| newest.file.bytes().ok()).unwrap_or_default();
            return Ok((Arc::clone(&newest.header), Arc::clone(&newest.file), newest.end.max(file_bytes)));
        }
    }
    let closed = shared.segments.closed(sequence, Wait::ForDisk)?;
    Ok((closed.header, shared.segments.file(sequence)?, closed.end))
}

fn corrupt_blocks(
    file: &dyn DiskFile,
    segment: u64,
    position: u64,
    header: &BatchHeader,
) -> Vec<CorruptRange> {
    let corrupt = header.blocks().filter_map(|(entry, start)| {
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
        let range = SegmentRange { segment, start, end: start + u64::from(entry.block_bytes) };
        Some(CorruptRange { range, what })
    });
    corrupt.collect()
}
