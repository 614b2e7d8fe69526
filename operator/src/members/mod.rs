//! Calls to storage pods: the operator calls them, they call nobody.
//!
//! Every call is bounded in time and in bytes. A pod is called at its IP, and may be another one than expected if
//! the IP was given away: an answer for another stream or group is an error.

mod client;

pub use client::{Error, ErrorKind, Members};
