//! What can go wrong, in the words of AWS.
//!
//! An [`Error`] is what the client gets: a code, from which the HTTP status follows, and mostly a message.
//! Texts that clients parse or that AWS is known to print are constructors in `texts`; a caller that needs words
//! of its own makes the value itself.

mod code;
mod texts;
mod time;

use std::borrow::Cow;

pub use code::ErrorCode;
pub(crate) use time::civil_date;

use crate::Encoding;
use crate::response::Body;
use crate::writer::Writer;

/// An answer that is no success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", code.name(), message.as_deref().unwrap_or("no message"))]
pub struct Error {
    /// The kind, which the client's SDK turns into an exception.
    pub code: ErrorCode,
    /// What the client's user reads.
    pub message: Option<Cow<'static, str>>,
}

impl Error {
    /// An error with a message.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: Some(message.into()) }
    }

    /// An error of which AWS says nothing but the code.
    #[must_use]
    pub fn bare(code: ErrorCode) -> Self {
        Self { code, message: None }
    }

    /// The HTTP status: 500 where the fault is ours, else 400.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.code.status()
    }

    /// The answer's body: `{"__type":"...","message":"..."}`.
    #[must_use]
    pub fn encode(&self, encoding: Encoding) -> Vec<u8> {
        encoding.encode(self)
    }
}

impl Body for Error {
    /// AWS writes `Message` with a capital where a type is wrong (SerializationException), and only there.
    fn write(&self, writer: &mut impl Writer) {
        let message_name = match self.code {
            ErrorCode::SerializationException => "Message",
            _ => "message",
        };
        writer.map(|writer| {
            writer.text_member("__type", self.code.name());
            writer.optional_text_member(message_name, self.message.as_deref());
        });
    }
}
