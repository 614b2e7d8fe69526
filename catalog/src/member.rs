//! The calls of the operator to a pod of a shard group. Gateways ask for the status, too, while a pod does not answer them.
//!
//! `GET /status` answers a [`MemberStatus`]; `POST /bootstrap` takes a [`Bootstrap`], `POST /retention` a
//! [`SetRetention`], `POST /accept-loss` an [`AcceptLoss`]; each answers the resulting [`MemberStatus`], or
//! status 409 with the reason as text.

use serde::{Deserialize, Serialize};

use crate::{HashKeyRange, ShardId};

/// The port of the internal protocol: appends and reads, `/status`, `/bootstrap`.
pub const GROUP_PORT: u16 = 7400;
/// The port of `/healthz`, `/readyz` and `/metrics`, of every role.
pub const ADMIN_PORT: u16 = 7401;
/// The port of an operator's catalog service, and of a gateway's feed to its peers.
pub const CATALOG_PORT: u16 = 7402;
/// The port of the Kinesis endpoint.
pub const KINESIS_PORT: u16 = 4567;

/// Path of [`MemberStatus`].
pub const STATUS_PATH: &str = "/status";
/// Path of [`Bootstrap`].
pub const BOOTSTRAP_PATH: &str = "/bootstrap";
/// Path of [`SetRetention`].
pub const RETENTION_PATH: &str = "/retention";
/// How long records may be kept, in hours (AWS API reference, IncreaseStreamRetentionPeriod).
pub const RETENTION_HOURS: std::ops::RangeInclusive<u32> = 24..=8760;

/// Path of [`AcceptLoss`].
pub const ACCEPT_LOSS_PATH: &str = "/accept-loss";

/// The header of every call to a pod with the caller's wall clock, in milliseconds since 1970: a log follows a step of
/// its node's clock only where another machine's clock agrees.
pub const CLOCK_HEADER: &str = "kinetes-clock-ms";
/// The header with the id of the caller's machine since its boot (Linux: `boot_id`). Programs on one machine share a
/// clock, so it does not count as another clock that agrees.
pub const MACHINE_HEADER: &str = "kinetes-machine";
/// The largest difference between two clocks that agree, in milliseconds.
pub const CLOCK_AGREEMENT_MS: u64 = 300_000;

/// The status that a pod reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// The version of the program.
    pub version: String,
    /// The UID of the stream it was started for.
    pub stream_uid: String,
    /// The group it was started for.
    pub group: String,
    /// What it is doing.
    pub phase: MemberPhase,
    /// Why it does not serve, or what has failed, for a person to read.
    pub reason: Option<String>,
    /// The random id of its copy, drawn once a volume; absent before bootstrap.
    pub replica_id: Option<String>,
    /// Its logs; empty unless it serves.
    pub logs: Vec<LogStatus>,
}

/// What a pod is doing now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MemberPhase {
    /// Another process still holds the volume.
    WaitingForVolume,
    /// The volume is empty. The pod waits for a [`Bootstrap`]; if the group once had records, a person has to help.
    AwaitingBootstrap,
    /// It reads its logs.
    Recovering,
    /// It serves.
    Serving,
    /// It keeps running and takes no records; `reason` says why. Its log has stopped or, where `logs` is empty, is too
    /// corrupt to be opened. A person has to help.
    Stopped,
    /// It ends and is started again; `reason` says why.
    Ending,
}

/// The state of one log of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogStatus {
    /// The log's name ([`crate::LogPlacement::name`]).
    pub name: String,
    /// Its durable size in bytes.
    pub durable_bytes: u64,
    /// How long it keeps records. Absent where corruption hides it: then nothing expires until it is set again.
    pub retention_period_hours: Option<u32>,
    /// For how long it has been at its present write, in milliseconds; 0 while it waits for work.
    #[serde(default)]
    pub writing_ms: u64,
    /// What a person should know about its storage; empty while it is healthy.
    pub conditions: Vec<LogCondition>,
    /// Its shards, sorted by id.
    pub shards: Vec<ShardStatus>,
}

/// Something about a log's storage that a person should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogCondition {
    /// Its kind. A log has at most one condition of each kind.
    pub kind: LogConditionKind,
    /// The details, for a person to read.
    pub message: String,
    /// Where the first corruption is, as `FILE:POSITION` in the log.
    pub place: Option<String>,
}

/// The kinds of [`LogCondition`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LogConditionKind {
    /// The volume is full: appends are refused until it has room, reads go on.
    StorageFull,
    /// A part of the log cannot be read; the rest is served.
    StorageDamaged,
    /// The clock of the pod's node differs from log time, and no other machine's clock agrees with the node's. Log time
    /// goes on without it.
    ClockSuspect,
}

/// The status of one shard of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardStatus {
    /// The shard.
    pub id: ShardId,
    /// The offset that its next record will have; 1 while it has none.
    pub next_offset: u64,
}

/// Creates the group's log on an empty volume, once in the group's life.
///
/// It is idempotent: a pod that was bootstrapped with the same identity and shards answers its status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bootstrap {
    /// Must be the UID that the pod was started for.
    pub stream_uid: String,
    /// Must be the group that the pod was started for.
    pub group: String,
    /// The name of its log.
    pub log: String,
    /// The shards to open in it.
    pub shards: Vec<OpenShard>,
    /// How long it keeps records.
    pub retention_period_hours: u32,
}

/// Changes how long a log keeps records. A repeated call changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetRetention {
    /// The stream that the pod was started for.
    pub stream_uid: String,
    /// The name of its log.
    pub log: String,
    /// The new retention.
    pub retention_period_hours: u32,
}

/// Accepts the loss of all corruption that is known in a log: reads pass over it from then on instead of being refused.
/// Corruption that is found later is not accepted with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptLoss {
    /// The stream that the pod was started for.
    pub stream_uid: String,
    /// The name of its log.
    pub log: String,
    /// A known corruption, as in [`LogCondition::place`]. The call is refused if none is known there.
    pub place: String,
}

/// A shard to open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenShard {
    /// The shard.
    pub id: ShardId,
    /// The part of the ring that it owns.
    pub range: HashKeyRange,
    /// Its parents.
    pub parents: Vec<ShardId>,
    /// When it was created, in seconds since 1970.
    pub create_seconds: u64,
}
