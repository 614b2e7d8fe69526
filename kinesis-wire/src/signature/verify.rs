//! The judgements, in the order of AWS.

use sha2::{Digest, Sha256};

use super::canonical::canonical_head;
use super::claim::Claim;
use super::credential::Credential;
use super::head::Head;
use super::refusal::{incomplete, invalid, mismatch, unknown_client, unsigned};
use super::secret::Secret;
use super::{ALGORITHM, SERVICE, TERMINATOR, date, query};
use crate::Error;

/// How much older or newer than this service's clock a signature may be.
const SKEW_SECONDS: i64 = 5 * 60;
/// The longest time for which a request may be presigned: a week.
const MAX_EXPIRES_SECONDS: i64 = 7 * 24 * 3600;

/// What a signature must agree with.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Milliseconds since 1970.
    pub now_ms: u64,
    /// The one region that is served; `None` if any is.
    pub region: Option<&'a str>,
}

/// A request whose signature was found good as far as its head says; whether it fits is known once the body is.
#[derive(Debug)]
pub struct Signed<'k, K> {
    /// The id of the access key.
    pub access_key_id: String,
    /// The access key.
    pub key: &'k K,
    /// The region of the credential scope.
    pub region: String,
    day: String,
    date: String,
    signature: String,
    session_token: Option<String>,
    canonical_head: Vec<u8>,
}

/// Judges what the head of a request says about its signature, and finds its access key.
///
/// # Errors
/// If the signature is missing, malformed, out of its time or scope, or by an unknown key.
pub fn judge_head<'k, K: AsRef<Secret>>(
    head: &Head<'_>,
    rules: &Rules<'_>,
    find: impl FnOnce(&str) -> Option<&'k K>,
) -> Result<Signed<'k, K>, Error> {
    let pairs = query::pairs(head.query);
    let claim = Claim::read(head, &pairs)?;
    check_date(&claim, (rules.now_ms / 1000) as i64)?;
    check_signed_headers(head, &claim.signed_headers)?;
    claim.check_algorithm()?;
    let credential = Credential::parse(&claim.credential)?;
    credential.check_scope(rules.region, &claim.date)?;
    let key = find(credential.access_key_id).ok_or_else(unknown_client)?;
    Ok(Signed {
        access_key_id: credential.access_key_id.into(),
        key,
        region: credential.region.into(),
        day: credential.date.into(),
        canonical_head: canonical_head(head, &pairs, &claim.signed_headers),
        date: claim.date,
        signature: claim.signature,
        session_token: claim.session_token,
    })
}

impl<K: AsRef<Secret>> Signed<'_, K> {
    /// Checks the signature of a request with this body.
    ///
    /// # Errors
    /// If the request is not the one that was signed, was signed with another secret, or has another session token than
    /// the key's.
    pub fn verify(&self, body: &[u8]) -> Result<(), Error> {
        let Self { day, date, region, .. } = self;
        let secret = self.key.as_ref();
        let body_hash = hex(&Sha256::digest(body));
        let canonical = Sha256::new().chain_update(&self.canonical_head).chain_update(&body_hash);
        let hash = hex(&canonical.finalize());
        let string_to_sign = format!("{ALGORITHM}\n{date}\n{day}/{region}/{SERVICE}/{TERMINATOR}\n{hash}");
        if !secret.signed(day, region, &string_to_sign, &self.signature) {
            let canonical = [&self.canonical_head, body_hash.as_bytes()].concat();
            return Err(mismatch(&canonical, &string_to_sign));
        }
        if !secret.has_token(self.session_token.as_deref()) {
            return Err(unknown_client());
        }
        Ok(())
    }
}

fn check_date(claim: &Claim, now: i64) -> Result<(), Error> {
    let Some(signed) = date::parse(&claim.date) else {
        return Err(incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{}'. See http://en.wikipedia.org/wiki/ISO_8601",
            claim.date
        )));
    };
    let valid_seconds =
        match &claim.expires {
            None => SKEW_SECONDS,
            Some(expires) => expires
                .parse()
                .ok()
                .filter(|seconds| (1..=MAX_EXPIRES_SECONDS).contains(seconds))
                .ok_or_else(|| incomplete("X-Amz-Expires must be a number of seconds from 1 to 604800."))?,
        };
    let (date, now_text) = (&claim.date, date::format(now));
    let oldest = now - valid_seconds;
    if signed < oldest {
        let oldest = date::format(oldest);
        let span = span(valid_seconds);
        return Err(invalid(format!(
            "Signature expired: {date} is now earlier than {oldest} ({now_text} - {span})"
        )));
    }
    let newest = now + SKEW_SECONDS;
    if signed > newest {
        let newest = date::format(newest);
        let span = span(SKEW_SECONDS);
        return Err(invalid(format!(
            "Signature not yet current: {date} is still later than {newest} ({now_text} + {span})"
        )));
    }
    Ok(())
}

/// `5 min.`; an uneven time of a presigned request in seconds.
fn span(seconds: i64) -> String {
    if seconds % 60 == 0 { format!("{} min.", seconds / 60) } else { format!("{seconds} sec.") }
}

fn check_signed_headers(head: &Head<'_>, signed_headers: &str) -> Result<(), Error> {
    let is_signed = |name: &str| signed_headers.split(';').any(|signed| signed.eq_ignore_ascii_case(name));
    if !is_signed("host") && !is_signed(":authority") {
        return Err(unsigned("'Host' or ':authority'"));
    }
    let mut amz = head.headers.iter().map(|(name, _)| *name).filter(|name| name.starts_with("x-amz-"));
    match amz.find(|name| !is_signed(name)) {
        Some(name) => Err(unsigned(&format!("'{name}'"))),
        None => Ok(()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let digit = |digit: u8| char::from_digit(digit.into(), 16).unwrap_or_default();
        text.extend([digit(byte >> 4), digit(byte & 15)]);
        text
    })
}
