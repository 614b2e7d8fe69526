//! The state of a group, and how it is reported.

use std::sync::Arc;

use catalog::member::{LogStatus, MemberPhase};

use crate::log::{self, OpenLog};
use crate::shard::volume::{self, Identity};

/// What the group is doing.
#[derive(Clone)]
pub enum State {
    /// It takes the volume's lock, or waits for the process that holds it.
    WaitingForVolume {
        is_held: bool,
    },
    AwaitingBootstrap,
    Recovering,
    Serving(Arc<Serving>),
    /// The log takes no appends any more but is read.
    LogStopped(Arc<Serving>, String),
    /// It failed to open.
    Failed(Arc<volume::Error>),
    Closed,
}

/// A group that has its log.
pub struct Serving {
    pub identity: Identity,
    pub log: OpenLog,
}

impl Serving {
    pub fn status(&self) -> LogStatus {
        let status = self.log.status();
        LogStatus {
            name: self.identity.log.clone(),
            durable_bytes: status.durable_bytes,
            retention_period_hours: status.retention_hours,
            writing_ms: self.log.writing_for().as_millis() as u64,
            conditions: log::conditions_of(&status),
            shards: log::shards_of(&status),
        }
    }
}

impl State {
    pub fn phase(&self) -> MemberPhase {
        match self {
            Self::WaitingForVolume { .. } => MemberPhase::WaitingForVolume,
            Self::AwaitingBootstrap => MemberPhase::AwaitingBootstrap,
            Self::Recovering => MemberPhase::Recovering,
            Self::Serving(_) => MemberPhase::Serving,
            Self::LogStopped(..) => MemberPhase::Stopped,
            Self::Failed(error) if error.is_corrupt() => MemberPhase::Stopped,
            Self::Failed(_) | Self::Closed => MemberPhase::Ending,
        }
    }

    pub fn not_ready(&self) -> Option<String> {
        match self {
            Self::WaitingForVolume { is_held: false } => Some("it takes the volume's lock".into()),
            Self::WaitingForVolume { is_held: true } => Some("another process still holds the volume".into()),
            Self::AwaitingBootstrap => Some("the volume is empty: the group awaits its bootstrap".into()),
            Self::Recovering => Some("it reads its log".into()),
            Self::Serving(_) => None,
            Self::LogStopped(_, reason) => {
                Some(format!("the log takes no appends until a restart: {reason}"))
            }
            Self::Failed(error) => Some(error.to_string()),
            Self::Closed => Some("it is closed".into()),
        }
    }

    pub fn serving(&self) -> Option<&Arc<Serving>> {
        match self {
            Self::Serving(serving) | Self::LogStopped(serving, _) => Some(serving),
            Self::WaitingForVolume { .. }
            | Self::AwaitingBootstrap
            | Self::Recovering
            | Self::Failed(_)
            | Self::Closed => None,
        }
    }
}
