//! What only the owner of an access key and the service know.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{SERVICE, TERMINATOR};

/// The most derived keys that a secret keeps: a client signs for a region or two, and around midnight for two days.
const MAX_DERIVED: usize = 8;

/// The secret of an access key, and the session token that belongs to it if it is a temporary one.
pub struct Secret {
    secret_key: String,
    session_token: Option<String>,
    derived: Mutex<Vec<Derived>>,
}

/// A key for the signatures of one day and region.
#[derive(Clone)]
struct Derived {
    date: String,
    region: String,
    key: Hmac<Sha256>,
}

impl Secret {
    /// The secret access key, and the session token that requests must carry.
    #[must_use]
    pub fn new(secret_key: impl Into<String>, session_token: Option<String>) -> Self {
        Self { secret_key: secret_key.into(), session_token, derived: Mutex::default() }
    }

    /// Whether this is what requests must carry as session token.
    pub(super) fn has_token(&self, session_token: Option<&str>) -> bool {
        match (&self.session_token, session_token) {
            // How long it takes to compare hashes says nothing about the token.
            (Some(own), Some(other)) => Sha256::digest(own) == Sha256::digest(other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// Whether the signature, 64 lower-case digits in hexadecimal, is that of this text.
    pub(super) fn signed(&self, date: &str, region: &str, text: &str, signature: &str) -> bool {
        let Some(signature) = bytes_of(signature) else { return false };
        let known = self.derived(date, region);
        let key = match &known {
            Some(key) => key.clone(),
            None => self.derive(date, region),
        };
        let is_signed = key.clone().chain_update(text).verify_slice(&signature).is_ok();
        // Only who has the secret may fill the cache.
        if is_signed && known.is_none() {
            self.keep(Derived { date: date.into(), region: region.into(), key });
        }
        is_signed
    }

    fn derived(&self, date: &str, region: &str) -> Option<Hmac<Sha256>> {
        let derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        let known = derived.iter().find(|known| known.date == date && known.region == region);
        known.map(|known| known.key.clone())
    }

    fn derive(&self, date: &str, region: &str) -> Hmac<Sha256> {
        let first = mac_of(format!("AWS4{}", self.secret_key).as_bytes());
        [date, region, SERVICE, TERMINATOR]
            .into_iter()
            .fold(first, |key, part| mac_of(&key.chain_update(part).finalize().into_bytes()))
    }

    fn keep(&self, key: Derived) {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        if derived.len() == MAX_DERIVED {
            derived.remove(0);
        }
        derived.push(key);
    }
}

impl AsRef<Self> for Secret {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// The same secret, whatever keys were derived from it.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.secret_key == other.secret_key && self.session_token == other.session_token
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

fn mac_of(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn bytes_of(signature: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    if signature.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(signature.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_keys_are_kept_up_to_a_bound_and_only_for_good_signatures() {
        let secret = Secret::new("secret", None);
        for day in 0..20 {
            let date = format!("202611{day:02}");
            let signature = secret.derive(&date, "us-east-1").chain_update("text").finalize().into_bytes();
            let signature: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(!secret.signed(&date, "us-east-1", "other text", &signature));
            assert!(secret.derived(&date, "us-east-1").is_none());
            assert!(secret.signed(&date, "us-east-1", "text", &signature));
            assert!(secret.derived(&date, "us-east-1").is_some());
            assert!(secret.signed(&date, "us-east-1", "text", &signature));
            assert!(!secret.signed(&date, "us-east-1", "text", &signature.to_uppercase()));
            assert!(!secret.signed(&date, "us-west-1", "text", &signature));
        }
        assert_eq!(secret.derived.lock().unwrap().len(), MAX_DERIVED);
    }

    #[test]
    fn secret_is_not_printed() {
        let secret = Secret::new("hush", Some("hush".into()));
        assert_eq!(format!("{secret:?}"), "Secret");
    }
}
