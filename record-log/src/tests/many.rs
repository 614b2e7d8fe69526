//! A log of 100 GiB is opened by looking at as little as of a small one. How long that takes the benchmark says.

use std::io;
use std::sync::atomic::AtomicU64;

use super::*;
use crate::disk::DiskFile;

const SEGMENTS: u64 = 1_600;
const SEGMENT_BYTES: u64 = 64 << 20;

/// The real disk, and what is done to it.
#[derive(Debug)]
struct CountingDisk {
    disk: Arc<dyn Disk>,
    opened: Arc<AtomicU64>,
    read_bytes: Arc<AtomicU64>,
}

#[derive(Debug)]
struct CountingFile {
    file: Arc<dyn DiskFile>,
    read_bytes: Arc<AtomicU64>,
}

impl Disk for CountingDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.create(name, bytes)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let (file, read_bytes) = (self.disk.open(name)?, Arc::clone(&self.read_bytes));
        Ok(Arc::new(CountingFile { file, read_bytes }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.disk.sync_directory()
    }
}

impl DiskFile for CountingFile {
    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn write(&self, position: u64, blocks: &[u8]) -> io::Result<()> {
        self.file.write(position, blocks)
    }

    fn read_disk(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_disk(position, buffer)?;
        self.read_bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }

    fn read(&self, position: u64, buffer: &mut [u8], wait: Wait) -> io::Result<usize> {
        let read = self.file.read(position, buffer, wait)?;
        self.read_bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        self.file.resize(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

#[test]
fn opening_sixteen_hundred_segments_looks_at_the_oldest_and_the_newest_alone() {
    let mut bench = Bench::new();
    bench.sizes =
        Sizes { first_segment_bytes: 16 << 10, largest_segment_bytes: 16 << 10, ..Sizes::default() };
    let (mut log, reader) = bench.open();
    // Each record leaves no room for a second one in its segment.
    let text = "x".repeat(9 << 10);
    for _ in 0..SEGMENTS {
        put(&mut log, 0, &[&text]);
    }
    assert_eq!(reader.status().segments, SEGMENTS + 1);
    drop((log, reader));
    // As long as full ones: holes for what is not there.
    for sequence in 2..=SEGMENTS {
        let name = crate::format::segment_name(sequence);
        let file = std::fs::File::options().write(true).open(bench.path(&name)).unwrap();
        file.set_len(SEGMENT_BYTES).unwrap();
    }
    let (opened, read_bytes) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let disk = Arc::clone(&bench.disk);
    bench.disk =
        Arc::new(CountingDisk { disk, opened: Arc::clone(&opened), read_bytes: Arc::clone(&read_bytes) });
    let (_log, reader) = bench.open();
    // The slots, the newest segment twice (past the cache, and to read), the oldest.
    assert_eq!(opened.load(Ordering::Relaxed), 4);
    assert!(read_bytes.load(Ordering::Relaxed) < 1 << 20);
    assert_eq!(reader.status().segments, SEGMENTS + 1);
    assert_eq!(read(&reader, 0, Position::Offset(SEGMENTS)).unwrap().next_offset, SEGMENTS + 1);
}
