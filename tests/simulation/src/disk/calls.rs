//! What the log calls.

use std::fmt;
use std::io;
use std::sync::Arc;

use record_log::disk::{BLOCK_BYTES, Disk, DiskFile};
use record_log::value::Wait;

use super::SimulatedDisk;
use super::platters::{Change, Inode};
use crate::faults::Fault;
use crate::later;

struct SimulatedFile {
    disk: SimulatedDisk,
    inode: u64,
}
impl Disk for SimulatedDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.begin();
        state.step()?;
        Ok(state.names.keys().cloned().collect())
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.begin();
        state.step()?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.take_space(bytes)?;
        let inode = state.next_inode;
        state.next_inode += 1;
        let zeros = vec![0; bytes as usize];
        state.files.insert(inode, Inode { now: zeros, is_length_new: true, ..Inode::default() });
        state.names.insert(name.into(), inode);
        state.changes.push(Change::Name { name: name.into(), inode });
        Ok(Arc::new(SimulatedFile { disk: self.clone(), inode }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.begin();
        state.step()?;
        let inode = state.inode(name)?;
        Ok(Arc::new(SimulatedFile { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.begin();
        let crashes = state.crashes()?;
        let inode = state.inode(from)?;
        let change = Change::Rename { from: from.into(), to: to.into(), inode };
        change.apply(&mut state.names);
        state.changes.push(change);
        if crashes { Err(io::Error::other("the machine crashes")) } else { Ok(()) }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.begin();
        let crashes = state.crashes()?;
        state.inode(name)?;
        state.names.remove(name);
        state.changes.push(Change::Remove { name: name.into() });
        if crashes { Err(io::Error::other("the machine crashes")) } else { Ok(()) }
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.begin();
        state.step()?;
        let one_in = state.faults.failed_directory_sync;
        if state.fails(one_in, Fault::FailedDirectorySync) {
            return Err(io::Error::other("the directory could not be synced"));
        }
        state.durable_names = state.names.clone();
        state.changes.clear();
        Ok(())
    }
}

impl DiskFile for SimulatedFile {
    fn bytes(&self) -> io::Result<u64> {
        let mut state = self.disk.begin();
        state.step()?;
        Ok(state.file(self.inode).now.len() as u64)
    }

    fn write(&self, position: u64, blocks: &[u8]) -> io::Result<()> {
        let mut state = self.disk.begin();
        let position = position as usize;
        assert!(
            position.is_multiple_of(BLOCK_BYTES) && blocks.len().is_multiple_of(BLOCK_BYTES),
            "whole blocks"
        );
        let crashes = state.crashes()?;
        let end = position + blocks.len();
        let bytes = state.file(self.inode).now.len();
        assert!(end <= bytes, "a write to {end} of a file of {bytes} bytes");
        let blocks = &*state.as_written(self.inode, position, blocks);
        state.file(self.inode).now[position..end].copy_from_slice(blocks);
        if crashes {
            state.fired(Fault::CrashInAWrite);
            state.write_some_sectors(self.inode, position, blocks);
            return Err(io::Error::other("the machine crashes"));
        }
        let one_in = state.faults.failed_write;
        if state.fails(one_in, Fault::FailedWrite) {
            state.write_some_sectors(self.inode, position, blocks);
            return Err(io::Error::other("the write failed"));
        }
        let file = state.file(self.inode);
        file.put_durable(position, blocks);
        file.durable_bytes = file.durable_bytes.max(end);
        file.unreadable_blocks.retain(|block| !(position / BLOCK_BYTES..end / BLOCK_BYTES).contains(block));
        Ok(())
    }

    fn read_disk(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_from(position, buffer, |file| {
            file.durable.resize(file.durable.len().max(file.now.len()), 0);
            &file.durable[..file.now.len()]
        })
    }

    fn read(&self, position: u64, buffer: &mut [u8], wait: Wait) -> io::Result<usize> {
        if wait == Wait::Never {
            let mut state = self.disk.lock();
            let one_in = state.faults.cold_read;
            if state.fails(one_in, Fault::ColdRead) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        self.read_from(position, buffer, |file| &file.now[..])
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.begin();
        state.step()?;
        let now = state.file(self.inode).now.len() as u64;
        if bytes > now {
            state.take_space(bytes - now)?;
        }
        let file = state.file(self.inode);
        file.now.resize(bytes as usize, 0);
        file.is_length_new |= bytes != now;
        // What is cut off stays on the platters; what is added reads as zeros also when it is durable.
        if bytes > now {
            let end = (bytes as usize).min(file.durable.len());
            let start = (now as usize).min(end);
            file.durable[start..end].fill(0);
            file.flipped.retain(|at, _| !(start..end).contains(at));
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.begin();
        state.step()?;
        let one_in = state.faults.failed_sync;
        let fails = state.fails(one_in, Fault::FailedSync);
        let file = state.file(self.inode);
        if std::mem::take(&mut file.is_length_new) && !fails {
            file.durable_bytes = file.now.len();
        }
        if fails { Err(io::Error::other("the file could not be synced")) } else { Ok(()) }
    }
}

impl SimulatedFile {
    fn read_from(
        &self,
        position: u64,
        buffer: &mut [u8],
        bytes: impl FnOnce(&mut Inode) -> &[u8],
    ) -> io::Result<usize> {
        let mut state = self.disk.begin();
        state.step()?;
        let one_in = state.faults.failed_read;
        if state.fails(one_in, Fault::FailedRead) {
            return Err(io::Error::other("the read failed"));
        }
        let runs_later = state.later.is_some();
        let file = state.file(self.inode);
        let start = (position as usize).min(file.now.len());
        let end = (start + buffer.len()).min(file.now.len());
        if file.unreadable_blocks.range(start / BLOCK_BYTES..end.div_ceil(BLOCK_BYTES)).next().is_some() {
            return Err(io::Error::other("a sector cannot be read"));
        }
        let is_later = runs_later && file.is_later;
        let bytes = bytes(file);
        if is_later {
            let mut known = bytes.to_vec();
            later::take_out_of(&mut known);
            buffer[..end - start].copy_from_slice(&known[start..end]);
        } else {
            buffer[..end - start].copy_from_slice(&bytes[start..end]);
        }
        file.flipped.range(start..end).for_each(|(at, bits)| buffer[at - start] ^= bits);
        Ok(end - start)
    }
}

impl fmt::Debug for SimulatedFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SimulatedFile").field("inode", &self.inode).finish()
    }
}
