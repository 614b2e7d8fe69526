//! Corrupts a disk while the log is closed.

use std::collections::BTreeMap;
use std::ops::Range;

use rand::RngExt as _;
use record_log::disk::BLOCK_BYTES;

use super::{SimulatedDisk, State};
use crate::faults::Fault;
use crate::layout::Layout;

/// Each of the two slots is a block.
pub const SLOT_BYTES: usize = BLOCK_BYTES;
/// The content of a header is at its beginning; zeros follow.
const HEAD_BYTES: usize = 512;

/// A file that differs from what was written.
#[derive(Debug)]
pub struct CorruptFile {
    /// Its name.
    pub name: String,
    /// What was written.
    pub bytes: Vec<u8>,
    /// The bytes that read differently or not at all; all bytes of a missing file.
    corrupted: Vec<Range<usize>>,
    /// The positions of flipped bits.
    pub flipped: Vec<usize>,
    /// Whether it has unreadable blocks.
    pub is_unreadable: bool,
}

impl CorruptFile {
    /// A file in which bits flipped in these bytes.
    #[cfg(test)]
    pub fn flipped(name: &str, bytes: Vec<u8>, at: &[usize]) -> Self {
        let corrupted = at.iter().map(|at| *at..at + 1).collect();
        Self { name: name.into(), bytes, corrupted, flipped: at.to_vec(), is_unreadable: false }
    }

    /// Whether any of these bytes is corrupt.
    #[must_use]
    pub fn is_corrupt(&self, bytes: &Range<usize>) -> bool {
        self.corrupted.iter().any(|corrupted| corrupted.start < bytes.end && bytes.start < corrupted.end)
    }
}

impl SimulatedDisk {
    /// Flips a bit somewhere, makes a block unreadable, or removes a segment, but never the only one. Returns the name
    /// of the file and the byte.
    pub fn corrupt(&self) -> Option<(String, usize)> {
        let mut state = self.lock();
        if state.random.random_bool(0.1) {
            return state.lose_a_file();
        }
        let name = state.draw_name()?;
        let inode = *state.durable_names.get(&name)?;
        let position = state.draw_position(inode)?;
        let flips = state.random.random_bool(0.8);
        let bit = state.random.random_range(0..8u8);
        state.fired(if flips { Fault::BitFlip } else { Fault::UnreadableBlock });
        let file = state.file(inode);
        if flips {
            *file.flipped.entry(position).or_default() ^= 1 << bit;
            file.flipped.retain(|_, bits| *bits != 0);
        } else {
            file.unreadable_blocks.insert(position / BLOCK_BYTES);
        }
        Some((name, position))
    }

    /// The files that are corrupt or missing.
    #[must_use]
    pub fn corrupt_files(&self) -> Vec<CorruptFile> {
        let state = self.lock();
        let there = state.names.iter().filter_map(|(name, inode)| {
            let file = &state.files[inode];
            let flipped: Vec<_> = file.flipped.keys().copied().filter(|at| *at < file.now.len()).collect();
            let bits = flipped.iter().map(|at| *at..at + 1);
            let unreadable =
                file.unreadable_blocks.iter().map(|block| block * BLOCK_BYTES..(block + 1) * BLOCK_BYTES);
            let corrupted: Vec<_> =
                bits.chain(unreadable).filter(|range| range.start < file.now.len()).collect();
            let is_unreadable = !file.unreadable_blocks.is_empty();
            let corrupt = CorruptFile {
                name: name.clone(),
                bytes: file.now.clone(),
                corrupted,
                flipped,
                is_unreadable,
            };
            (!corrupt.corrupted.is_empty()).then_some(corrupt)
        });
        let missing = state.missing.iter().map(|(name, bytes)| CorruptFile {
            name: name.clone(),
            bytes: bytes.clone(),
            corrupted: std::iter::once(0..usize::MAX).collect(),
            flipped: Vec::new(),
            is_unreadable: true,
        });
        there.chain(missing).collect()
    }

    /// The bytes that were written to a file, whatever happened to them since.
    #[must_use]
    pub fn written(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.lock();
        state.names.get(name).map(|inode| state.files[inode].now.clone())
    }

    /// What would be left of a file if the machine crashed now.
    #[must_use]
    pub fn durable(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.lock();
        state.names.get(name).map(|inode| state.files[inode].durable.clone())
    }

    /// All files, and what was written to them.
    #[must_use]
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.lock();
        state.names.iter().map(|(name, inode)| (name.clone(), state.files[inode].now.clone())).collect()
    }

    /// The names of its files. Does not count as an operation.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().names.keys().cloned().collect()
    }
}

impl State {
    /// Draws a file: most often the newest segment, and sometimes any other, up to the oldest.
    fn draw_name(&mut self) -> Option<String> {
        let names: Vec<_> = self.durable_names.keys().cloned().collect();
        let newest = names.iter().rfind(|name| name.starts_with("segment")).cloned();
        let any = names.get(self.random.random_range(0..names.len().max(1))).cloned();
        if self.random.random_bool(0.5) { newest } else { any }
    }

    /// Draws a byte. Most bytes are records, so the other parts are aimed at.
    fn draw_position(&mut self, inode: u64) -> Option<usize> {
        let file = self.files.get(&inode)?;
        let bytes = file.durable_bytes;
        let layout = Layout::of(&file.durable[..bytes.min(file.durable.len())]);
        let (batches, end) = match &layout {
            Some(layout) => {
                (layout.batches.iter().map(|batch| batch.headers.clone()).collect(), layout.end())
            }
            None => (Vec::new(), bytes),
        };
        let in_header = 0..HEAD_BYTES.min(bytes);
        let behind = end.min(bytes)..bytes;
        let target = match self.random.random_range(0..10) {
            0 => in_header,
            // A footer, or unwritten space.
            1 | 2 if !behind.is_empty() => behind,
            3..7 if !batches.is_empty() => batches[self.random.random_range(0..batches.len())].clone(),
            _ => 0..end.min(bytes),
        };
        (!target.is_empty()).then(|| self.random.random_range(target))
    }

    fn lose_a_file(&mut self) -> Option<(String, usize)> {
        let mut segments: Vec<_> =
            self.names.keys().filter(|name| name.starts_with("segment")).cloned().collect();
        if segments.len() < 2 {
            return None;
        }
        let missing = segments.swap_remove(self.random.random_range(0..segments.len()));
        let inode = self.names.remove(&missing)?;
        self.durable_names.remove(&missing);
        self.missing.insert(missing.clone(), self.files[&inode].now.clone());
        self.fired(Fault::MissingFile);
        Some((missing, 0))
    }
}
