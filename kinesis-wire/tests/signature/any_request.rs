//! Properties of all requests.

use kinesis_wire::signature::{Head, Rules, Secret, judge_head};
use proptest::prelude::*;

use crate::request::{IN_HEADER, IN_QUERY, SECRET_KEY, SIGNED_AT, list_streams, percent_encode};

/// Text in which the words of signatures are as likely as any character.
fn text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        any::<char>().prop_map(String::from),
        "[ -~]{0,4}",
        prop::sample::select(vec![
            "AWS4-HMAC-SHA256",
            " ",
            "Credential=",
            "AKIDEXAMPLE",
            "/",
            "20261128",
            "us-east-1",
            "kinesis",
            "aws4_request",
            ",",
            "SignedHeaders=",
            "host",
            ":authority",
            ";",
            "Signature=",
            "X-Amz-Algorithm=",
            "X-Amz-Credential=",
            "X-Amz-Date=",
            "X-Amz-Expires=",
            "X-Amz-SignedHeaders=",
            "X-Amz-Signature=",
            "&",
            "20261128T120000Z",
            "%2F",
            "%",
            "+",
            "..",
            ".",
            "//",
            "-",
            "9223372036854775808",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(word, 0..24).prop_map(|words| words.concat())
}

fn headers() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = prop_oneof![
        Just("authorization".to_owned()),
        Just("host".to_owned()),
        Just("x-amz-date".to_owned()),
        Just("x-amz-security-token".to_owned()),
        text(),
    ];
    let value = prop_oneof![
        text().prop_map(String::into_bytes),
        Just(b"20261128T120000Z".to_vec()),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec((name, value), 0..6)
}

proptest! {
    /// Whatever comes is judged; nothing but a signature of the key is taken.
    #[test]
    fn every_request_is_judged(
        method in text(),
        path in text(),
        query in text(),
        authority in prop::option::of(text()),
        headers in headers(),
        now_ms in prop_oneof![Just(SIGNED_AT * 1000), any::<u64>()],
        region in prop::option::of(text()),
        body in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let authority = authority.as_deref();
        let head = Head { method: &method, path: &path, query: &query, authority, headers: &headers };
        let secret = Secret::new(SECRET_KEY, None);
        let judged = judge_head(&head, &Rules { now_ms, region: region.as_deref() }, |_| Some(&secret));
        let verified = judged.and_then(|signed| signed.verify(&body));
        let error = verified.unwrap_err();
        prop_assert_eq!(error.status(), 400);
        prop_assert!(error.message.is_some());
    }

    /// The parts of a well-formed signature in any request: they get as far as the comparison.
    #[test]
    fn every_request_has_a_canonical_text(path in text(), query in text(), value in text()) {
        let request = list_streams(&path, &query)
            .with("x-amz-meta", &value)
            .with("x-amz-date", "20261128T120000Z")
            .with(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261128/us-east-1/kinesis/aws4_request, \
                 SignedHeaders=host;x-amz-date;x-amz-meta;x-amz-target, Signature=00",
            );
        prop_assume!(!query.contains("X-Amz-Algorithm"));
        let error = request.judge().unwrap_err();
        let message = error.message.unwrap();
        prop_assert!(message.contains("The Canonical String for this request should have been\n'POST\n/"), "{message}");
    }

    /// What AWS's signer makes of odd paths and queries is what is verified.
    #[test]
    fn every_path_and_query_is_signed_as_aws_signs_it(
        segments in prop::collection::vec(prop_oneof!["[a-zA-Z0-9._~!$&'()*,;=:@+-]{0,5}", ".{0,3}", Just("..".into())], 0..5),
        pairs in prop::collection::vec((".{0,5}", ".{0,5}"), 0..4),
        value in "[ -~]{0,20}",
        presigned in any::<bool>(),
    ) {
        let encode = |segment: &String| {
            if segment.is_ascii() && !segment.contains(['%', '?', '#', ' ', '/', '"', '<', '>', '`', '{', '}', '\\', '^', '|', '[', ']'])
                && !segment.bytes().any(|byte| byte.is_ascii_control())
            {
                segment.clone()
            } else {
                percent_encode(segment)
            }
        };
        let path: String = segments.iter().map(|segment| format!("/{}", encode(segment))).collect();
        let path = if path.is_empty() { "/".to_owned() } else { path };
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)))
            .collect();
        let request = list_streams(&path, &pairs.join("&")).with("x-amz-meta", &value);
        let signed = request.sign(if presigned { IN_QUERY } else { IN_HEADER });
        let judged = signed.judge();
        prop_assert!(judged.is_ok(), "{signed:?}\n{judged:?}");
    }
}
