//! Finds corruption: between two locations where records are missing, or in a segment whose loss is accepted.

use std::sync::Arc;

use crate::disk::DiskFile;
use crate::error::Corruption;
use crate::format::batch::BatchHeader;
use crate::format::header::SegmentHeader;
use crate::format::segment_name;
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

/// Corrupt headers of segments and batches between two locations, at which batches begin.
pub fn corruption_between(shared: &Shared, from: Location, to: Location) -> Vec<CorruptRange> {
    let in_segment = |sequence| {
        let start = if sequence == from.segment { from.position } else { 0 };
        let end = if sequence == to.segment { to.position } else { u64::MAX };
        look(shared, sequence, start, end, false)
    };
    (from.segment..=to.segment).flat_map(in_segment).collect()
}

/// All that is corrupt in a segment.
pub fn corruption_in(shared: &Shared, sequence: u64) -> Vec<CorruptRange> {
    look(shared, sequence, 0, u64::MAX, true)
}

fn look(shared: &Shared, sequence: u64, from: u64, to: u64, check_blocks: bool) -> Vec<CorruptRange> {
    let mut tries = 1;
    let entered = loop {
        match enter(shared, sequence) {
            Err(_) if tries < TRIES => tries += 1,
            entered => break entered,
        }
    };
    let (header, file, end) = match entered {
        Ok(entered) => entered,
        Err(unavailable) => {
            return vec![CorruptRange { range: SegmentRange::header(sequence), what: unavailable.what() }];
        }
    };
    let (from, to) = (from.max(header.bytes), to.min(end));
    let mut corrupt = Vec::new();
    let mut scan = Scan::new(Arc::clone(&file), header.nonce, from, to, false);
    while let Some(step) = scan.next() {
        match step {
            Step::Corrupt { position, until, error } => {
                let range = SegmentRange { segment: sequence, start: position, end: until };
                corrupt.push(CorruptRange { range, what: error.what });
            }
            Step::Batch { position, header, .. } if check_blocks => {
                corrupt.extend(corrupt_blocks(&*file, sequence, position, &header));
            }
            Step::Batch { .. } => {}
        }
    }
    corrupt
}

type Entered = (Arc<SegmentHeader>, Arc<dyn DiskFile>, u64);

/// A segment's header, its file, and where its last batch ends.
fn enter(shared: &Shared, sequence: u64) -> Result<Entered, Unavailable> {
    {
        let newest = &shared.published().newest;
        if newest.header.sequence == sequence {
            return Ok((Arc::clone(&newest.header), Arc::clone(&newest.file), newest.end));
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
