//! Which replica runs the controllers: the one that holds a Lease.
//!
//! A holder that is gone is known by its record not changing for as long as the lease lasts, measured by our own
//! clock: the times in the record are another machine's. A holder that cannot renew stops before others may take
//! over, and it stops by ending the process.

mod decide;
mod election;

pub use decide::{Seen, Step, decide};
pub use election::{Election, Lost};
