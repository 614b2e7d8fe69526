//! AWS JSON 1.1: bodies to members, and the writer of answers.
//!
//! A body is read along its operation's shape (`types`). Puts, which are many and mostly right, are first tried by a faster
//! reader (`put`) that knows no error: where it gives up, the slow way finds the exact words. A property test
//! keeps the two alike.

mod base64;
mod put;
mod text;
mod types;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use put::decode as decode_put;
pub(crate) use types::{is_syntax_valid, read};
pub(crate) use writer::JsonWriter;
