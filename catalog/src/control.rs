//! Control calls: a gateway sends them to a catalog service when a Kinesis operation changes streams.
//!
//! Each is a POST of the request as JSON to its path. 200 answers the result as JSON; any other status, a
//! [`Refusal`].

use serde::{Deserialize, Serialize};

use crate::{StreamMode, StreamName};

/// Path of [`CreateStream`]; its answer is empty.
pub const CREATE_STREAM_PATH: &str = "/v1/create-stream";
/// Path of [`DeleteStream`]; its answer is empty.
pub const DELETE_STREAM_PATH: &str = "/v1/delete-stream";
/// Path of [`FindStream`]; answers `Option<Stream>` as JSON.
pub const FIND_STREAM_PATH: &str = "/v1/find-stream";

/// Creates a stream. The answer comes when its creation is durable, not when it is ACTIVE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateStream {
    /// The account that will own it.
    pub account_id: String,
    /// Its name, free in the account.
    pub name: StreamName,
    /// Who decides the number of shards.
    pub mode: StreamMode,
    /// 1 to 10,000; absent: 4 (what AWS does).
    pub shard_count: Option<u32>,
    /// 1024 to 10240, absent: 1024.
    pub max_record_size_kib: Option<u32>,
    /// Tags, sorted by key.
    pub tags: std::collections::BTreeMap<String, String>,
}

/// Deletes a stream with its records. The answer comes when the deletion is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteStream {
    /// The account that owns it.
    pub account_id: String,
    /// Its name.
    pub name: StreamName,
}

/// Looks up a stream that the caller's copy of the catalog does not have. Only this answer may say that it does not
/// exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FindStream {
    /// The account that owns it.
    pub account_id: String,
    /// Its name.
    pub name: StreamName,
}

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
    /// There is no such stream.
    ResourceNotFound,
    /// A value is invalid or not served.
    InvalidArgument,
    /// A limit of the account is reached.
    LimitExceeded,
    /// The service cannot do it now; a retry may help.
    Unavailable,
}
