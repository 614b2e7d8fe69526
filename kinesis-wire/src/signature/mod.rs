//! AWS Signature Version 4: which access key signed a request, and whether the request is as it was signed
//! (AWS IAM User Guide, "Create a signed AWS API request").
//!
//! A signature is in the header Authorization or, in a presigned request, in the query. [`judge_head`] reads it, checks
//! all that needs no body, and finds the access key; [`Signed::verify`] then checks the signature with the body. The
//! clock and the keys come in as arguments.
//!
//! Judgements are made in the order in which AWS was recorded to make them (mhart/dynalite, index.js): what is missing,
//! the date, Host, the algorithm, the credential and its scope, the key, the signature, the session token.
//!
//! Invariants: the hash of a body is computed here and never taken from a header; Host and every header X-Amz-* that a
//! request has must be signed; secrets are compared without telling by the time where they differ.

mod canonical;
mod claim;
mod credential;
mod date;
mod head;
mod query;
mod refusal;
mod secret;
mod verify;

pub use head::Head;
pub use secret::Secret;
pub use verify::{Rules, Signed, judge_head};

/// The one algorithm.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The service in a credential scope.
const SERVICE: &str = "kinesis";
/// The last part of a credential scope.
const TERMINATOR: &str = "aws4_request";
