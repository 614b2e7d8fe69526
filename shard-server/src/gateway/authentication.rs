//! Who calls. Where access keys are verified, the signature of a request says so; elsewhere its credential is believed.

use std::borrow::Cow;

use http::request::Parts;
use kinesis_wire::Error;
use kinesis_wire::envelope::Envelope;
use kinesis_wire::signature::{self, Head, Rules, Signed};

use super::access_keys::{AccessKey, AccessKeys};
use super::credential::{self, Credential};

/// Who calls, and in which region.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The ARN of the principal if the access key has one, else the id of the access key.
    pub name: &'a str,
    /// The region of the credential scope.
    pub region: &'a str,
}

/// What the head of a request says about its caller; the body is still to be looked at.
pub enum Claim<'k> {
    /// The text of the credential, if there is one. Keys are not verified.
    Believed(Option<Cow<'k, str>>),
    /// A signature whose form, time, scope and key are good.
    Signed(Signed<'k, AccessKey>),
}

impl<'k> Claim<'k> {
    /// Judges a head. Without keys every head is good.
    ///
    /// # Errors
    /// If keys are verified and the signature cannot be good, whatever the body is.
    pub fn judge_head(
        head: &'k Parts,
        keys: Option<&'k AccessKeys>,
        rules: &Rules<'_>,
    ) -> Result<Self, Error> {
        let Some(keys) = keys else {
            return Ok(Self::Believed(credential::text_of(&head.headers, &head.uri)));
        };
        let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let headers: Vec<_> = headers.collect();
        let request = Head {
            method: head.method.as_str(),
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            authority: head.uri.authority().map(http::uri::Authority::as_str),
            headers: &headers,
        };
        signature::judge_head(&request, rules, |access_key_id| keys.get(access_key_id)).map(Self::Signed)
    }

    /// Looks at the body, and gives the caller if there is one.
    ///
    /// # Errors
    /// If the request is not as it was signed, or the body not the one that the sender declared.
    pub fn verify(&self, envelope: &Envelope<'_>, body: &[u8]) -> Result<Option<Caller<'_>>, Error> {
        match self {
            Self::Believed(text) => {
                envelope.check_content_hash(body)?;
                let credential = text.as_deref().and_then(Credential::parse);
                Ok(credential
                    .map(|Credential { access_key_id, region }| Caller { name: access_key_id, region }))
            }
            Self::Signed(signed) => {
                signed.verify(body)?;
                let name = signed.key.principal_arn.as_deref().unwrap_or(&signed.access_key_id);
                Ok(Some(Caller { name, region: &signed.region }))
            }
        }
    }
}
