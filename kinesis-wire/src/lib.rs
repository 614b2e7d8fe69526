//! The Kinesis protocol: bytes to values and back.
//!
//! A request goes through three rooms. [`envelope`] looks at the HTTP head and says which [`Operation`] is wanted in
//! which [`Encoding`], or what to answer at once. The encoding turns the body into a [`request::Request`] whose types
//! and constraints are those of the AWS model, or into the exact [`Error`] that AWS would give. What comes back is a
//! value of [`response`] or an [`Error`], which the same encoding writes, and [`envelope`] adds what HTTP wants.
//! [`signature`] says whose access key signed the request.
//!
//! Nothing here does I/O, reads a clock, draws random bytes or waits: ids and times come in as values. Nothing
//! here knows a stream: whether it exists, is allowed, or fits a limit that streams have of their own, is decided
//! by the caller, who finds the words for it in [`Error`]'s constructors.

mod cbor;
mod encoding;
pub mod envelope;
pub mod error;
pub mod event_stream;
mod json;
mod operation;
pub mod request;
pub mod response;
mod shape;
pub mod signature;
mod words;
mod writer;

pub use encoding::Encoding;
pub use error::{Error, ErrorCode};
pub use operation::Operation;
