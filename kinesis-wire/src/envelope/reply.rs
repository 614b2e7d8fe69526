//! Answers as HTTP will carry them.

use super::{Envelope, JSON, PLAIN_JSON};
use crate::Error;

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
        self.dress(200, Some(JSON), body)
    }

    /// The answer to a request that failed.
    #[must_use]
    pub fn error(&self, error: &Error) -> Reply {
        self.dress(error.status(), Some(JSON), error.to_json())
    }

    /// No POST, or nobody to ask.
    pub(super) fn access_denied(&self) -> Reply {
        let body = "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be \
                    authorized</Message>\n</AccessDeniedException>\n";
        self.dress(403, None, body.into())
    }

    /// No content type that AWS knows.
    pub(super) fn unknown_content_type(&self) -> Reply {
        self.dress(404, None, "<UnknownOperationException/>\n".into())
    }

    /// `application/json`, in which AWS finds no operation.
    pub(super) fn unknown_plain_json(&self) -> Reply {
        let body =
            r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#;
        self.dress(404, Some(PLAIN_JSON), body.into())
    }

    /// A client that speaks CBOR may not read JSON: code and message also go into the headers where the SDKs for
    /// Java look first.
    pub(super) fn cbor_not_served(&self, error: &Error) -> Reply {
        let mut reply = self.error(error);
        reply.headers.push(("x-amzn-errortype", error.code.name().into()));
        let message = error.message.as_deref().unwrap_or_default();
        reply.headers.push(("x-amzn-error-message", message.into()));
        reply
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

    fn dress(&self, status: u16, content_type: Option<&'static str>, body: Vec<u8>) -> Reply {
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
