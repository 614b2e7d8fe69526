//! What can go wrong with a log.

use std::io;

use catalog::ShardId;

use crate::format::{Newer, sequence_of};
use crate::state::Location;

/// Bytes that are not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file} is corrupt at byte {position}: {what}")]
pub struct Corruption {
    /// The file's name in the log's directory.
    pub file: String,
    /// Where in it, in bytes.
    pub position: u64,
    /// What is wrong.
    pub what: String,
    /// Whether records are missing before that position; what is there may be good.
    pub is_gap: bool,
}

/// A file in which a newer version wrote what this one does not know. Its bytes are right: nothing of it is changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {newer}")]
pub struct NewerFile {
    /// The file's name in the log's directory.
    pub file: String,
    /// Which version, and what is not known of it.
    pub newer: Newer,
}

impl NewerFile {
    pub(crate) fn new(file: impl Into<String>, newer: Newer) -> Self {
        Self { file: file.into(), newer }
    }
}

impl Corruption {
    /// Bytes at a position of a file that are not what was written.
    pub(crate) fn new(file: &str, position: u64, what: impl Into<String>) -> Self {
        Self { file: file.into(), position, what: what.into(), is_gap: false }
    }

    pub(crate) fn location(&self) -> Location {
        Location { segment: sequence_of(&self.file).unwrap_or_default(), position: self.position }
    }
}

/// Why a log was not created or opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not even a part of it can be served: somebody has to look.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
    /// A newer version wrote it, with something that this one cannot read.
    #[error(transparent)]
    Newer(#[from] NewerFile),
    /// It is another copy than it should be.
    #[error("the log is copy {found}, and copy {expected} was expected")]
    Foreign {
        /// The incarnation that its slots have.
        found: uuid::Uuid,
        /// The one that was expected.
        expected: uuid::Uuid,
    },
    /// The system refused; trying again may help.
    #[error("cannot {action} {file}: {error}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file of the log.
        file: String,
        /// The system's answer.
        error: io::Error,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, file: &str) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |error| Self::Io { action, file, error }
    }
}

/// Why something was not appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// There is no room for another segment, or the system has too few files for one. Nothing was written; trying again
    /// may help.
    #[error("nothing is taken for now: {0}")]
    Full(String),
    /// The write failed, and the log has stopped. Whether this batch is durable is not known until it is opened again.
    #[error("the log has stopped, and what became of this write is not known: {0}")]
    Final(String),
    /// The log had stopped before. Nothing was written.
    #[error("the log has stopped: {0}")]
    Stopped(String),
}

/// Why nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The caller would have to wait for the disk.
    #[error("the disk has to be waited for")]
    WouldBlock,
    /// The shard is not in this log.
    #[error("{0} is not in this log")]
    UnknownShard(ShardId),
    /// What was to be read next is corrupt, or the disk does not give it.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
    /// A newer version wrote what was to be read next.
    #[error(transparent)]
    Newer(#[from] NewerFile),
}

/// Why a loss was not accepted. Nothing changed, unless the outcome of the write is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcceptLossError {
    /// The location is not that of known corruption, or its loss is accepted already: look at the status again.
    #[error("no corruption is known at byte {position} of {file}: look again at what is corrupt")]
    Unknown {
        /// The file that was named.
        file: String,
        /// The position that was named.
        position: u64,
    },
    /// The log cannot keep so many accepted ranges: bring the volume back.
    #[error(
        "{ranges} ranges of the log would be accepted as lost, {allowed} are allowed: bring the volume back"
    )]
    TooMuch {
        /// How many it would be.
        ranges: usize,
        /// How many may be.
        allowed: usize,
    },
    /// A newer version wrote one of the segments to look at.
    #[error(transparent)]
    Newer(#[from] NewerFile),
    /// It could not be written down.
    #[error(transparent)]
    Write(#[from] WriteError),
}
