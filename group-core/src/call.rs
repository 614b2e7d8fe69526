//! What a group is asked for, and what it answers.

use catalog::member::OpenShard;

use crate::entry::{Appended, Run};
use crate::reshard::{Reshard, ReshardRefusal, Resharded};

/// Names a call until it is answered; whoever carries calls draws it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Something that is asked of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// To append runs.
    Append(Append),
    /// To keep records so many hours.
    SetRetention {
        /// 24 to 8760.
        hours: u32,
    },
    /// To seal shards and open others in their place.
    Reshard(Reshard),
}

/// Runs to append, durable together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Who sends it, and the number of this append among the sender's: the same pair is stored once and
    /// answered alike each time. What was not done is sent again under a new number: a repetition of the old one may
    /// still come. A sender without a network in between has none.
    pub session: Option<(u64, u64)>,
    /// The runs, in order. A shard may have several.
    pub runs: Vec<Run>,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of an append: one outcome a run, in their order; none if it had no runs.
    Append(Vec<RunOutcome>),
    /// Done and committed.
    Done,
    /// Of a reshard: it is done and committed, now or before; or why not.
    Reshard(Result<Resharded, ReshardRefusal>),
    /// Nothing was done, and it may be sent again: it came too late, or the store has no room.
    NotDone(NotDone),
    /// Whether it is durable is not known: the store failed under it, or it is a repetition of one that is remembered no
    /// more.
    Unknown(String),
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotDone {
    /// Its deadline had passed before it was proposed.
    Late,
    /// The store has no room; the reason.
    Full(String),
    /// The group takes no calls any more; the reason.
    Halted(String),
}

/// What became of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// It is durable.
    Appended(Appended),
    /// The shard is not in this log.
    NotHere,
    /// The shard takes no more records. These shards took over its part of the ring; they may be sealed in turn.
    Sealed(Vec<OpenShard>),
    /// No log would take it; the reason.
    Invalid(&'static str),
}
