//! The credential of a signature: which access key signed a request, and for which region (AWS Signature Version 4).
//!
//! It is in the header Authorization or, in a presigned request, in the query. This is how it is read where access keys
//! are not verified, which a request without a signature may be, too.

use std::borrow::Cow;

use http::{HeaderMap, Uri, header};

/// What a signature says about its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential<'a> {
    /// The access key.
    pub access_key_id: &'a str,
    /// The region of the credential scope.
    pub region: &'a str,
}

impl<'a> Credential<'a> {
    /// Takes `<access key>/<date>/<region>/<service>/aws4_request` apart; `None` if it is anything else.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split('/');
        let (access_key_id, _date, region) = (parts.next()?, parts.next()?, parts.next()?);
        let is_scope =
            parts.next().is_some() && parts.next() == Some("aws4_request") && parts.next().is_none();
        let is_region = !region.is_empty()
            && region.len() <= MAX_REGION_BYTES
            && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        (is_scope && is_region && !access_key_id.is_empty()).then_some(Self { access_key_id, region })
    }
}

/// Longer than any region's name.
const MAX_REGION_BYTES: usize = 64;

/// The text of a request's credential: out of its headers, or else out of its query.
#[must_use]
pub fn text_of<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<Cow<'a, str>> {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match header {
        Some(header) => {
            let parameters = header.strip_prefix("AWS4-HMAC-SHA256")?;
            let mut parameters = parameters.split(',').map(str::trim);
            parameters.find_map(|parameter| parameter.strip_prefix("Credential=")).map(Cow::Borrowed)
        }
        None => {
            let mut parameters = uri.query()?.split('&');
            let value = parameters.find_map(|parameter| parameter.strip_prefix("X-Amz-Credential="))?;
            Some(value.replace("%2F", "/").replace("%2f", "/").into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: &str = "AKID/20261128/eu-west-1/kinesis/aws4_request";

    #[test]
    fn credential_is_in_the_header_or_in_the_query() {
        let mut headers = HeaderMap::new();
        let plain = Uri::from_static("/");
        assert_eq!(text_of(&headers, &plain), None);
        let presigned = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20261128%2Feu-west-1%2Fkinesis%2Faws4_request";
        assert_eq!(text_of(&headers, &Uri::from_static(presigned)).as_deref(), Some(SCOPE));
        let header = format!("AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host, Signature=00");
        headers.insert(header::AUTHORIZATION, header.try_into().unwrap());
        assert_eq!(text_of(&headers, &plain).as_deref(), Some(SCOPE));
        let credential = Credential { access_key_id: "AKID", region: "eu-west-1" };
        assert_eq!(Credential::parse(SCOPE), Some(credential));
    }

    #[test]
    fn anything_else_is_no_credential() {
        for text in [
            "",
            "AKID",
            "AKID/20261128/eu-west-1/kinesis",
            "AKID/20261128/eu-west-1/kinesis/aws4_request/more",
            "AKID/20261128//kinesis/aws4_request",
            "AKID/20261128/EU WEST/kinesis/aws4_request",
            "/20261128/eu-west-1/kinesis/aws4_request",
        ] {
            assert_eq!(Credential::parse(text), None, "{text}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, "Bearer token".try_into().unwrap());
        assert_eq!(text_of(&headers, &Uri::from_static("/")), None);
    }
}
