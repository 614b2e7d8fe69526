//! Endpoints that verify access keys.

use std::process::Stdio;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_kinesis::error::ProvideErrorMetadata as _;
use aws_sdk_kinesis::primitives::Blob;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

use crate::errors::code_and_message;
use crate::installation::{Gateway, installation};
use crate::program::{LIMIT, Local, client_with, command, create, data_dir, put, read_all, refusal};

const INVALID_TOKEN: (&str, &str) =
    ("UnrecognizedClientException", "The security token included in the request is invalid.");

fn orders() -> Credentials {
    Credentials::new("AKIDORDERS", "secret/of+orders", None, None, "test")
}

fn temporary(token: Option<&str>) -> Credentials {
    Credentials::new("ASIATEMPORARY", "secret of a session", token.map(str::to_owned), None, "test")
}

/// A `local` that knows two keys, and what it keeps.
async fn verifying() -> (TempDir, Local) {
    let data_dir = data_dir();
    let file = data_dir.path().join("credentials.yaml");
    let text = "AKIDORDERS:\n  secretKey: secret/of+orders\n  principalArn: arn:aws:iam::000000000000:user/orders\n\
                ASIATEMPORARY: {secretKey: secret of a session, sessionToken: the/token==}\n";
    std::fs::write(&file, text).unwrap();
    let arguments = ["--credentials", file.to_str().unwrap()];
    let local = Local::start(&data_dir.path().join("data"), &arguments).await;
    (data_dir, local)
}

/// How a raw request is signed.
struct Signing {
    credentials: Credentials,
    method: Method,
    seconds_ago: i64,
    is_presigned: bool,
}

fn in_header(credentials: Credentials) -> Signing {
    Signing { credentials, method: Method::POST, seconds_ago: 0, is_presigned: false }
}

/// Calls ListStreams; gives the status and the text of the answer.
async fn list_streams(url: &str, http2: bool, signing: Signing) -> (StatusCode, String) {
    let body = if signing.method == Method::POST { "{}" } else { "" };
    let mut request = Request::builder()
        .method(signing.method.clone())
        .uri(format!("{url}/"))
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "Kinesis_20131202.ListStreams")
        .body(Full::<Bytes>::from(body))
        .unwrap();
    let mut settings = SigningSettings::default();
    if signing.is_presigned {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(900));
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let signed_at = now.as_secs().checked_add_signed(-signing.seconds_ago).unwrap();
    let identity = signing.credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("kinesis")
        .time(SystemTime::UNIX_EPOCH + Duration::from_secs(signed_at))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let method = request.method().as_str();
    let signable = SignableRequest::new(
        method,
        request.uri().to_string(),
        headers,
        SignableBody::Bytes(body.as_bytes()),
    );
    let (instructions, _) = sign(signable.unwrap(), &parameters).unwrap().into_parts();
    instructions.apply_to_request_http1x(&mut request);
    let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
    let (head, body) = client.request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, String::from_utf8(body.into()).unwrap())
}

#[tokio::test]
async fn key_that_is_known_is_served_over_http_1_and_http_2() {
    let (_data_dir, local) = verifying().await;
    let client = client_with(&local.url, "us-east-1", orders());
    create(&client, "orders", 2).await;
    put(&client, "orders", "a", "1").await;
    assert_eq!(read_all(&client, "orders").await, ["1"]);
    for http2 in [false, true] {
        let (status, body) = list_streams(&local.url, http2, in_header(orders())).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert!(body.contains(r#""StreamNames":["orders"]"#), "{body}");
    }
    let west = client_with(&local.url, "eu-west-1", orders());
    assert_eq!(west.list_streams().send().await.unwrap().stream_names, [""; 0]);
}

#[tokio::test]
async fn wrong_secret_unknown_key_and_no_signature_are_refused() {
    let (_data_dir, local) = verifying().await;
    let wrong = Credentials::new("AKIDORDERS", "another secret", None, None, "test");
    let error = client_with(&local.url, "us-east-1", wrong.clone()).list_streams().send().await.unwrap_err();
    let (code, message) = code_and_message(&error);
    assert_eq!(code, "InvalidSignatureException");
    assert!(message.starts_with("The request signature we calculated does not match"), "{message}");
    assert!(
        message.contains("The Canonical String for this request should have been\n'POST\n/\n\n"),
        "{message}"
    );
    for http2 in [false, true] {
        let (status, body) = list_streams(&local.url, http2, in_header(wrong.clone())).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(body.starts_with(r#"{"__type":"InvalidSignatureException""#), "{body}");
    }
    let unknown = Credentials::new("AKIDOTHER", "secret/of+orders", None, None, "test");
    let error = client_with(&local.url, "us-east-1", unknown).list_streams().send().await.unwrap_err();
    assert_eq!(code_and_message(&error), INVALID_TOKEN);
    let request = Request::post(&local.url)
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "Kinesis_20131202.ListStreams");
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request.body(Full::<Bytes>::from("{}")).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let expected =
        r#"{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}"#;
    assert_eq!(body, expected);
}

#[tokio::test]
async fn caller_with_a_large_body_gets_the_reason() {
    let (_data_dir, local) = verifying().await;
    let unknown = Credentials::new("AKIDOTHER", "secret", None, None, "test");
    let put = client_with(&local.url, "us-east-1", unknown).put_record().stream_name("orders");
    let error = put.partition_key("a").data(Blob::new(vec![7; 1 << 20])).send().await.unwrap_err();
    assert_eq!(code_and_message(&error), INVALID_TOKEN);
}

#[tokio::test]
async fn clock_of_a_client_may_be_off_by_five_minutes() {
    let (_data_dir, local) = verifying().await;
    for seconds_ago in [-280, 280] {
        let (status, body) =
            list_streams(&local.url, false, Signing { seconds_ago, ..in_header(orders()) }).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    for (seconds_ago, text) in [(-320, "Signature not yet current: "), (320, "Signature expired: ")] {
        let (status, body) =
            list_streams(&local.url, false, Signing { seconds_ago, ..in_header(orders()) }).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let expected = format!(r#"{{"__type":"InvalidSignatureException","message":"{text}"#);
        assert!(body.starts_with(&expected) && body.ends_with(r#"5 min.)"}"#), "{body}");
    }
}

#[tokio::test]
async fn presigned_post_is_served_until_its_time_is_over_and_a_get_calls_nothing() {
    let (_data_dir, local) = verifying().await;
    let presigned = |seconds_ago| Signing { seconds_ago, is_presigned: true, ..in_header(orders()) };
    for http2 in [false, true] {
        let (status, body) = list_streams(&local.url, http2, presigned(800)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    let (status, body) = list_streams(&local.url, false, presigned(920)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("Signature expired: ") && body.contains(" - 15 min.)"), "{body}");
    let get = Signing { method: Method::GET, ..presigned(0) };
    let (status, body) = list_streams(&local.url, false, get).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(body.starts_with("<AccessDeniedException>"), "{body}");
}

#[tokio::test]
async fn temporary_key_needs_its_session_token() {
    let (_data_dir, local) = verifying().await;
    let list = |credentials| client_with(&local.url, "us-east-1", credentials).list_streams().send();
    assert!(list(temporary(Some("the/token=="))).await.is_ok());
    assert_eq!(code_and_message(&list(temporary(None)).await.unwrap_err()), INVALID_TOKEN);
    assert_eq!(code_and_message(&list(temporary(Some("another"))).await.unwrap_err()), INVALID_TOKEN);
    let credentials = temporary(Some("the/token=="));
    let presigned = Signing { is_presigned: true, ..in_header(credentials) };
    let (status, body) = list_streams(&local.url, false, presigned).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

#[tokio::test]
async fn broken_file_of_keys_ends_the_start_with_file_entry_and_field() {
    let folder = data_dir();
    let file = folder.path().join("credentials.yaml");
    std::fs::write(&file, "AKIDORDERS: {secretKey: [one]}\n").unwrap();
    let file = file.to_str().unwrap();
    let data_dir = folder.path().join("data");
    let text = refusal(&["local", "--data-dir", data_dir.to_str().unwrap(), "--credentials", file]).await;
    assert!(text.contains(file) && text.contains("AKIDORDERS") && text.contains("secretKey"), "{text}");
}

#[tokio::test]
async fn endpoint_that_accepts_any_key_says_so_at_its_start() {
    let data_dir = data_dir();
    let data_dir = data_dir.path().to_str().unwrap();
    let mut command = command(&["local", "--listen", "127.0.0.1:0", "--data-dir", data_dir]);
    let mut process = command.env("RUST_LOG", "warn").stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let logged =
        async { while !lines.next_line().await.unwrap().unwrap().contains("ANY ACCESS KEY IS ACCEPTED") {} };
    timeout(LIMIT, logged).await.expect("it is logged");
}

#[tokio::test]
async fn gateway_verifies_the_keys_of_its_folder_in_its_region() {
    let installation = installation().await;
    let access_keys = tempfile::tempdir().unwrap();
    let key = "{secretKey: secret/of+orders, principalArn: 'arn:aws:iam::000000000000:user/orders', namespace: shop}";
    std::fs::write(access_keys.path().join("AKIDORDERS"), key).unwrap();
    let (operator, keys) = (installation.operator.address, installation.keys.path());
    let arguments = ["--access-keys", access_keys.path().to_str().unwrap()];
    let gateway = Gateway::start_with(operator, None, keys, &arguments).ready().await;
    let client = client_with(&gateway.url, "us-east-1", orders());
    put(&client, "orders", "a", "1").await;
    assert_eq!(read_all(&client, "orders").await, ["1"]);
    let error = crate::program::client(&gateway.url).list_streams().send().await.unwrap_err();
    assert_eq!(code_and_message(&error), INVALID_TOKEN);
    let west = client_with(&gateway.url, "eu-west-1", orders()).list_streams().send().await.unwrap_err();
    let expected = "Credential should be scoped to a valid region, not 'eu-west-1'.";
    assert_eq!((west.code(), west.message()), (Some("InvalidSignatureException"), Some(expected)));
}
