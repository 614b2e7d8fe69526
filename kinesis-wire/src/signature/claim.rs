//! What a request says about its signature, in the header Authorization or in the query.

use super::ALGORITHM;
use super::head::Head;
use super::query::Pair;
use super::refusal::{incomplete, invalid, missing};
use crate::Error;

/// The parts of a signature, complete but not judged.
#[derive(Debug)]
pub struct Claim {
    pub algorithm: String,
    pub credential: String,
    /// The names, joined by semicolons.
    pub signed_headers: String,
    /// In hexadecimal.
    pub signature: String,
    /// When the request was signed.
    pub date: String,
    /// How long a presigned request may be sent, in seconds.
    pub expires: Option<String>,
    /// X-Amz-Security-Token.
    pub session_token: Option<String>,
}

impl Claim {
    /// Reads the signature of a request.
    pub fn read(head: &Head<'_>, pairs: &[Pair]) -> Result<Self, Error> {
        let has_header = head.headers.iter().any(|(name, _)| *name == "authorization");
        match (has_header, parameter(pairs, "X-Amz-Algorithm").is_some()) {
            (true, true) => Err(invalid(
                "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
            )),
            (false, false) => Err(missing()),
            (true, false) => Self::of_header(head),
            (false, true) => Self::of_query(head, pairs),
        }
    }

    fn of_header(head: &Head<'_>) -> Result<Self, Error> {
        let header = head.text("authorization").unwrap_or_default();
        let (algorithm, parameters) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        let parameter = |name: &str| {
            let mut parameters = parameters.split([',', ' ']).filter_map(|text| text.split_once('='));
            parameters
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value)
                .filter(|value| !value.is_empty())
        };
        let date = head.text("x-amz-date").or_else(|| head.text("date")).filter(|date| !date.is_empty());
        let parts = [parameter("Credential"), parameter("Signature"), parameter("SignedHeaders"), date];
        let [Some(credential), Some(signature), Some(signed_headers), Some(date)] = parts else {
            let needs = [
                "'Credential' parameter",
                "'Signature' parameter",
                "'SignedHeaders' parameter",
                "existence of either a 'X-Amz-Date' or a 'Date' header",
            ];
            let faults = needs.iter().zip(parts).filter(|(_, part)| part.is_none());
            let faults: String =
                faults.map(|(need, _)| format!("Authorization header requires {need}. ")).collect();
            return Err(incomplete(format!("{faults}Authorization={header}")));
        };
        Ok(Self {
            algorithm: algorithm.into(),
            credential: credential.into(),
            signed_headers: signed_headers.into(),
            signature: signature.into(),
            date: date.into(),
            expires: None,
            session_token: head.text(TOKEN_HEADER).map(str::to_owned),
        })
    }

    fn of_query(head: &Head<'_>, pairs: &[Pair]) -> Result<Self, Error> {
        const NAMES: [&str; 5] =
            ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"];
        let parts = NAMES.map(|name| parameter(pairs, name).filter(|value| !value.is_empty()));
        let faults = NAMES.iter().zip(&parts).filter(|(_, part)| part.is_none());
        let faults: String =
            faults.map(|(name, _)| format!("AWS query-string parameters must include '{name}'. ")).collect();
        let [Some(algorithm), Some(credential), Some(signature), Some(signed_headers), Some(date)] = parts
        else {
            return Err(incomplete(format!("{faults}Re-examine the query-string parameters.")));
        };
        let session_token =
            parameter(pairs, "X-Amz-Security-Token").or_else(|| head.text(TOKEN_HEADER).map(str::to_owned));
        let expires = parameter(pairs, "X-Amz-Expires");
        Ok(Self { algorithm, credential, signed_headers, signature, date, expires, session_token })
    }

    /// Checks that the algorithm is the one that is served.
    pub fn check_algorithm(&self) -> Result<(), Error> {
        if self.algorithm == ALGORITHM {
            return Ok(());
        }
        let algorithm = &self.algorithm;
        Err(incomplete(format!("Unsupported AWS 'algorithm': '{algorithm}' (only {ALGORITHM} for now). ")))
    }
}

const TOKEN_HEADER: &str = "x-amz-security-token";

/// The first value of a parameter. One that is no text cannot be read, but is there.
fn parameter(pairs: &[Pair], name: &str) -> Option<String> {
    let (_, value) = pairs.iter().find(|(known, _)| known == name.as_bytes())?;
    Some(std::str::from_utf8(value).unwrap_or_default().to_owned())
}
