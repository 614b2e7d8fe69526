//! Signatures of AWS's own signer for Rust, of botocore, and in the manner of JavaScript v3 and Java.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod any_request;
mod one_bit;
mod refused;
mod request;

use request::{IN_HEADER, IN_QUERY, Request, SIGNED_AT, Signing, TOKEN, list_streams};

const CALLER: &str = "AKIDEXAMPLE in us-east-1";

/// A request that botocore 1.44 signed in the header Authorization.
fn signed_by_botocore(request: Request, signed_headers: &str, signature: &str) -> Request {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261128/us-east-1/kinesis/aws4_request, \
         SignedHeaders={signed_headers}, Signature={signature}"
    );
    request.with("x-amz-date", "20261128T120000Z").with("authorization", &authorization)
}

#[test]
fn request_that_botocore_signed_is_taken() {
    let request = signed_by_botocore(
        list_streams("/", ""),
        "content-type;host;x-amz-date;x-amz-target",
        "aea6a008c3fac6fd1fc6f672acb6d998ba0cb92f6742d2af6463dac4800f9d63",
    );
    assert_eq!(request.judge().unwrap(), CALLER);
}

#[test]
fn odd_path_spaces_and_token_that_botocore_signed_are_taken() {
    let request = list_streams("/a%20path/./x//y/", "").with("my-header", "  a   b  c ");
    let request = signed_by_botocore(
        request.with("x-amz-security-token", TOKEN),
        "content-type;host;my-header;x-amz-date;x-amz-security-token;x-amz-target",
        "040a479fe72e9248cf414522f49452f4e29d113b95833cc1a20cd4394431b071",
    );
    assert_eq!(request.judge_with_token().unwrap(), CALLER);
}

#[test]
fn url_that_botocore_presigned_is_taken() {
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261128%2Fus-east-1%2Fkinesis%2F\
                 aws4_request&X-Amz-Date=20261128T120000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=content-type%3Bhost\
                 %3Bx-amz-target&X-Amz-Security-Token=a%2Btoken%2Fof%3D%3D&X-Amz-Signature=b7c1ab749f21efcad118d5eef0\
                 4d28bcd0ce266b6c089ae4cb3e3584e1c4b2c9";
    let request = Request { body: Vec::new(), ..list_streams("/", query) };
    assert_eq!(request.judge_with_token().unwrap(), CALLER);
}

#[test]
fn authority_stands_for_host_and_is_signed_by_javascript() {
    let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let request =
        Request { authority: Some("localhost:4567".into()), ..list_streams("/", "").without("host") };
    let javascript = signed_by_botocore(
        request.clone().with("x-amz-content-sha256", hash),
        ":authority;content-type;x-amz-content-sha256;x-amz-date;x-amz-target",
        "9ea0d9a74538310005445a2628d86e851c269d17d34654ec0d69cb805c242d9b",
    );
    assert_eq!(javascript.judge().unwrap(), CALLER);
    let java = list_streams("/", "").sign(IN_HEADER).without("host");
    assert!(java.judge().is_err());
    let java = Request { authority: Some("localhost:4567".into()), ..java };
    assert_eq!(java.judge().unwrap(), CALLER);
}

#[test]
fn request_is_taken_however_it_was_signed() {
    for token in [None, Some(TOKEN)] {
        for presigned_seconds in [None, Some(1), Some(604_800)] {
            for hashed in [false, true] {
                let signing = Signing { token, presigned_seconds, hashed };
                let request = list_streams("/", "").sign(signing);
                let judged = if token.is_some() { request.judge_with_token() } else { request.judge() };
                assert_eq!(judged.unwrap(), CALLER, "{request:?}");
            }
        }
    }
}

#[test]
fn repeated_and_padded_headers_are_taken() {
    let request = list_streams("/", "")
        .with("x-amz-meta", " one")
        .with("other", "")
        .with("x-amz-meta", "two   three ")
        .with("user-agent", "aws-sdk-cpp/1.0  not   signed");
    assert_eq!(request.sign(IN_HEADER).judge().unwrap(), CALLER);
}

#[test]
fn any_region_may_be_signed_for_where_any_is_served() {
    let request = list_streams("/", "").sign(IN_HEADER);
    let secret = kinesis_wire::signature::Secret::new(request::SECRET_KEY, None);
    assert_eq!(request.judge_in(None, SIGNED_AT, &secret).unwrap(), CALLER);
}

#[test]
fn signature_counts_for_five_minutes_and_a_presigned_one_as_long_as_it_says() {
    let secret = kinesis_wire::signature::Secret::new(request::SECRET_KEY, None);
    let at = |request: &Request, seconds: i64| {
        request.judge_in(None, SIGNED_AT.checked_add_signed(seconds).unwrap(), &secret).is_ok()
    };
    let (in_header, in_query) = (list_streams("/", "").sign(IN_HEADER), list_streams("/", "").sign(IN_QUERY));
    for seconds in [-300, 0, 300] {
        assert!(at(&in_header, seconds) && at(&in_query, seconds), "{seconds}");
    }
    assert!(!at(&in_header, -301) && !at(&in_header, 301));
    assert!(!at(&in_query, -301) && at(&in_query, 900) && !at(&in_query, 901));
}
