//! The checks that come before an operation is known, in the order of AWS.

use super::{Envelope, PLAIN_JSON, Reply, content_hash};
use crate::{Encoding, Error, ErrorCode, Operation};

const ANOTHER_BODY: &str = "The body is not the one whose SHA-256 is in the header X-Amz-Content-SHA256: it was changed on \
                            its way, or hashed before it was final.";

impl Envelope<'_> {
    /// Which operation the request wants. Its body is not empty, but has not been read:
    /// [`Encoding::decode`] comes next, in the envelope's encoding.
    ///
    /// # Errors
    /// The answer to give at once: the request is a CORS preflight or no call of an operation.
    pub fn open(&self, body: &[u8]) -> Result<Operation, Reply> {
        self.judge_head(body.is_empty())?;
        let operation = Operation::from_target(self.target.unwrap_or_default());
        match self.known_encoding() {
            encoding if body.is_empty() => {
                let error = Error::bare(match operation {
                    Some(_) => ErrorCode::SerializationException,
                    None => ErrorCode::UnknownOperationException,
                });
                Err(self.error_in(encoding.unwrap_or(Encoding::Cbor), &error))
            }
            Some(encoding) => match operation {
                Some(operation) => Ok(operation),
                None if encoding.is_structure(body) => {
                    Err(self.error(&Error::bare(ErrorCode::UnknownOperationException)))
                }
                None => Err(self.error(&Error::bare(ErrorCode::SerializationException))),
            },
            None if self.media_type() == PLAIN_JSON => Err(match Encoding::Json.is_structure(body) {
                true => self.plain_json(404, ErrorCode::UnknownOperationException),
                false => self.plain_json(400, ErrorCode::SerializationException),
            }),
            // The head was judged: this is not reached.
            None => Err(self.unknown_content_type()),
        }
    }

    /// Checks that the body is the one that its sender declared, where no signature covers it.
    ///
    /// # Errors
    /// If its hash is another.
    pub fn check_content_hash(&self, body: &[u8]) -> Result<(), Error> {
        match self.content_sha256 {
            Some(declared) if content_hash::contradicts(declared, body) => {
                Err(Error::new(ErrorCode::InvalidSignatureException, ANOTHER_BODY))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = Encoding::Json.content_type();
    const CBOR: &str = Encoding::Cbor.content_type();

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
        let declared = Some("44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
        let envelope = Envelope { content_sha256: declared, ..REQUEST };
        assert_eq!(envelope.check_content_hash(b"{}"), Ok(()));
        assert_eq!(REQUEST.check_content_hash(b"[]"), Ok(()));
        let error = envelope.check_content_hash(b"[]").unwrap_err();
        assert_eq!(error, Error::new(ErrorCode::InvalidSignatureException, ANOTHER_BODY));
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
            (
                plain,
                b"hello",
                400,
                Some(PLAIN_JSON),
                r#"{"Output":{"__type":"com.amazon.coral.service#SerializationException"},"Version":"1.0"}"#,
            ),
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

    /// As AWS was recorded to write them (kinesalite, index.js).
    const CBOR_SERIALIZATION: &[u8] = b"\xbf\x66__type\x76SerializationException\xff";
    const CBOR_UNKNOWN: &[u8] = b"\xbf\x66__type\x78\x19UnknownOperationException\xff";

    #[test]
    fn cbor_is_answered_in_cbor_and_so_is_an_empty_body_of_no_known_type() {
        let cbor = Envelope { content_type: Some(CBOR), ..REQUEST };
        assert_eq!(cbor.open(b"\xbf\xff"), Ok(Operation::ListStreams));
        assert_eq!(cbor.encoding(), Encoding::Cbor);
        let unknown = Envelope { target: Some("Kinesis_20131202.ListStream"), ..cbor };
        let plain = Envelope { content_type: Some(PLAIN_JSON), ..REQUEST };
        for (envelope, body, answer) in [
            (cbor, &b""[..], CBOR_SERIALIZATION),
            (unknown, b"", CBOR_UNKNOWN),
            (unknown, b"\xa0", CBOR_UNKNOWN),
            (unknown, b"{}", CBOR_SERIALIZATION),
            (unknown, b"\xbf", CBOR_SERIALIZATION),
            (plain, b"", CBOR_SERIALIZATION),
            (Envelope { content_type: None, ..unknown }, b"", CBOR_UNKNOWN),
        ] {
            let reply = envelope.open(body).unwrap_err();
            assert_eq!((reply.status, reply.content_type), (400, Some(CBOR)), "{envelope:?}");
            assert_eq!(reply.body, answer, "{envelope:?}");
        }
    }

    #[test]
    fn refusal_before_anything_is_read_has_the_encoding_of_the_request() {
        let reply = REQUEST.refusal(413, "RequestEntityTooLarge", None);
        assert_eq!((reply.status, reply.content_type), (413, Some(JSON)));
        assert_eq!(reply.body, br#"{"__type":"RequestEntityTooLarge"}"#);
        let cbor = Envelope { content_type: Some(CBOR), ..REQUEST };
        let reply = cbor.refusal(503, "ServiceUnavailable", Some("busy"));
        assert_eq!((reply.status, reply.content_type), (503, Some(CBOR)));
        assert_eq!(reply.body, b"\xbf\x66__type\x72ServiceUnavailable\x67message\x64busy\xff");
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
