//! What a later version may add, for tests of version skew: a build with the feature `version-skew` stands for it. It has
//! an entry kind more, a section of headers more, and a feature in either mask, each as a test asks. It imports nothing of
//! the format: those who write ask it.

use std::cell::Cell;

/// The kind and the message of the section more.
const SECTION: (u32, &[u8]) = (99, b"of a later version");
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

/// The masks of what must be known to read and to write, with the feature where it is asked for.
pub fn masks(feature: u64) -> (u64, u64) {
    let Skew { to_read, to_write, .. } = SKEW.get();
    (if to_read { feature } else { 0 }, if to_write { feature } else { 0 })
}

/// The section where it is asked for.
pub fn section() -> Option<(u32, &'static [u8])> {
    SKEW.get().section.then_some(SECTION)
}
