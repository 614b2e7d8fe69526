//! The checks that come before an operation is known, in the order of AWS.

use super::{CBOR, Envelope, JSON, PLAIN_JSON, Reply, content_hash};
use crate::{Error, ErrorCode, Operation, json};

const CBOR_NOT_SERVED: &str = "application/x-amz-cbor-1.1 is not served yet: switch the client to JSON. AWS SDK for \
                               Java 2: -Daws.cborEnabled=false or CBOR_ENABLED=false in the environment; AWS SDK for \
                               Java 1: -Dcom.amazonaws.sdk.disableCbor or AWS_CBOR_DISABLE=1 in the environment.";

const ANOTHER_BODY: &str = "The body is not the one whose SHA-256 the header X-Amz-Content-SHA256 tells: it was changed on \
                            its way, or hashed before it was final.";

impl Envelope<'_> {
    /// Which operation the request wants. Its body is not empty, but has not been read: [`json::decode`] comes next.
    ///
    /// # Errors
    /// The answer to give at once: the request is a CORS preflight or no call of an operation.
    pub fn open(&self, body: &[u8]) -> Result<Operation, Reply> {
        self.judge_head(body.is_empty())?;
        if self.content_sha256.is_some_and(|told| content_hash::contradicts(told, body)) {
            let error = Error::new(ErrorCode::InvalidSignatureException, ANOTHER_BODY);
            return Err(self.error(&error));
        }
        let operation = Operation::from_target(self.target.unwrap_or_default());
        match self.media_type() {
            CBOR => {
                Err(self.cbor_not_served(&Error::new(ErrorCode::InvalidArgumentException, CBOR_NOT_SERVED)))
            }
            _ if body.is_empty() => Err(self.error(&Error::bare(match operation {
                Some(_) => ErrorCode::SerializationException,
                None => ErrorCode::UnknownOperationException,
            }))),
            JSON => match operation {
                Some(operation) => Ok(operation),
                None if json::is_syntax_valid(body) => {
                    Err(self.error(&Error::bare(ErrorCode::UnknownOperationException)))
                }
                None => Err(self.error(&Error::bare(ErrorCode::SerializationException))),
            },
            PLAIN_JSON if json::is_syntax_valid(body) => Err(self.unknown_plain_json()),
            PLAIN_JSON => Err(self.error(&Error::bare(ErrorCode::SerializationException))),
            // The head was judged: this is not reached.
            _ => Err(self.unknown_content_type()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: Envelope<'static> = Envelope {
        method: "POST",
        content_type: Some(JSON),
        target: Some("Kinesis_20131202.ListStreams"),
        content_sha256: None,
        origin: None,
        access_control_request_headers: None,
        access_control_request_method: None,
        request_id: "6d5c1b7e-0000-4000-8000-000000000000",
        extended_request_id: "eHg=",
    };

    const ACCESS_DENIED: &str = "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be \
                                 authorized</Message>\n</AccessDeniedException>\n";
    const SERIALIZATION: &str = r#"{"__type":"SerializationException"}"#;
    const UNKNOWN: &str = r#"{"__type":"UnknownOperationException"}"#;

    #[test]
    fn operation_of_a_good_request_is_found() {
        assert_eq!(REQUEST.open(b"{}"), Ok(Operation::ListStreams));
        let envelope =
            Envelope { content_type: Some("application/x-amz-json-1.1; charset=utf-8"), ..REQUEST };
        assert_eq!(envelope.open(b"{}"), Ok(Operation::ListStreams));
    }

    #[test]
    fn body_that_is_not_the_one_that_was_hashed_is_refused() {
        // The SHA-256 of "{}".
        let told = Some("44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
        let envelope = Envelope { content_sha256: told, ..REQUEST };
        assert_eq!(envelope.open(b"{}"), Ok(Operation::ListStreams));
        let reply = envelope.open(b"[]").unwrap_err();
        assert_eq!(reply.status, 400);
        let body = String::from_utf8(reply.body).unwrap();
        assert!(
            body.starts_with(r#"{"__type":"InvalidSignatureException","message":"The body is not"#),
            "{body}"
        );
    }

    /// (what differs from a good request, body, status, content type, body of the answer)
    type Case = (Envelope<'static>, &'static [u8], u16, Option<&'static str>, &'static str);

    fn cases() -> Vec<Case> {
        let unknown_target = Envelope { target: Some("Kinesis_20131202.ListStream"), ..REQUEST };
        let no_target = Envelope { target: None, ..REQUEST };
        let plain = Envelope { content_type: Some(PLAIN_JSON), ..REQUEST };
        let no_type = Envelope { content_type: None, ..REQUEST };
        let json_1_0 = Envelope { content_type: Some("application/x-amz-json-1.0"), ..REQUEST };
        vec![
            (Envelope { method: "GET", ..REQUEST }, b"", 403, None, ACCESS_DENIED),
            (Envelope { method: "OPTIONS", ..REQUEST }, b"", 403, None, ACCESS_DENIED),
            (REQUEST, b"", 400, Some(JSON), SERIALIZATION),
            (unknown_target, b"", 400, Some(JSON), UNKNOWN),
            (unknown_target, b"{}", 400, Some(JSON), UNKNOWN),
            (unknown_target, b"hello", 400, Some(JSON), SERIALIZATION),
            (unknown_target, b"null", 400, Some(JSON), SERIALIZATION),
            (no_target, b"{}", 400, Some(JSON), UNKNOWN),
            (json_1_0, b"{}", 404, None, "<UnknownOperationException/>\n"),
            (no_type, b"{}", 404, None, "<UnknownOperationException/>\n"),
            (Envelope { target: None, ..no_type }, b"{}", 403, None, ACCESS_DENIED),
            (
                plain,
                b"{}",
                404,
                Some(PLAIN_JSON),
                r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#,
            ),
            (plain, b"hello", 400, Some(JSON), SERIALIZATION),
        ]
    }

    #[test]
    fn request_that_calls_nothing_is_answered_as_aws_does() {
        for (envelope, body, status, content_type, answer) in cases() {
            let reply = envelope.open(body).unwrap_err();
            assert_eq!(reply.status, status, "{envelope:?}");
            assert_eq!(reply.content_type, content_type, "{envelope:?}");
            assert_eq!(String::from_utf8(reply.body).unwrap(), answer, "{envelope:?}");
            let ids = [("x-amzn-requestid", REQUEST.request_id.into()), ("x-amz-id-2", "eHg=".into())];
            assert_eq!(reply.headers, ids, "{envelope:?}");
        }
    }

    #[test]
    fn cbor_is_told_how_to_switch_to_json() {
        let reply = Envelope { content_type: Some(CBOR), ..REQUEST }.open(b"\xbf\xff").unwrap_err();
        assert_eq!((reply.status, reply.content_type), (400, Some(JSON)));
        let body = String::from_utf8(reply.body).unwrap();
        assert!(body.contains("aws.cborEnabled=false"), "{body}");
        assert!(reply.headers.contains(&("x-amzn-errortype", "InvalidArgumentException".into())));
        assert!(reply.headers.contains(&("x-amzn-error-message", CBOR_NOT_SERVED.into())));
    }

    #[test]
    fn preflight_allows_what_the_browser_asks_for() {
        let envelope = Envelope {
            method: "OPTIONS",
            origin: Some("https://example.com"),
            access_control_request_headers: Some("a, b"),
            access_control_request_method: Some("POST"),
            ..REQUEST
        };
        let reply = envelope.open(b"").unwrap_err();
        assert_eq!((reply.status, reply.content_type), (200, None));
        assert!(reply.body.is_empty());
        let headers: Vec<_> = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(
            headers,
            [
                ("x-amzn-requestid", REQUEST.request_id),
                ("access-control-allow-origin", "*"),
                ("access-control-allow-headers", "a, b"),
                ("access-control-allow-methods", "POST"),
                ("access-control-max-age", "172800"),
            ]
        );
    }

    #[test]
    fn answer_to_a_browser_exposes_its_headers() {
        let reply = Envelope { origin: Some("https://example.com"), ..REQUEST }.success(Vec::new());
        assert_eq!((reply.status, reply.content_type), (200, Some(JSON)));
        assert!(reply.headers.contains(&("access-control-allow-origin", "*".into())));
        let exposed =
            "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date";
        assert!(reply.headers.contains(&("access-control-expose-headers", exposed.into())));
    }
}
