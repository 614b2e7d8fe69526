//! Requests as tests make, sign and judge them.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use kinesis_wire::Error;
use kinesis_wire::signature::{Head, Rules, Secret, judge_head};

pub const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub const TOKEN: &str = "a+token/of==";
/// 20261128T120000Z
pub const SIGNED_AT: u64 = 1_795_867_200;

/// A request, as a server receives it.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    pub authority: Option<String>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

/// Who signs, and how.
#[derive(Clone, Copy)]
pub struct Signing {
    pub token: Option<&'static str>,
    pub presigned_seconds: Option<u64>,
    pub hashed: bool,
}

pub const IN_HEADER: Signing = Signing { token: None, presigned_seconds: None, hashed: false };
pub const IN_QUERY: Signing = Signing { presigned_seconds: Some(900), ..IN_HEADER };

/// A call of ListStreams at this path and query, not signed yet.
pub fn list_streams(path: &str, query: &str) -> Request {
    let headers = [
        ("host", "localhost:4567"),
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", "Kinesis_20131202.ListStreams"),
    ];
    Request {
        method: "POST".into(),
        path: path.into(),
        query: query.into(),
        authority: None,
        headers: headers.map(|(name, value)| (name.to_owned(), value.into())).to_vec(),
        body: b"{}".to_vec(),
    }
}

impl Request {
    /// The same with one more header.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same without a header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    /// Signs it with AWS's own signer.
    pub fn sign(mut self, signing: Signing) -> Self {
        let identity: Identity =
            Credentials::new(ACCESS_KEY_ID, SECRET_KEY, signing.token.map(str::to_owned), None, "test")
                .into();
        let mut settings = SigningSettings::default();
        if signing.hashed {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        if let Some(seconds) = signing.presigned_seconds {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(seconds));
        }
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("kinesis")
            .time(SystemTime::UNIX_EPOCH + Duration::from_secs(SIGNED_AT))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let uri = format!("http://localhost:4567{}?{}", self.path, self.query);
        let text = |value: &'static [u8]| std::str::from_utf8(value).unwrap();
        let headers = self.headers.clone().leak();
        let headers = headers.iter().map(|(name, value)| (name.as_str(), text(value)));
        let signable = SignableRequest::new(&self.method, uri, headers, SignableBody::Bytes(&self.body));
        let (instructions, _) = sign(signable.unwrap(), &parameters).unwrap().into_parts();
        let (headers, parameters) = instructions.into_parts();
        for header in headers {
            self.headers.push((header.name().into(), header.value().into()));
        }
        for (name, value) in parameters {
            let joint = if self.query.is_empty() { "" } else { "&" };
            let value = percent_encode(&value);
            self.query = format!("{}{joint}{name}={value}", self.query);
        }
        self
    }

    /// What a service of this region, or of any, says of it at a time.
    pub fn judge_in(&self, region: Option<&str>, at: u64, secret: &Secret) -> Result<String, Error> {
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let head = Head {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            authority: self.authority.as_deref(),
            headers: &headers,
        };
        let find = |id: &str| (id == ACCESS_KEY_ID).then_some(secret);
        let signed = judge_head(&head, &Rules { now_ms: at * 1000 + 999, region }, find)?;
        signed.verify(&self.body)?;
        Ok(format!("{} in {}", signed.access_key_id, signed.region))
    }

    /// What a service that knows the key says of it when it was signed.
    pub fn judge(&self) -> Result<String, Error> {
        self.judge_in(Some("us-east-1"), SIGNED_AT, &Secret::new(SECRET_KEY, None))
    }

    /// As [`Request::judge`], where the key has a session token.
    pub fn judge_with_token(&self) -> Result<String, Error> {
        self.judge_in(Some("us-east-1"), SIGNED_AT, &Secret::new(SECRET_KEY, Some(TOKEN.into())))
    }
}

/// Every byte that is no letter or digit as an escape.
pub fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
