//! Who wrote a structure, and what a program must know to read it, or to write behind it.
//!
//! A version that adds something sets a bit for it where an older version would go wrong without knowing it: when it
//! reads, or when it goes on writing (what it does not know it would drop). What an older version may ignore has no bit.

use std::fmt;

use bytes::{Buf, BufMut};
use group_core::State;

/// Bytes of a version and the two masks.
pub const FEATURES_BYTES: usize = 32;
const VERSION_BYTES: usize = 16;

/// The features that this version can read.
pub const KNOWN_TO_READ: u64 = if cfg!(feature = "version-skew") { SKEW } else { 0 };
/// The features that this version can write.
pub const KNOWN_TO_WRITE: u64 = RESHARDED | if cfg!(feature = "version-skew") { SKEW } else { 0 };
/// The log was resharded. Who does not know that would drop the number of the last reshard when it writes a header, and
/// then do an old one again. To read it is enough to know the kinds of entries and the states of shards that are there.
const RESHARDED: u64 = 1 << 0;
/// The feature of a build that stands for a later version in tests of version skew.
const SKEW: u64 = 1 << 63;

/// The version of a program: ASCII, filled up with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version([u8; VERSION_BYTES]);

impl Version {
    /// This program's.
    #[must_use]
    pub const fn own() -> Self {
        Self::of(if cfg!(feature = "version-skew") { "99.0.0" } else { env!("CARGO_PKG_VERSION") })
    }

    /// A version, cut off behind its first 16 bytes.
    #[must_use]
    pub const fn of(text: &str) -> Self {
        let (mut bytes, mut at) = ([0; VERSION_BYTES], 0);
        while at < text.len() && at < VERSION_BYTES {
            bytes[at] = text.as_bytes()[at];
            at += 1;
        }
        Self(bytes)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.iter().take_while(|byte| **byte != 0);
        text.map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' })
            .try_for_each(|letter| write!(formatter, "{letter}"))
    }
}

/// What the header of a structure says of its writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// The version that wrote it.
    pub written_by: Version,
    /// What must be known to read it.
    pub to_read: u64,
    /// What must be known to write behind it, or to write it anew.
    pub to_write: u64,
}

impl Features {
    /// Of what this version writes behind a state.
    #[must_use]
    pub fn behind(state: &State) -> Self {
        let own = Self::own();
        let to_write = own.to_write | if state.last_op > 0 { RESHARDED } else { 0 };
        Self { to_write, ..own }
    }

    /// Of what this version writes that depends on no state.
    #[must_use]
    pub fn own() -> Self {
        #[cfg(not(feature = "version-skew"))]
        let (to_read, to_write) = (0, 0);
        #[cfg(feature = "version-skew")]
        let (to_read, to_write) = super::skew::masks(SKEW);
        Self { written_by: Version::own(), to_read, to_write }
    }

    pub(super) fn encode(&self, mut buffer: impl BufMut) {
        buffer.put_slice(&self.written_by.0);
        buffer.put_u64_le(self.to_read);
        buffer.put_u64_le(self.to_write);
    }

    /// Takes [`FEATURES_BYTES`].
    pub(super) fn decode(rest: &mut &[u8]) -> Self {
        let mut version = [0; VERSION_BYTES];
        rest.copy_to_slice(&mut version);
        Self { written_by: Version(version), to_read: rest.get_u64_le(), to_write: rest.get_u64_le() }
    }

    /// Whether this version can read it.
    ///
    /// # Errors
    /// If it has features that this version cannot read.
    pub fn check_read(&self) -> Result<(), Newer> {
        self.check(self.to_read & !KNOWN_TO_READ)
    }

    /// Whether this version can write behind it.
    ///
    /// # Errors
    /// If it has features that this version cannot write.
    pub fn check_write(&self) -> Result<(), Newer> {
        self.check(self.to_write & !KNOWN_TO_WRITE)
    }

    fn check(&self, unknown: u64) -> Result<(), Newer> {
        if unknown == 0 { Ok(()) } else { Err(Newer::new(self.written_by, Unknown::Features(unknown))) }
    }
}

/// Something that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Bits of a feature mask.
    Features(u64),
    /// A kind of entry.
    EntryKind(u8),
    /// A block that is not plain records.
    BlockEncoding(u8),
    /// A block that is sealed by a key.
    Key(u32),
    /// A status of a shard.
    ShardStatus(u32),
}

impl fmt::Display for Unknown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Features(mask) => write!(formatter, "the features {mask:#x}"),
            Self::EntryKind(kind) => write!(formatter, "an entry of kind {kind}"),
            Self::BlockEncoding(encoding) => write!(formatter, "records in encoding {encoding}"),
            Self::Key(key) => write!(formatter, "records sealed by key {key}"),
            Self::ShardStatus(status) => write!(formatter, "a shard of status {status}"),
        }
    }
}

/// Bytes whose checksum is right, with something in them that only a newer version knows: neither torn nor corrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "version {written_by} wrote it with {unknown}, which this version, {own}, does not know: run version {written_by} \
     or a newer one",
    own = Version::own()
)]
pub struct Newer {
    /// The version that wrote it.
    pub written_by: Version,
    /// What this version does not know of it.
    pub unknown: Unknown,
}

impl Newer {
    /// What a version wrote that this one does not know.
    #[must_use]
    pub fn new(written_by: Version, unknown: Unknown) -> Self {
        Self { written_by, unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_says_who_wrote_it_and_what_to_do() {
        let features = Features { written_by: Version::of("7.1.0-rc"), to_read: 1 << 40, to_write: 1 << 41 };
        let why = features.check_read().unwrap_err().to_string();
        let own = Version::own();
        assert_eq!(
            why,
            format!(
                "version 7.1.0-rc wrote it with the features 0x10000000000, which this version, {own}, does not know: \
                 run version 7.1.0-rc or a newer one"
            )
        );
        assert_eq!(features.check_write().unwrap_err().unknown, Unknown::Features(1 << 41));
        assert_eq!((Features::own().check_read(), Features::own().check_write()), (Ok(()), Ok(())));
    }
}
