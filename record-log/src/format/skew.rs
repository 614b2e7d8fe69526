//! What a later version may add, for tests of version skew: a build with the feature `version-skew` stands for it. It has
//! an entry kind more, a section of headers more, and a feature in either mask, each as a test asks.

use std::cell::Cell;

use super::features::Features;
use super::sections::put_section;

/// The section more; its message is text.
pub const SECTION: u32 = 99;
/// What a SetRetention is written as where it is asked for.
pub const ENTRY_KIND: u8 = 200;

/// What a thread's logs are written with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Skew {
    /// A feature that must be known to read a segment.
    pub to_read: bool,
    /// A feature that must be known to write behind it.
    pub to_write: bool,
    /// The section.
    pub section: bool,
    /// The entry kind.
    pub entry: bool,
}

thread_local! {
    static SKEW: Cell<Skew> = const { Cell::new(Skew { to_read: false, to_write: false, section: false, entry: false }) };
}

/// From now on this thread's logs are written with this.
#[cfg(test)]
pub fn set(skew: Skew) {
    SKEW.set(skew);
}

/// Whether entries of the kind more are written.
pub fn writes_entry() -> bool {
    SKEW.get().entry
}

/// The masks with the feature where it is asked for.
pub fn features(own: Features, feature: u64) -> Features {
    let Skew { to_read, to_write, .. } = SKEW.get();
    Features {
        to_read: if to_read { feature } else { 0 },
        to_write: if to_write { feature } else { 0 },
        ..own
    }
}

/// Adds the section where it is asked for.
pub fn put(buffer: &mut Vec<u8>) {
    if SKEW.get().section {
        put_section(buffer, SECTION, b"of a later version");
    }
}
