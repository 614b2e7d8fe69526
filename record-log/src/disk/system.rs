//! The real disk: direct I/O for what must be durable, the page cache for reads.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{Advice, FallocateFlags, OFlags, fadvise, fallocate};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::aligned::AlignedBuffer;
use super::{BLOCK_BYTES, Disk, DiskFile};
use crate::value::Wait;

/// A directory of a file system.
#[derive(Debug)]
pub struct SystemDisk {
    directory: PathBuf,
}

/// A file of a [`SystemDisk`], opened when it is used, so that an idle log has no file open.
#[derive(Debug)]
struct SystemFile {
    path: PathBuf,
    direct: OnceLock<Direct>,
    cached: OnceLock<File>,
}

/// A handle for what must be durable.
#[derive(Debug)]
enum Direct {
    /// Writes whole blocks past the page cache, durable when they return.
    Unbuffered(File),
    /// Where the file system knows no direct I/O.
    Buffered(File),
}

impl SystemDisk {
    /// The directory, which exists.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    fn file(&self, name: &str) -> SystemFile {
        SystemFile { path: self.directory.join(name), direct: OnceLock::new(), cached: OnceLock::new() }
    }
}

impl Disk for SystemDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.directory)?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.file(name);
        OpenOptions::new().write(true).create_new(true).open(&file.path)?;
        match file.resize(bytes) {
            Ok(()) => Ok(Arc::new(file)),
            Err(error) => {
                fs::remove_file(&file.path)?;
                Err(error)
            }
        }
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.file(name);
        fs::metadata(&file.path)?;
        Ok(Arc::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.directory.join(from), self.directory.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.directory.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }
}

impl Direct {
    fn open(path: &Path) -> io::Result<Self> {
        let open_as = |write: bool, flags: OFlags| {
            let flags = flags.bits().cast_signed();
            OpenOptions::new().read(true).write(write).custom_flags(flags).open(path)
        };
        // Who looks at a copy need not be able to write to it.
        let open = |flags| match open_as(true, flags) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                open_as(false, flags)
            }
            opened => opened,
        };
        match open(OFlags::DIRECT | OFlags::DSYNC) {
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                open(OFlags::empty()).map(Self::Buffered)
            }
            opened => opened.map(Self::Unbuffered),
        }
    }

    fn file(&self) -> &File {
        match self {
            Self::Unbuffered(file) | Self::Buffered(file) => file,
        }
    }
}

impl SystemFile {
    fn direct(&self) -> io::Result<&Direct> {
        match self.direct.get() {
            Some(direct) => Ok(direct),
            None => {
                let direct = Direct::open(&self.path)?;
                Ok(self.direct.get_or_init(|| direct))
            }
        }
    }

    fn cached(&self) -> io::Result<&File> {
        match self.cached.get() {
            Some(file) => Ok(file),
            None => {
                let file = match self.direct.get() {
                    Some(direct) => open_again(direct.file(), OpenOptions::new().read(true))?,
                    None => File::open(&self.path)?,
                };
                Ok(self.cached.get_or_init(|| file))
            }
        }
    }
}

impl DiskFile for SystemFile {
    fn bytes(&self) -> io::Result<u64> {
        let open = self.direct.get().map(Direct::file).or(self.cached.get());
        Ok(open.map_or_else(|| fs::metadata(&self.path), File::metadata)?.len())
    }

    fn write(&self, position: u64, blocks: &[u8]) -> io::Result<()> {
        match self.direct()? {
            Direct::Unbuffered(file) if blocks.as_ptr().align_offset(BLOCK_BYTES) == 0 => {
                file.write_all_at(blocks, position)
            }
            Direct::Unbuffered(file) => {
                let mut aligned = AlignedBuffer::with_capacity(blocks.len());
                aligned.as_mut_slice().copy_from_slice(blocks);
                file.write_all_at(aligned.as_slice(), position)
            }
            Direct::Buffered(file) => {
                file.write_all_at(blocks, position)?;
                file.sync_data()
            }
        }
    }

    fn read_disk(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let direct = self.direct()?;
        if let Direct::Buffered(file) = direct {
            file.sync_data()?;
            fadvise(file, 0, None, Advice::DontNeed)?;
            return read_full(buffer, position, |piece, at| file.read_at(piece, at));
        }
        let skip = (position % BLOCK_BYTES as u64) as usize;
        let mut aligned = AlignedBuffer::with_capacity((skip + buffer.len()).next_multiple_of(BLOCK_BYTES));
        let start = position - skip as u64;
        let read = read_full(aligned.as_mut_slice(), start, |piece, at| direct.file().read_at(piece, at))?;
        let bytes = read.saturating_sub(skip).min(buffer.len());
        buffer[..bytes].copy_from_slice(&aligned.as_slice()[skip..skip + bytes]);
        Ok(bytes)
    }

    fn read(&self, position: u64, buffer: &mut [u8], wait: Wait) -> io::Result<usize> {
        let file = self.cached()?;
        read_full(buffer, position, |piece, at| match wait {
            Wait::ForDisk => file.read_at(piece, at),
            Wait::Never => {
                let read = preadv2(file, &mut [IoSliceMut::new(piece)], at, ReadWriteFlags::NOWAIT);
                read.map_err(|errno| match errno {
                    Errno::AGAIN | Errno::OPNOTSUPP => io::ErrorKind::WouldBlock.into(),
                    other => other.into(),
                })
            }
        })
    }

    fn will_need(&self, position: u64, bytes: u64) {
        if let (Ok(file), Some(bytes)) = (self.cached(), NonZeroU64::new(bytes)) {
            let _ = fadvise(file, position, Some(bytes), Advice::WillNeed);
        }
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        let file = self.direct()?.file();
        let before = file.metadata()?.len();
        if bytes <= before {
            return file.set_len(bytes);
        }
        loop {
            match fallocate(file, FallocateFlags::empty(), 0, bytes) {
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP) => return fill(file, before, bytes),
                done => return Ok(done?),
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.direct()?.file().sync_all()
    }
}

/// Reads until the buffer is full or the file ends.
fn read_full(
    buffer: &mut [u8],
    position: u64,
    mut read: impl FnMut(&mut [u8], u64) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match read(&mut buffer[done..], position + done as u64) {
            Ok(0) => break,
            Ok(bytes) => done += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Another handle of an open file, which may have another name by now.
fn open_again(file: &File, options: &OpenOptions) -> io::Result<File> {
    options.open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Takes space by writing to it, through the page cache.
fn fill(file: &File, from: u64, to: u64) -> io::Result<()> {
    let file = open_again(file, OpenOptions::new().write(true))?;
    let zeros = vec![0; 1 << 20];
    let mut position = from;
    while position < to {
        let bytes = zeros.len().min(usize::try_from(to - position).unwrap_or(usize::MAX));
        file.write_all_at(&zeros[..bytes], position)?;
        position += bytes as u64;
    }
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_that_can_be_neither_written_nor_read_past_the_cache_is_read_through_it() {
        // Nobody may write to it, and it knows no direct I/O.
        let direct = Direct::open(Path::new("/proc/sys/kernel/osrelease")).unwrap();
        assert!(matches!(&direct, Direct::Buffered(file) if file.read_at(&mut [0; 8], 0).unwrap() > 0));
    }

    #[test]
    fn file_without_fallocate_grows_also_under_another_name() {
        let directory = tempfile::tempdir().unwrap();
        let disk = SystemDisk::new(directory.path().into());
        let file = disk.create("spare", 4096).unwrap();
        disk.rename("spare", "segment").unwrap();
        file.bytes().unwrap();
        let opened =
            OpenOptions::new().read(true).write(true).open(directory.path().join("segment")).unwrap();
        disk.rename("segment", "other").unwrap();
        fill(&opened, 4096, 3 << 20).unwrap();
        assert_eq!(file.bytes().unwrap(), 3 << 20);
        assert_eq!(disk.list().unwrap(), ["other"]);
    }
}
