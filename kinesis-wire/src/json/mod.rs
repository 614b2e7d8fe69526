//! AWS JSON 1.1: bodies to requests, and the writer of answers.
//!
//! A body is read along its operation's shape (`types`), its constraints are checked by `shape`, and
//! the request is built by [`crate::request`]. Puts, which are many and mostly right, are first tried by a faster
//! reader (`put`) that knows no error: where it gives up, the slow way finds the exact words. A property test
//! keeps the two alike.

mod base64;
mod put;
mod text;
mod types;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use types::is_syntax_valid;
pub(crate) use writer::JsonWriter;

use crate::request::Request;
use crate::shape::{self, Shape};
use crate::{Error, ErrorCode, Operation};

/// Reads a request's body.
///
/// The checks come in the order of AWS: syntax, the types of all members, constraints, and whether members go
/// together. Unknown members are ignored, and null is as good as absent.
///
/// # Errors
/// What AWS would answer: SerializationException if the body is no JSON or has a member of the wrong type,
/// ValidationException if members break their constraints, InvalidArgumentException if they do not go together, and
/// [`Error::not_served`] if the operation is not served.
pub fn decode(operation: Operation, body: &[u8]) -> Result<Request<'_>, Error> {
    let Some(input) = shape::input_of(operation) else {
        return Err(if is_syntax_valid(body) {
            Error::not_served(operation)
        } else {
            Error::bare(ErrorCode::SerializationException)
        });
    };
    let request = match put::decode(operation, body) {
        Some(request) => request,
        None => decode_by_shape(operation, input, body)?,
    };
    request.check_members_agree()?;
    Ok(request)
}

fn decode_by_shape<'a>(
    operation: Operation,
    input: &'static Shape,
    body: &'a [u8],
) -> Result<Request<'a>, Error> {
    let members = types::read(input, body)?;
    shape::check(input, &members)?;
    Request::build(operation, members)
}
