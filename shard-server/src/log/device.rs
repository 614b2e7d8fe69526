//! What a log does to its file. Tests put a device in its place that fails as disks do.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A file that is written at its end.
pub trait Device: Send {
    /// Writes all bytes at a position.
    fn put(&mut self, position: u64, bytes: &[u8]) -> io::Result<()>;
    /// Returns when all that was written is durable. A failure is final: what was not synced then may pass for clean.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts off, durably, what is behind a position.
    fn cut(&mut self, position: u64) -> io::Result<()>;
}

impl Device for File {
    fn put(&mut self, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, position)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, position: u64) -> io::Result<()> {
        self.set_len(position)?;
        self.sync_all()
    }
}
