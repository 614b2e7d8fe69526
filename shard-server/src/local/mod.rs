//! The role `local`: the whole service in one process and one directory, for development and tests, and for every use
//! for which one machine is enough.
//!
//! The endpoint is that of the gateway. The catalog is in the directories of the streams, and the groups are in this
//! process, with one log per stream. Everything is durable before it is answered. A stream with a corrupt log is served
//! as far as possible, and the others are not affected. A `stream.json` that cannot be read hides a name: until it is
//! restored no stream is created, and a name that is not found is answered with a 500.
//!
//! ```text
//! DIR/lock                           held while a process uses the directory
//! DIR/iterator-key                   32 random bytes
//! DIR/account.json                   the settings of the account, once it has any
//! DIR/streams/<uid>/stream.json      a stream
//! DIR/streams/<uid>/g0/              its group's volume, with its log
//! DIR/drafts/<uid>/                  a stream that is being created or removed: swept at a start
//! ```

mod account;
mod account_calls;
mod catalog;
mod changes;
mod consumers;
mod control;
mod data_dir;
mod entry;
mod manifest;
mod options;
mod resharding;
mod reshards;
mod role;
mod stream_file;

pub use catalog::LocalCatalog;
pub use options::Options;
pub use role::run;
