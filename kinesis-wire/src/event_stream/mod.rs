//! The answer to SubscribeToShard: an event stream, which is a row of frames.
//!
//! The first frame is [`initial_response`], which clients wait for before anything else; then comes an event as often
//! as there is something to say ([`SubscribeToShardEvent`]). A stream that fails ends with an [`exception`]; one that
//! is over just ends.

mod event;
mod frame;

pub use event::SubscribeToShardEvent;

use crate::response::Body;
use crate::writer::Writer;
use crate::{Encoding, Error, ErrorCode};
use frame::Frame;

/// The content type of an event stream, whatever the encoding of its events.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The errors that the model knows inside the stream; all others are internal failures there.
const EXCEPTIONS: [ErrorCode; 8] = [
    ErrorCode::KMSAccessDeniedException,
    ErrorCode::KMSDisabledException,
    ErrorCode::KMSInvalidStateException,
    ErrorCode::KMSNotFoundException,
    ErrorCode::KMSOptInRequired,
    ErrorCode::KMSThrottlingException,
    ErrorCode::ResourceInUseException,
    ErrorCode::ResourceNotFoundException,
];

/// The frame that begins a stream: the subscription is accepted. It leaves with the answer's head, before any record.
#[must_use]
pub fn initial_response(encoding: Encoding) -> Vec<u8> {
    whole_frame(&event_headers("initial-response", encoding), encoding, &Message(None))
}

/// The frame that ends a stream with an error.
#[must_use]
pub fn exception(error: &Error, encoding: Encoding) -> Vec<u8> {
    let code =
        if EXCEPTIONS.contains(&error.code) { error.code } else { ErrorCode::InternalFailureException };
    let headers = [
        (":message-type", "exception"),
        (":exception-type", code.name()),
        (":content-type", encoding.content_type()),
    ];
    whole_frame(&headers, encoding, &Message(error.message.as_deref()))
}

fn event_headers(event_type: &'static str, encoding: Encoding) -> [(&'static str, &'static str); 3] {
    [(":message-type", "event"), (":event-type", event_type), (":content-type", encoding.content_type())]
}

fn whole_frame(headers: &[(&str, &str)], encoding: Encoding, body: &impl Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    let frame = Frame::begin(headers, &mut bytes);
    bytes.extend(encoding.encode(body));
    frame.end(&mut bytes);
    bytes
}

/// A structure that has a message, or nothing.
struct Message<'a>(Option<&'a str>);

impl Body for Message<'_> {
    fn write(&self, writer: &mut impl Writer) {
        writer.map(|writer| writer.optional_text_member("message", self.0));
    }
}
