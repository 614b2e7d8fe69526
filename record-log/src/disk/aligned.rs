//! Memory that direct I/O takes.

use super::BLOCK_BYTES;

/// Zeroed bytes that begin at a block's boundary in memory.
#[derive(Debug, Default)]
pub struct AlignedBuffer {
    storage: Vec<u8>,
    start: usize,
    bytes: usize,
}

impl AlignedBuffer {
    /// A buffer of at least so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        let storage = vec![0; bytes + BLOCK_BYTES];
        let start = storage.as_ptr().align_offset(BLOCK_BYTES).min(BLOCK_BYTES);
        Self { storage, start, bytes }
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.storage[self.start..self.start + self.bytes]
    }

    /// The bytes, to be written to.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + self.bytes]
    }
}
