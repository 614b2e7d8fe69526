//! What is refused, with the texts of AWS and in its order.

use kinesis_wire::Error;
use kinesis_wire::signature::Secret;

use crate::request::{IN_HEADER, IN_QUERY, Request, SECRET_KEY, SIGNED_AT, Signing, TOKEN, list_streams};

fn texts(judged: Result<String, Error>) -> (&'static str, String) {
    let error = judged.unwrap_err();
    assert_eq!(error.status(), 400);
    (error.code.name(), error.message.unwrap_or_default().into())
}

/// A signed request with another header Authorization.
fn with_authorization(change: impl Fn(&str) -> String) -> Request {
    let request = list_streams("/", "").sign(IN_HEADER);
    let (_, value) = request.headers.iter().find(|(name, _)| name == "authorization").unwrap();
    let changed = change(std::str::from_utf8(value).unwrap());
    request.without("authorization").with("authorization", &changed)
}

#[test]
fn request_without_or_with_two_signatures_is_refused() {
    let expected = ("MissingAuthenticationTokenException", "Missing Authentication Token".to_owned());
    assert_eq!(texts(list_streams("/", "").judge()), expected);
    let both = list_streams("/", "").sign(IN_QUERY).with("authorization", "AWS4-HMAC-SHA256 a=b");
    let text = "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.";
    assert_eq!(texts(both.judge()), ("InvalidSignatureException", text.to_owned()));
}

#[test]
fn parts_that_a_header_lacks_are_named() {
    let all = "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. \
               Authorization header requires 'SignedHeaders' parameter. ";
    let date = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
    for value in ["AWS4-", "Bearer token", "", "AWS4-HMAC-SHA256 Credential=, Signature=,SignedHeaders="] {
        let request = list_streams("/", "").with("authorization", value);
        let expected = format!("{all}{date}Authorization={value}");
        assert_eq!(texts(request.clone().judge()), ("IncompleteSignatureException", expected));
        let expected = format!("{all}Authorization={value}");
        let dated = request.with("date", "20261128T120000Z");
        assert_eq!(texts(dated.judge()), ("IncompleteSignatureException", expected));
    }
    let value = "AWS4-HMAC-SHA256 Credential=a/b/c/d/e,SignedHeaders=host";
    let request = list_streams("/", "").with("authorization", value).with("x-amz-date", "20261128T120000Z");
    let expected = format!("Authorization header requires 'Signature' parameter. Authorization={value}");
    assert_eq!(texts(request.judge()), ("IncompleteSignatureException", expected));
}

#[test]
fn parts_that_a_query_lacks_are_named() {
    let request = list_streams("/", "X-Amz-Algorithm=&X-Amz-Date=20261128T120000Z&X-Amz-SignedHeaders=host");
    let expected = "AWS query-string parameters must include 'X-Amz-Algorithm'. AWS query-string parameters must include \
                    'X-Amz-Credential'. AWS query-string parameters must include 'X-Amz-Signature'. Re-examine the \
                    query-string parameters.";
    assert_eq!(texts(request.judge()), ("IncompleteSignatureException", expected.to_owned()));
}

#[test]
fn date_must_be_one_and_now() {
    let signed = |date: &str| {
        let value = "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=b, Signature=c";
        texts(list_streams("/", "").with("authorization", value).with("x-amz-date", date).judge())
    };
    let text =
        "Date must be in ISO-8601 'basic format'. Got '201'. See http://en.wikipedia.org/wiki/ISO_8601";
    assert_eq!(signed("201"), ("IncompleteSignatureException", text.to_owned()));
    let text = "Signature expired: 20261128T115459Z is now earlier than 20261128T115500Z (20261128T120000Z - 5 min.)";
    assert_eq!(signed("20261128T115459Z"), ("InvalidSignatureException", text.to_owned()));
    let text = "Signature not yet current: 20261128T120501Z is still later than 20261128T120500Z (20261128T120000Z + 5 min.)";
    assert_eq!(signed("20261128T120501Z"), ("InvalidSignatureException", text.to_owned()));
}

#[test]
fn presigned_request_is_refused_when_its_time_is_over() {
    let judge_at = |presigned_seconds, at| {
        let signing = Signing { presigned_seconds: Some(presigned_seconds), ..IN_HEADER };
        texts(list_streams("/", "").sign(signing).judge_in(None, at, &Secret::new(SECRET_KEY, None)))
    };
    let text = "Signature expired: 20261128T120000Z is now earlier than 20261128T120001Z (20261128T121501Z - 15 min.)";
    assert_eq!(judge_at(900, SIGNED_AT + 901), ("InvalidSignatureException", text.to_owned()));
    let text = "Signature expired: 20261128T120000Z is now earlier than 20261128T120010Z (20261128T120040Z - 30 sec.)";
    assert_eq!(judge_at(30, SIGNED_AT + 40), ("InvalidSignatureException", text.to_owned()));
    for seconds in ["0", "604801", "-1", "", "soon", "99999999999999999999"] {
        let mut request = list_streams("/", "").sign(IN_QUERY);
        request.query = request.query.replace("X-Amz-Expires=900", &format!("X-Amz-Expires={seconds}"));
        let text = "X-Amz-Expires must be a number of seconds from 1 to 604800.";
        assert_eq!(texts(request.judge()), ("IncompleteSignatureException", text.to_owned()), "{seconds}");
    }
}

#[test]
fn host_and_every_amz_header_must_be_signed() {
    let request = with_authorization(|text| text.replace(";host;", ";"));
    let text = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.";
    assert_eq!(texts(request.judge()), ("InvalidSignatureException", text.to_owned()));
    for request in [list_streams("/", "").sign(IN_HEADER), list_streams("/", "").sign(IN_QUERY)] {
        let text = "'x-amz-later' must be a 'SignedHeader' in the AWS Authorization.";
        let judged = request.with("x-amz-later", "added on the way").judge();
        assert_eq!(texts(judged), ("InvalidSignatureException", text.to_owned()));
    }
}

#[test]
fn other_algorithm_and_other_credential_are_refused() {
    let request = with_authorization(|text| text.replace("SHA256 ", "SHA25 "));
    let text = "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA25' (only AWS4-HMAC-SHA256 for now). ";
    assert_eq!(texts(request.judge()), ("IncompleteSignatureException", text.to_owned()));
    let request = with_authorization(|text| text.replace("/aws4_request", ""));
    let text = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got \
                'AKIDEXAMPLE/20261128/us-east-1/kinesis'";
    assert_eq!(texts(request.judge()), ("IncompleteSignatureException", text.to_owned()));
}

#[test]
fn faults_of_a_scope_are_named() {
    let request = with_authorization(|text| {
        text.replace("20261128/us-east-1/kinesis/aws4_request", "20261127/eu-west-1/firehose/aws5_request")
    });
    let text = "Credential should be scoped to a valid region, not 'eu-west-1'. Credential should be scoped to correct \
                service: 'kinesis'. Credential should be scoped with a valid terminator: 'aws4_request', not \
                'aws5_request'. Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
                HTTP: '20261127' != '20261128', from '20261128T120000Z'.";
    assert_eq!(texts(request.judge()), ("InvalidSignatureException", text.to_owned()));
    for region in ["", "EU", "eu west", &"e".repeat(65)] {
        let request = with_authorization(|text| text.replace("us-east-1", &region.replace(' ', "_")));
        let judged = request.judge_in(None, SIGNED_AT, &Secret::new(SECRET_KEY, None));
        let (code, text) = texts(judged);
        assert_eq!(code, "InvalidSignatureException");
        assert!(text.starts_with("Credential should be scoped to a valid region, not '"), "{text}");
    }
}

#[test]
fn unknown_key_or_token_is_refused() {
    let text = "The security token included in the request is invalid.";
    let expected = ("UnrecognizedClientException", text.to_owned());
    let request = with_authorization(|text| text.replace("AKIDEXAMPLE", "AKIDOTHER"));
    assert_eq!(texts(request.judge()), expected);
    let with_token = list_streams("/", "").sign(Signing { token: Some(TOKEN), ..IN_HEADER });
    assert_eq!(texts(with_token.judge()), expected, "the key has none");
    assert_eq!(texts(list_streams("/", "").sign(IN_HEADER).judge_with_token()), expected, "the key has one");
    let other = Signing { token: Some("another"), ..IN_QUERY };
    assert_eq!(texts(list_streams("/", "").sign(other).judge_with_token()), expected);
    let forged = Request { body: b"[]".to_vec(), ..with_token };
    assert_eq!(texts(forged.judge()).0, "InvalidSignatureException", "the signature comes first");
}

#[test]
fn signature_by_another_secret_is_answered_with_what_should_have_been_signed() {
    let request = list_streams("/", "").sign(IN_HEADER);
    let judged = request.judge_in(None, SIGNED_AT, &Secret::new("another", None));
    let canonical = "POST\n/\n\ncontent-type:application/x-amz-json-1.1\nhost:localhost:4567\nx-amz-date:20261128T120000Z\n\
                     x-amz-target:Kinesis_20131202.ListStreams\n\ncontent-type;host;x-amz-date;x-amz-target\n\
                     44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let (code, text) = texts(judged);
    assert_eq!(code, "InvalidSignatureException");
    let start = format!(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \
         and signing method. Consult the service documentation for details.\n\nThe Canonical String for this request \
         should have been\n'{canonical}'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\n20261128T120000Z\n\
         20261128/us-east-1/kinesis/aws4_request\n"
    );
    let hash = text.strip_prefix(&start).unwrap_or_else(|| panic!("{text}\n{start}"));
    assert_eq!(hash.len(), 64 + "'\n".len());
    assert!(hash.ends_with("'\n"));
}

#[test]
fn body_is_hashed_whatever_a_header_says() {
    let unsigned = list_streams("/", "").with("x-amz-content-sha256", "UNSIGNED-PAYLOAD").sign(IN_HEADER);
    assert!(unsigned.judge().is_ok(), "the header is signed, and the body too");
    let changed = Request { body: b"[]".to_vec(), ..unsigned };
    assert_eq!(texts(changed.judge()).0, "InvalidSignatureException");
}
