//! The credential of a signature: an access key, and the scope in which its signature counts.

use super::refusal::{incomplete, invalid};
use super::{SERVICE, TERMINATOR};
use crate::Error;

/// Longer than any region's name.
const MAX_REGION_BYTES: usize = 64;

/// `<access key id>/<date>/<region>/<service>/aws4_request`, taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Credential<'a> {
    pub access_key_id: &'a str,
    pub date: &'a str,
    pub region: &'a str,
    pub service: &'a str,
    pub terminator: &'a str,
}

impl<'a> Credential<'a> {
    /// Takes a credential apart.
    pub fn parse(text: &'a str) -> Result<Self, Error> {
        let parts: Vec<_> = text.trim_end_matches('/').split('/').collect();
        let [access_key_id, date, region, service, terminator] = parts[..] else {
            return Err(incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got \
                 '{text}'"
            )));
        };
        Ok(Self { access_key_id, date, region, service, terminator })
    }

    /// Checks that the scope is this service in this region, or in any if there is none, on the day of the signature.
    pub fn check_scope(&self, region: Option<&str>, signed_at: &str) -> Result<(), Error> {
        let mut faults = Vec::new();
        if region.map_or_else(|| !is_region(self.region), |region| region != self.region) {
            faults.push(format!("Credential should be scoped to a valid region, not '{}'.", self.region));
        }
        if self.service != SERVICE {
            faults.push(format!("Credential should be scoped to correct service: '{SERVICE}'."));
        }
        if self.terminator != TERMINATOR {
            faults.push(format!(
                "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{}'.",
                self.terminator
            ));
        }
        let day = signed_at.split('T').next().unwrap_or_default();
        if self.date != day {
            faults.push(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != \
                 '{day}', from '{signed_at}'.",
                self.date
            ));
        }
        if faults.is_empty() { Ok(()) } else { Err(invalid(faults.join(" "))) }
    }
}

fn is_region(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= MAX_REGION_BYTES && text.bytes().all(is_letter)
}
