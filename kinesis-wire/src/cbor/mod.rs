//! CBOR as the AWS SDKs for Java write and read it (`application/x-amz-cbor-1.1`): the members of AWS JSON 1.1, data as
//! byte strings, and times as tag 1 with an integer of milliseconds, which is not what RFC 8949 says of that tag.
//!
//! Maps and lists that are written have no length, as AWS's have none. What is read may have lengths or not.

mod types;
mod writer;

pub(crate) use types::{is_syntax_valid, read};
pub(crate) use writer::CborWriter;
