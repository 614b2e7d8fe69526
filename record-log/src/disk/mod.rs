//! What a log needs of a disk. This is where a simulation enters; [`system`] is the real one, and calls of either can be
//! [`watched`].
//!
//! Whoever implements it promises no more than the comments say: what was not made durable may be gone after a crash,
//! in whole or in any part.

pub mod aligned;
pub mod system;
pub mod watched;

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use crate::value::Wait;

/// Writes begin and end on whole blocks of so many bytes.
pub const BLOCK_BYTES: usize = 4096;

/// One directory of files.
pub trait Disk: Debug + Send + Sync {
    /// The names of its files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a file of this many bytes (zeros) and takes their space, so that no write within them can meet a full
    /// disk. Neither the file nor its name is durable yet. If it fails, no file of that name is left.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file to read and to write.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Renames a file, over another one if there is one. Durable with [`Disk::sync_directory`].
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name; whoever has the file open may go on reading. Durable with [`Disk::sync_directory`].
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Returns when all names are durable: those made, changed and removed.
    fn sync_directory(&self) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Debug + Send + Sync {
    /// Its length in bytes.
    fn bytes(&self) -> io::Result<u64>;

    /// Writes blocks and returns when they are durable. `position` and the length are multiples of [`BLOCK_BYTES`]
    /// and within the file. A failure is final: which parts were written is unknown, and what reads as new may be gone
    /// after a crash.
    fn write(&self, position: u64, blocks: &[u8]) -> io::Result<()>;

    /// Reads what the disk has, past every cache, until the buffer is full or the file ends; gives how many bytes.
    fn read_disk(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Reads until the buffer is full or the file ends; gives how many bytes. May take from memory, and with
    /// [`Wait::Never`] only takes from there, else fails as [`io::ErrorKind::WouldBlock`].
    fn read(&self, position: u64, buffer: &mut [u8], wait: Wait) -> io::Result<usize>;

    /// Says that these bytes will be read soon, so that they may be fetched meanwhile. Advice, which may be ignored.
    fn will_need(&self, _position: u64, _bytes: u64) {}

    /// Changes the length, in whole blocks: takes the space of what is new, or gives back what is cut off. Durable with
    /// [`DiskFile::sync`].
    fn resize(&self, bytes: u64) -> io::Result<()>;

    /// Returns when bytes and length are durable. A failure is final, as one of [`DiskFile::write`].
    fn sync(&self) -> io::Result<()>;
}
