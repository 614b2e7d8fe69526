//! The content of the disk: bytes and names as the process sees them and as they are durable, and what a crash leaves.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::State;
use crate::later;

const SECTOR_BYTES: usize = 512;

/// The bytes of a file.
#[derive(Default)]
pub struct Inode {
    /// As the process sees it.
    pub now: Vec<u8>,
    /// As it is on the platters; bytes behind the durable length are kept.
    pub durable: Vec<u8>,
    /// Its durable length.
    pub durable_bytes: usize,
    /// Flipped bits, by byte, and unreadable blocks, until they are written again.
    pub flipped: BTreeMap<usize, u8>,
    pub unreadable_blocks: BTreeSet<usize>,
    /// Whether the next sync makes the length durable: after a failed sync later ones do not.
    pub is_length_new: bool,
    /// Whether a later version ever wrote to it.
    pub is_later: bool,
}

/// A change of a name.
pub enum Change {
    Name { name: String, inode: u64 },
    Rename { from: String, to: String, inode: u64 },
    Remove { name: String },
}

impl State {
    /// The machine crashes.
    pub fn lose_what_is_not_durable(&mut self) {
        let mut names = self.durable_names.clone();
        for change in std::mem::take(&mut self.changes) {
            if self.random.random_bool(0.5) {
                change.apply(&mut names);
            }
        }
        self.durable_names.clone_from(&names);
        self.names = names;
        let kept: BTreeSet<u64> = self.names.values().copied().collect();
        self.files.retain(|inode, _| kept.contains(inode));
        let random = &mut self.random;
        for file in self.files.values_mut() {
            if file.durable_bytes != file.now.len() && random.random_bool(0.5) {
                file.durable_bytes = file.now.len();
            }
            let bytes = file.durable_bytes.max(file.durable.len());
            file.durable.resize(bytes, 0);
            file.now = file.durable[..file.durable_bytes].to_vec();
        }
    }

    /// The bytes that the version which runs puts where it writes these.
    pub fn as_written<'b>(&mut self, inode: u64, position: usize, blocks: &'b [u8]) -> Cow<'b, [u8]> {
        let Some(additions) = self.later else { return Cow::Borrowed(blocks) };
        let file = self.file(inode);
        file.is_later = true;
        let mut bytes = file.now.clone();
        later::take_out_of(&mut bytes);
        let range = position..position + blocks.len();
        bytes[range.clone()].copy_from_slice(blocks);
        additions.put_into(&mut bytes);
        Cow::Owned(bytes[range].to_vec())
    }

    /// Some sectors of a write become durable.
    pub fn write_some_sectors(&mut self, inode: u64, position: usize, bytes: &[u8]) {
        let mut random = StdRng::seed_from_u64(self.random.random());
        let share = random.random_range(0.0..=1.0);
        let file = self.file(inode);
        for (number, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
            if random.random_bool(share) {
                let at = position + number * SECTOR_BYTES;
                file.put_durable(at, sector);
            }
        }
    }
}

impl Change {
    /// Makes the change.
    pub fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Name { name, inode } => drop(names.insert(name.clone(), *inode)),
            Self::Rename { from, to, inode } => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
            Self::Remove { name } => drop(names.remove(name)),
        }
    }
}

impl Inode {
    /// Puts bytes on the platters.
    pub fn put_durable(&mut self, position: usize, bytes: &[u8]) {
        let end = position + bytes.len();
        if self.durable.len() < end {
            self.durable.resize(end, 0);
        }
        self.durable[position..end].copy_from_slice(bytes);
        self.flipped.retain(|at, _| !(position..end).contains(at));
    }
}
