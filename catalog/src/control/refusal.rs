//! Why a control call did nothing.

use serde::{Deserialize, Serialize};

/// Why a control call did nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The kind, from which the Kinesis error code follows.
    pub code: RefusalCode,
    /// The message for the client, in the words of the AWS API where it has some.
    pub message: String,
}

/// Kinds of refusal: those of the Kinesis API that a control call can end in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RefusalCode {
    /// The name is taken, or another owner manages the stream.
    ResourceInUse,
    /// There is no such stream or consumer.
    ResourceNotFound,
    /// A value is invalid or not served.
    InvalidArgument,
    /// A limit is reached.
    LimitExceeded,
    /// The service does not have this operation yet. The gateway names the operation.
    NotServed,
    /// The service cannot do it now; a retry may help.
    Unavailable,
}

impl Refusal {
    /// A refusal of this kind.
    #[must_use]
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}
