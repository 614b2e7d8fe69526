//! A later version of the log: this one, with additions that it puts into all that it writes and knows when it reads. They
//! are put in and taken out between the log and the bytes of its disk, so what lies there is what a later version leaves,
//! its checksums right, by a reading of the format's drawing that shares no code with the log.
//!
//! Its headers have a section more. As its operator enables them it has a feature in either mask of headers and
//! footers, records that are sealed by a key, and another kind of entry in place of a SetRetention.

use std::ops::Range;

use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::layout::{self, Layout, NEWER_ENTRY_KIND};

/// What it calls itself.
pub const VERSION: &str = "99.0.0";
const FEATURE: u64 = 1 << 63;
const SECTION: &[u8; 32] = b"\x63\0\0\0\x12\0\0\0of a later version\0\0\0\0\0\0";
const KEY: u32 = 7;
const SET_RETENTION: u8 = 2;
const CHECKSUM: Range<usize> = 8..12;
const FEATURES: Range<usize> = 16..48;
const MASKS: Range<usize> = 32..48;

/// What is enabled of the additions.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct Additions {
    /// A feature that must be known to read a segment.
    pub to_read: bool,
    /// A feature that must be known to write behind it.
    pub to_write: bool,
    /// Records that are sealed by a key.
    pub sealed: bool,
    /// The other kind of entry.
    pub entry: bool,
}

impl Additions {
    /// Some of them, or none.
    #[must_use]
    pub fn draw(random: &mut StdRng) -> Self {
        let to_read = random.random_ratio(1, 4);
        Self {
            to_read,
            to_write: to_read || random.random_ratio(1, 2),
            sealed: random.random_ratio(1, 5),
            entry: random.random_ratio(1, 2),
        }
    }

    /// Puts them into all that is whole in a file of this version's bytes.
    pub fn put_into(self, file: &mut [u8]) {
        let mask = |enabled| if enabled { FEATURE } else { 0u64 };
        let mut features = [0; 32];
        features[..VERSION.len()].copy_from_slice(VERSION.as_bytes());
        features[16..24].copy_from_slice(&mask(self.to_read).to_le_bytes());
        features[24..].copy_from_slice(&mask(self.to_write).to_le_bytes());
        change(file, &features, FEATURES, |entry| match entry[2] {
            layout::APPEND if self.sealed => entry[40..44].copy_from_slice(&KEY.to_le_bytes()),
            SET_RETENTION if self.entry => entry[2] = NEWER_ENTRY_KIND,
            _ => {}
        });
    }
}

/// Takes out of all that is whole in a file whatever this version does not know.
pub fn take_out_of(file: &mut [u8]) {
    change(file, &[0; 16], MASKS, |entry| match entry[2] {
        layout::APPEND => entry[40..44].fill(0),
        NEWER_ENTRY_KIND => entry[2] = SET_RETENTION,
        _ => {}
    });
}

/// Puts these features into header and footer of a segment, and changes the headers of its entries: of all that is whole.
/// What is torn stays torn.
fn change(file: &mut [u8], features: &[u8], at: Range<usize>, change_entry: impl Fn(&mut [u8])) {
    let Some(Layout { header_end, batches }) = Layout::of(file) else { return };
    let seed = crc32c::crc32c(&file[48..56]);
    if layout::is_header_whole(file) {
        let header = &mut file[..header_end];
        if at == FEATURES && !header[FEATURES].starts_with(VERSION.as_bytes()) {
            put_section(header);
        }
        header[at.clone()].copy_from_slice(features);
        let checksum = crc32c::crc32c(layout::checked_of_header(header));
        header[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    }
    for batch in batches {
        let headers = &mut file[batch.headers];
        let checksum = |headers: &[u8]| crc32c::crc32c_append(seed, &headers[8..]).to_le_bytes();
        if headers[4..8] != checksum(headers) {
            continue;
        }
        let mut rest = &mut headers[layout::BATCH_HEAD_BYTES..];
        while !rest.is_empty() {
            let bytes = usize::from(u16::from_le_bytes([rest[0], rest[1]]));
            let (entry, behind) = rest.split_at_mut(bytes);
            change_entry(entry);
            rest = behind;
        }
        let sum = checksum(headers);
        headers[4..8].copy_from_slice(&sum);
    }
    let Some(trailer) = layout::trailer(file) else { return };
    let shards = u32::from_le_bytes([12, 13, 14, 15].map(|at| file[trailer.start + at])) as usize;
    let Some(directory) = trailer.start.checked_sub(16 * shards) else { return };
    let checksum = |file: &[u8]| {
        let own = crc32c::crc32c_append(seed, &file[trailer.start + CHECKSUM.end..trailer.end]);
        crc32c::crc32c_append(own, &file[directory..trailer.start]).to_le_bytes()
    };
    let within = |range: Range<usize>| trailer.start + range.start..trailer.start + range.end;
    if file[within(CHECKSUM)] == checksum(file) {
        file[within(at)].copy_from_slice(features);
        let sum = checksum(file);
        file[within(CHECKSUM)].copy_from_slice(&sum);
    }
}

/// Adds the section to a header whose blocks have room for it.
fn put_section(header: &mut [u8]) {
    let end = layout::checked_of_header(header).len() + CHECKSUM.end;
    if let Some(room) = header.get_mut(end..end + SECTION.len()) {
        room.copy_from_slice(SECTION);
        let bytes = (end + SECTION.len()) as u32;
        header[12..16].copy_from_slice(&bytes.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::tests::written;

    const ALL: Additions = Additions { to_read: true, to_write: true, sealed: true, entry: true };

    #[test]
    fn what_is_put_in_is_whole_and_is_taken_out_again() {
        let (plain, mut bytes) = (written(), written());
        ALL.put_into(&mut bytes);
        assert!(layout::is_header_whole(&bytes) && bytes != plain);
        let later = Layout::of(&bytes).unwrap();
        let unknown: Vec<_> = later.batches.iter().map(|batch| batch.is_newer).collect();
        assert_eq!(unknown, [false, true, true, false]);
        assert!(layout::has_features(&bytes, layout::Mask::ToRead));
        let once = bytes.clone();
        take_out_of(&mut bytes);
        assert!(layout::is_header_whole(&bytes) && !layout::has_features(&bytes, layout::Mask::ToRead));
        assert_eq!(bytes[later.header_end..], plain[later.header_end..]);
        ALL.put_into(&mut bytes);
        assert!(bytes == once);
    }

    #[test]
    fn what_is_torn_stays_torn() {
        let mut bytes = written();
        let torn = Layout::of(&bytes).unwrap().batches[1].headers.end - 1;
        bytes[torn] ^= 1;
        ALL.put_into(&mut bytes);
        let newer: Vec<_> = Layout::of(&bytes).unwrap().batches.iter().map(|batch| batch.is_newer).collect();
        assert_eq!(newer, [false, false, true, false]);
    }
}
