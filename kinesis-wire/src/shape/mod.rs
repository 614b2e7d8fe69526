//! What the AWS model says of a request's members, once and as data; and the check of values against it.
//!
//! Three things meet here. [`table`] has the shapes. An encoding ([`crate::json`], [`crate::cbor`]) reads a body along a
//! shape, value by value as [`Typed`], and leaves [`Members`]: a tree whose types are right. [`check`] finds every
//! constraint that the tree breaks. Nothing here knows an encoding, and nothing here knows an operation but by the shape
//! of its input.

mod constraints;
mod members;
mod pattern;
mod table;
mod typed;

pub(crate) use constraints::{blob_fits, check, text_fits};
pub(crate) use members::{Members, Value};
pub(crate) use pattern::Pattern;
pub(crate) use table::{
    DATA, HASH_KEY, PARTITION_KEY, PUT_RECORDS_REQUEST_ENTRY_LIST, SEQUENCE_NUMBER, STREAM_ARN, STREAM_ID,
    STREAM_NAME, input_of,
};
pub(crate) use typed::Typed;

/// One shape of the model: a type with its constraints.
#[derive(Debug)]
pub(crate) struct Shape {
    /// The model's name for it.
    #[allow(dead_code, reason = "it says which shape of the model this is, to readers and to the test")]
    pub(crate) name: &'static str,
    /// Its type.
    pub(crate) kind: Kind,
    /// The least length (text, blob, list, map) or value (integer).
    pub(crate) min: Option<u64>,
    /// The greatest length or value.
    pub(crate) max: Option<u64>,
    /// What a text must match.
    pub(crate) pattern: Option<Pattern>,
    /// What a text must be one of, in the order in which AWS prints them; empty: anything.
    pub(crate) values: &'static [&'static str],
}

/// The type of a shape.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Unicode text; its length is counted in characters.
    Text,
    /// 32 bits, with a sign.
    Integer,
    /// A truth value.
    Boolean,
    /// A time.
    Timestamp,
    /// Bytes.
    Blob,
    /// Values of one shape, in order.
    List(&'static Shape),
    /// Values by text: the shape of the keys and that of the values.
    Map(&'static Shape, &'static Shape),
    /// Named members.
    Structure(&'static [Member]),
}

/// A member of a structure.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its name, as it is written on the wire.
    pub(crate) name: &'static str,
    /// What it may be.
    pub(crate) shape: &'static Shape,
    /// Whether it must be there.
    pub(crate) required: bool,
}

impl Shape {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, min: None, max: None, pattern: None, values: &[] }
    }

    const fn text(name: &'static str) -> Self {
        Self::new(name, Kind::Text)
    }

    const fn integer(name: &'static str) -> Self {
        Self::new(name, Kind::Integer)
    }

    const fn structure(name: &'static str, members: &'static [Member]) -> Self {
        Self::new(name, Kind::Structure(members))
    }

    const fn min(self, min: u64) -> Self {
        Self { min: Some(min), ..self }
    }

    const fn max(self, max: u64) -> Self {
        Self { max: Some(max), ..self }
    }

    const fn pattern(self, pattern: Pattern) -> Self {
        Self { pattern: Some(pattern), ..self }
    }

    const fn one_of(self, values: &'static [&'static str]) -> Self {
        Self { values, ..self }
    }
}

const fn required(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, shape, required: true }
}

const fn optional(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, shape, required: false }
}
