//! A shard group as a state machine: [`Event`]s in, [`Effect`]s out. It has no disk, no network, no thread and no clock
//! of its own, so a simulation drives the very same code through every order of events.
//!
//! What holds here:
//! - Appends are numbered and judged in one place, against all that was proposed, committed or not ([`Core`]).
//! - An answer, a refusal too, leaves only when what it was judged on is committed.
//! - What a network repeats is stored once: the same session and sequence get the same answer again.
//! - Time is the log's own ([`clock`]): it never goes back, and jumps only by an entry on which two machines agree.
//! - A sealed shard takes no more records; its successors cover exactly its part of the ring ([`Reshard`]).
//! - [`State`] is a function of the log's entries. Applying never refuses what the core proposed.
//!
//! Not here: how entries are written, read and recovered (the crate `record-log`), and who carries calls to a group.

mod call;
pub mod clock;
mod core;
mod effect;
mod entry;
mod event;
pub mod record;
mod reshard;
mod state;

pub use call::{Answer, Append, Call, NotDone, RunOutcome, Token};
pub use core::{Config, Core};
pub use effect::Effect;
pub use entry::{Appended, Batch, Change, Entry, Run, Step};
pub use event::{Event, StoreReport};
pub use reshard::{MAX_RESHARD_SHARDS, Reshard, ReshardRefusal, Resharded, Seal, SealedShard};
pub use state::{Continuity, Inconsistent, LogShard, State, horizon_ms};
