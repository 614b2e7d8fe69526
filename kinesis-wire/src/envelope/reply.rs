//! Answers as HTTP will carry them.

use super::{Envelope, PLAIN_JSON};
use crate::response::Body;
use crate::writer::Writer;
use crate::{Encoding, Error, ErrorCode, event_stream};

const EXPOSED_HEADERS: &str =
    "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date";

/// How long a browser may remember what a preflight allowed.
const PREFLIGHT_SECONDS: &str = "172800";

/// An answer, complete but for Date and Content-Length, which the HTTP server sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Content-Type; XML errors and CORS preflights have none.
    pub content_type: Option<&'static str>,
    /// All other headers, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Envelope<'_> {
    /// The answer to a request that succeeded; the body is empty where the operation answers nothing.
    #[must_use]
    pub fn success(&self, body: Vec<u8>) -> Reply {
        self.reply(200, Some(self.encoding().content_type()), body)
    }

    /// The head of the answer to a subscription; the body is [`crate::event_stream`]'s.
    #[must_use]
    pub fn event_stream(&self) -> Reply {
        self.reply(200, Some(event_stream::CONTENT_TYPE), Vec::new())
    }

    /// The answer to a request that failed.
    #[must_use]
    pub fn error(&self, error: &Error) -> Reply {
        self.error_in(self.encoding(), error)
    }

    /// The answer to a request that is refused before it is read, with a status and a code that are not the API's.
    #[must_use]
    pub fn refusal(&self, status: u16, code: &str, message: Option<&str>) -> Reply {
        let encoding = self.encoding();
        let body = encoding.encode(&RefusalBody { code, message });
        self.reply(status, Some(encoding.content_type()), body)
    }

    pub(super) fn error_in(&self, encoding: Encoding, error: &Error) -> Reply {
        self.reply(error.status(), Some(encoding.content_type()), error.encode(encoding))
    }

    /// No POST, or nobody to ask.
    pub(super) fn access_denied(&self) -> Reply {
        let body = "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be \
                    authorized</Message>\n</AccessDeniedException>\n";
        self.reply(403, None, body.into())
    }

    /// No content type that AWS knows.
    pub(super) fn unknown_content_type(&self) -> Reply {
        self.reply(404, None, "<UnknownOperationException/>\n".into())
    }

    /// `application/json`, in which AWS finds no operation.
    pub(super) fn plain_json(&self, status: u16, code: ErrorCode) -> Reply {
        let code = code.name();
        let body = format!(r#"{{"Output":{{"__type":"com.amazon.coral.service#{code}"}},"Version":"1.0"}}"#);
        self.reply(status, Some(PLAIN_JSON), body.into())
    }

    /// A browser asks whether a page may call.
    pub(super) fn preflight(&self) -> Reply {
        let mut headers = vec![
            ("x-amzn-requestid", self.request_id.to_owned()),
            ("access-control-allow-origin", "*".to_owned()),
        ];
        let asked = [
            ("access-control-allow-headers", self.access_control_request_headers),
            ("access-control-allow-methods", self.access_control_request_method),
        ];
        headers.extend(asked.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned()))));
        headers.push(("access-control-max-age", PREFLIGHT_SECONDS.to_owned()));
        Reply { status: 200, content_type: None, headers, body: Vec::new() }
    }

    fn reply(&self, status: u16, content_type: Option<&'static str>, body: Vec<u8>) -> Reply {
        let mut headers = vec![
            ("x-amzn-requestid", self.request_id.to_owned()),
            ("x-amz-id-2", self.extended_request_id.to_owned()),
        ];
        if self.origin.is_some() {
            headers.push(("access-control-allow-origin", "*".to_owned()));
            headers.push(("access-control-expose-headers", EXPOSED_HEADERS.to_owned()));
        }
        Reply { status, content_type, headers, body }
    }
}

/// An error of HTTP in the form of the API's.
struct RefusalBody<'a> {
    code: &'a str,
    message: Option<&'a str>,
}

impl Body for RefusalBody<'_> {
    fn write(&self, writer: &mut impl Writer) {
        writer.map(|writer| {
            writer.text_member("__type", self.code);
            writer.optional_text_member("message", self.message);
        });
    }
}
