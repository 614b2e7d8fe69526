//! What an administrator does about corruption: accept its loss, and with that let a log whose tail is corrupt take
//! appends again, far behind the tail.
//!
//! These are calls of the [`crate::Writer`], written down in the next segment's header: what was accepted is this copy's
//! own. Nothing is
//! repaired in place: corrupt bytes stay where they are until they expire, as they may be of use to somebody. Finding
//! corruption is not here, see [`crate::shared::corruption`].
//!
//! Invariant: an accepted loss covers what is corrupt at that moment, and nothing that becomes corrupt later.

mod accept_loss;
mod corrupt_tail;

pub use accept_loss::FoundLoss;
