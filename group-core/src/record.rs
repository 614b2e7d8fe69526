//! Records as they travel and are stored: encoded once where they come in, never again.
//!
//! A [`RecordBlock`] holds the records of one run (one shard, in order) back to back. All integers are
//! little-endian:
//!
//! ```text
//! data length u32 | key length u16 | partition key (UTF-8) | data
//! ```

use bytes::{BufMut, Bytes, BytesMut};

const HEAD_BYTES: usize = 4 + 2;
/// A block of several records has no more bytes, so that a piece of a run costs a piece and not the run.
pub const MAX_BLOCK_BYTES: usize = 128 << 10;

/// One record, borrowed from its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The partition key, 1 to 256 characters.
    pub partition_key: &'a str,
    /// The data, possibly empty.
    pub data: &'a [u8],
}

/// How many bytes a record takes in a block.
#[must_use]
pub fn encoded_bytes(partition_key: &str, data_bytes: usize) -> usize {
    HEAD_BYTES + partition_key.len() + data_bytes
}

/// The bytes are no records, or another number of them than was said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a block of {bytes} bytes does not hold {count} records: it breaks off or goes wrong at byte {at}")]
pub struct InvalidBlock {
    bytes: usize,
    count: u32,
    at: usize,
}

/// The records of one run, in order. Cloning shares the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordBlock {
    count: u32,
    bytes: Bytes,
}

impl RecordBlock {
    /// Takes bytes from outside, after checking that they are `count` whole records.
    ///
    /// # Errors
    /// If they are not; nothing of them is to be trusted then.
    pub fn parse(count: u32, bytes: Bytes) -> Result<Self, InvalidBlock> {
        Self::checked(count, bytes, |bytes| Some(split_record(bytes)?.1))
    }

    /// Takes bytes whose checksum is that of records that were parsed before: only their lengths are looked at.
    ///
    /// # Errors
    /// If these are not those of `count` records.
    pub fn parse_again(count: u32, bytes: Bytes) -> Result<Self, InvalidBlock> {
        Self::checked(count, bytes, |bytes| Some(lengths(bytes)?.encoded()))
    }

    /// Walks over the records by what each takes.
    fn checked(
        count: u32,
        bytes: Bytes,
        first_bytes: impl Fn(&[u8]) -> Option<usize>,
    ) -> Result<Self, InvalidBlock> {
        let invalid = |at| InvalidBlock { bytes: bytes.len(), count, at };
        let mut at = 0;
        for _ in 0..count {
            at += first_bytes(&bytes[at..]).ok_or_else(|| invalid(at))?;
        }
        if at == bytes.len() { Ok(Self { count, bytes }) } else { Err(invalid(at)) }
    }

    /// How many records it holds.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The encoded records.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The records behind the first `skip`, as many as fit into both limits. Shares the bytes.
    #[must_use]
    pub fn slice(&self, skip: u32, max_records: u32, max_bytes: usize) -> Self {
        if skip == 0 && self.count <= max_records && self.bytes.len() <= max_bytes {
            return self.clone();
        }
        let mut bytes = self.records().map(|record| encoded_bytes(record.partition_key, record.data.len()));
        let start: usize = bytes.by_ref().take(skip as usize).sum();
        let (mut count, mut end) = (0, start);
        for record_bytes in bytes.take(max_records as usize) {
            if end + record_bytes - start > max_bytes {
                break;
            }
            end += record_bytes;
            count += 1;
        }
        Self { count, bytes: self.bytes.slice(start..end) }
    }

    /// The records in order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let (record, encoded) = split_record(rest)?;
            rest = &rest[encoded..];
            Some(record)
        })
    }
}

/// What the head of a record says.
struct Lengths {
    key: usize,
    data: usize,
}

impl Lengths {
    fn encoded(&self) -> usize {
        HEAD_BYTES + self.key + self.data
    }
}

/// The lengths of the first record, if the bytes hold it whole.
fn lengths(bytes: &[u8]) -> Option<Lengths> {
    let (data, rest) = bytes.split_first_chunk()?;
    let (key, _) = rest.split_first_chunk()?;
    let lengths = Lengths {
        key: u16::from_le_bytes(*key).into(),
        data: usize::try_from(u32::from_le_bytes(*data)).ok()?,
    };
    (lengths.encoded() <= bytes.len()).then_some(lengths)
}

/// The first record of the bytes and how many of them it takes.
fn split_record(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let lengths = lengths(bytes)?;
    let (key, data) = bytes[HEAD_BYTES..lengths.encoded()].split_at(lengths.key);
    Some((Record { partition_key: std::str::from_utf8(key).ok()?, data }, lengths.encoded()))
}

/// Builds a [`RecordBlock`].
#[derive(Debug, Default)]
pub struct RecordBlockBuilder {
    count: u32,
    bytes: BytesMut,
}

impl RecordBlockBuilder {
    /// Adds a record behind the others.
    ///
    /// # Panics
    /// If key or data are longer than the layout can say (64 KiB, 4 GiB): the wire's limits are far below.
    pub fn push(&mut self, record: Record<'_>) {
        let data_bytes = u32::try_from(record.data.len()).expect("data below 4 GiB");
        let key_bytes = u16::try_from(record.partition_key.len()).expect("a partition key below 64 KiB");
        self.bytes.reserve(encoded_bytes(record.partition_key, record.data.len()));
        self.bytes.put_u32_le(data_bytes);
        self.bytes.put_u16_le(key_bytes);
        self.bytes.put_slice(record.partition_key.as_bytes());
        self.bytes.put_slice(record.data);
        self.count += 1;
    }

    /// How many records were added.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The finished block.
    #[must_use]
    pub fn build(self) -> RecordBlock {
        RecordBlock { count: self.count, bytes: self.bytes.freeze() }
    }
}

/// Builds the [`RecordBlock`]s of several runs, one after the other, each in memory of its own: whoever keeps one keeps no
/// other.
#[derive(Debug, Default)]
pub struct RunsBuilder {
    runs: Vec<RecordBlock>,
    count: u32,
    bytes: Vec<u8>,
}

impl RunsBuilder {
    /// Whether a run of so many encoded bytes ends before a record of so many.
    #[must_use]
    pub fn is_full(run_bytes: usize, record_bytes: usize) -> bool {
        run_bytes > 0 && run_bytes + record_bytes > MAX_BLOCK_BYTES
    }

    /// Ends the run that is under way, if one is, and begins one of so many encoded bytes.
    pub fn begin_run(&mut self, encoded_bytes: usize) {
        self.end_run();
        self.bytes = Vec::with_capacity(encoded_bytes);
    }

    /// Adds a record to the run that is under way, or to a next one if that is full; `append` appends its data, so many
    /// bytes, where it is to stay.
    ///
    /// # Panics
    /// If key or data are longer than the layout can say (64 KiB, 4 GiB): the wire's limits are far below. If
    /// another number of bytes is appended.
    pub fn push(&mut self, partition_key: &str, data_bytes: usize, append: impl FnOnce(&mut Vec<u8>)) {
        if Self::is_full(self.bytes.len(), encoded_bytes(partition_key, data_bytes)) {
            self.begin_run(0);
        }
        let key_bytes = u16::try_from(partition_key.len()).expect("a partition key below 64 KiB");
        self.bytes.put_u32_le(u32::try_from(data_bytes).expect("data below 4 GiB"));
        self.bytes.put_u16_le(key_bytes);
        self.bytes.put_slice(partition_key.as_bytes());
        let start = self.bytes.len();
        append(&mut self.bytes);
        assert_eq!(self.bytes.len() - start, data_bytes, "the data has the length that was given");
        self.count += 1;
    }

    /// The finished blocks, in the order of the runs.
    #[must_use]
    pub fn build(mut self) -> Vec<RecordBlock> {
        self.end_run();
        self.runs
    }

    fn end_run(&mut self) {
        if self.count > 0 {
            let (count, bytes) = (std::mem::take(&mut self.count), std::mem::take(&mut self.bytes));
            self.runs.push(RecordBlock { count, bytes: bytes.into() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_read_back_as_they_were_added(
            records in proptest::collection::vec((".{0,20}", proptest::collection::vec(any::<u8>(), 0..50)), 0..20)
        ) {
            let mut builder = RecordBlockBuilder::default();
            for (key, data) in &records {
                builder.push(Record { partition_key: key, data });
            }
            let block = builder.build();
            let parsed = RecordBlock::parse(block.count(), block.bytes().clone()).unwrap();
            let read: Vec<_> =
                parsed.records().map(|record| (record.partition_key.to_owned(), record.data.to_vec())).collect();
            prop_assert_eq!(read, records);
        }

        #[test]
        fn any_bytes_are_parsed_or_refused(count in 0u32..5, bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = RecordBlock::parse(count, Bytes::from(bytes));
        }
    }

    #[test]
    fn runs_built_together_are_those_built_apart() {
        let runs = [&[("b", "2")][..], &[("a", "11"), ("c", ""), ("dd", "4444")]];
        let mut together = RunsBuilder::default();
        let mut apart = Vec::new();
        for run in runs {
            together.begin_run(0);
            let mut builder = RecordBlockBuilder::default();
            for (partition_key, data) in run {
                let data = data.as_bytes();
                together.push(partition_key, data.len(), |block| block.extend_from_slice(data));
                builder.push(Record { partition_key, data });
            }
            apart.push(builder.build());
        }
        assert_eq!(together.build(), apart);
    }

    #[test]
    fn run_ends_before_its_block_is_too_large_and_a_larger_record_has_one_of_its_own() {
        let mut builder = RunsBuilder::default();
        let key = "key";
        let fits = MAX_BLOCK_BYTES / 2 - encoded_bytes(key, 0);
        for data_bytes in [fits, fits, 0, MAX_BLOCK_BYTES, 1, 1] {
            builder.push(key, data_bytes, |block| block.resize(block.len() + data_bytes, 0));
        }
        let counts: Vec<_> = builder.build().iter().map(RecordBlock::count).collect();
        assert_eq!(counts, [2, 1, 1, 2]);
    }

    #[test]
    fn slice_keeps_to_both_limits() {
        let mut builder = RecordBlockBuilder::default();
        for data in [&b"a"[..], b"bb", b"ccc"] {
            builder.push(Record { partition_key: "k", data });
        }
        let block = builder.build();
        let data =
            |block: RecordBlock| block.records().map(|record| record.data.to_vec()).collect::<Vec<_>>();
        assert_eq!(data(block.slice(1, 9, 99)), [&b"bb"[..], b"ccc"]);
        assert_eq!(data(block.slice(0, 2, 99)), [&b"a"[..], b"bb"]);
        assert_eq!(data(block.slice(0, 9, 8 + 9)), [&b"a"[..], b"bb"]);
        assert_eq!(block.slice(2, 9, 9).count(), 0);
        assert_eq!(block.slice(3, 9, 99).count(), 0);
    }

    #[test]
    fn block_that_breaks_off_is_refused() {
        let mut builder = RecordBlockBuilder::default();
        builder.push(Record { partition_key: "k", data: b"abc" });
        let bytes = builder.build().bytes().clone();
        assert!(RecordBlock::parse(1, bytes.slice(..bytes.len() - 1)).is_err());
        assert!(RecordBlock::parse(2, bytes).is_err());
    }
}
