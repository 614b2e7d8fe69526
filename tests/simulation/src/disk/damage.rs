//! What is done to a disk while nobody looks.

use rand::RngExt as _;
use record_log::disk::BLOCK_BYTES;

use super::{SimulatedDisk, State};
use crate::faults::Fault;

/// How a batch begins in a segment.
const BATCH_MAGIC: &[u8; 4] = b"KBAT";

impl SimulatedDisk {
    /// Flips a bit somewhere, makes a block unreadable, or loses a file before others. Gives the name of the file and
    /// the byte.
    pub fn damage(&self) -> Option<(String, usize)> {
        let mut state = self.lock();
        if state.random.random_bool(0.1) {
            return state.lose_a_file_before_others();
        }
        let names: Vec<_> = state.durable_names.iter().map(|(name, inode)| (name.clone(), *inode)).collect();
        if names.is_empty() {
            return None;
        }
        // The newest files are where recovery looks.
        let at = names.len() - 1 - state.random.random_range(0..names.len().min(3));
        let (name, inode) = names[at].clone();
        let bytes = state.files[&inode].durable_bytes;
        if bytes == 0 {
            return None;
        }
        let file = state.file(inode);
        file.durable.resize(file.durable.len().max(bytes), 0);
        let used = file.durable[..bytes].iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        let (anywhere, in_head) = (state.random.random_range(0..used), state.random.random_range(0..64));
        let heads: Vec<_> = state.files[&inode].durable[..used]
            .windows(BATCH_MAGIC.len())
            .enumerate()
            .filter(|(_, bytes)| bytes == BATCH_MAGIC)
            .map(|(at, _)| at)
            .collect();
        // Most bytes are records': heads are aimed at, or few would be hit.
        let aimed = !heads.is_empty() && state.random.random_bool(0.6);
        let position = match aimed {
            true => (heads[in_head * heads.len() / 64] + in_head).min(used - 1),
            false => anywhere,
        };
        let flips = state.random.random_bool(0.8);
        let bit = state.random.random_range(0..8u8);
        state.fired(if flips { Fault::BitFlip } else { Fault::BadBlock });
        let file = state.files.get_mut(&inode)?;
        if flips {
            file.durable[position] ^= 1 << bit;
            if let Some(byte) = file.now.get_mut(position) {
                *byte ^= 1 << bit;
            }
        } else {
            file.bad_blocks.insert(position / BLOCK_BYTES);
        }
        Some((name, position))
    }
}

impl State {
    fn lose_a_file_before_others(&mut self) -> Option<(String, usize)> {
        let mut segments: Vec<_> =
            self.names.keys().filter(|name| name.starts_with("segment")).cloned().collect();
        if segments.len() < 2 {
            return None;
        }
        // Behind the newest one there is nothing that speaks for it.
        let lost = segments.swap_remove(self.random.random_range(0..segments.len() - 1));
        self.names.remove(&lost);
        self.durable_names.remove(&lost);
        self.fired(Fault::LostFile);
        Some((lost, 0))
    }
}
