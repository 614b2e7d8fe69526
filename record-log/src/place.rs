//! A place in the log.

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The sequence number of the segment.
    pub segment: u64,
    /// The position in its file, in bytes.
    pub position: u64,
}
