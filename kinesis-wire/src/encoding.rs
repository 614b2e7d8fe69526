//! The encodings of requests and answers: AWS JSON 1.1 and CBOR.

use crate::cbor::{self, CborWriter};
use crate::json::{self, JsonWriter};
use crate::request::Request;
use crate::response::Body;
use crate::shape;
use crate::writer::Writer;
use crate::{Error, ErrorCode, Operation};

/// In what bytes values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// AWS JSON 1.1.
    #[default]
    Json,
    /// CBOR, with which AWS's SDKs for Java begin.
    Cbor,
}

impl Encoding {
    /// The content type of bodies.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Cbor => "application/x-amz-cbor-1.1",
        }
    }

    /// Reads a request's body.
    ///
    /// The checks come in the order of AWS: syntax, the types of all members, constraints, and whether members go
    /// together. Unknown members are ignored, and null is as good as absent.
    ///
    /// # Errors
    /// What AWS would answer: SerializationException if the body has another encoding or a member of the wrong type,
    /// ValidationException if members break their constraints, InvalidArgumentException if they do not go together, and
    /// [`Error::not_served`] if the operation is not served.
    pub fn decode(self, operation: Operation, body: &[u8]) -> Result<Request<'_>, Error> {
        let Some(input) = shape::input_of(operation) else {
            return Err(match self.is_structure(body) {
                true => Error::not_served(operation),
                false => Error::bare(ErrorCode::SerializationException),
            });
        };
        let quickly = match self {
            Self::Json => json::decode_put(operation, body),
            Self::Cbor => None,
        };
        let request = match quickly {
            Some(request) => request,
            None => {
                let members = match self {
                    Self::Json => json::read(input, body)?,
                    Self::Cbor => cbor::read(input, body)?,
                };
                shape::check(input, &members)?;
                Request::build(operation, members)?
            }
        };
        request.check_members_agree()?;
        Ok(request)
    }

    /// Whether a body is a structure of this encoding.
    pub(crate) fn is_structure(self, body: &[u8]) -> bool {
        match self {
            Self::Json => json::is_syntax_valid(body),
            Self::Cbor => cbor::is_syntax_valid(body),
        }
    }

    /// The body of an answer.
    pub(crate) fn encode(self, body: &impl Body) -> Vec<u8> {
        fn written<W: Writer>(body: &impl Body) -> Vec<u8> {
            let mut writer = W::with_capacity(SMALL_BODY_BYTES);
            body.write(&mut writer);
            writer.finish()
        }
        match self {
            Self::Json => written::<JsonWriter>(body),
            Self::Cbor => written::<CborWriter>(body),
        }
    }

    /// A writer whose buffer takes so many bytes before it grows.
    pub(crate) fn writer(self, bytes: usize) -> AnyWriter {
        match self {
            Self::Json => AnyWriter::Json(JsonWriter::with_capacity(bytes)),
            Self::Cbor => AnyWriter::Cbor(CborWriter::with_capacity(bytes)),
        }
    }
}

/// What most answers take: an iterator, or a 20-byte shard id and 56 digits, with their names.
const SMALL_BODY_BYTES: usize = 128;

/// A writer of either encoding, for answers that are written in many calls; [`with_writer`] looks which.
#[derive(Debug)]
pub(crate) enum AnyWriter {
    /// JSON.
    Json(JsonWriter),
    /// CBOR.
    Cbor(CborWriter),
}

/// Does something with the writer inside an [`AnyWriter`]: the code is there once for each encoding, and chosen once.
macro_rules! with_writer {
    ($any:expr, $writer:ident => $does:expr) => {
        match $any {
            $crate::encoding::AnyWriter::Json($writer) => $does,
            $crate::encoding::AnyWriter::Cbor($writer) => $does,
        }
    };
}

pub(crate) use with_writer;
