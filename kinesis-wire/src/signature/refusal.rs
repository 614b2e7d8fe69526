//! What a caller is told whose signature is refused, in the words of AWS.

use std::borrow::Cow;

use crate::{Error, ErrorCode};

/// A signature that is not whole or cannot be read.
pub fn incomplete(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::IncompleteSignatureException, message)
}

/// A signature that does not count here.
pub fn invalid(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidSignatureException, message)
}

/// No signature.
pub fn missing() -> Error {
    Error::new(ErrorCode::MissingAuthenticationTokenException, "Missing Authentication Token")
}

/// An access key or session token that does not exist.
pub fn unknown_client() -> Error {
    let message = "The security token included in the request is invalid.";
    Error::new(ErrorCode::UnrecognizedClientException, message)
}

/// A header that must be signed.
pub fn unsigned(header: &str) -> Error {
    invalid(format!("{header} must be a 'SignedHeader' in the AWS Authorization."))
}

/// A signature over something else, or by another secret.
pub fn mismatch(canonical: &[u8], string_to_sign: &str) -> Error {
    let canonical = String::from_utf8_lossy(canonical);
    invalid(format!(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
         Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this \
         request should have been\n'{canonical}'\n\nThe String-to-Sign should have been\n'{string_to_sign}'\n"
    ))
}
