//! The role `local`: the whole service in one process and one directory, for development and tests, and wherever
//! a single machine will do.
//!
//! The endpoint is the gateway's; its catalog is in the streams' directories and its groups live in this process, one
//! log a stream. Everything is durable before it is answered. A stream whose log is damaged is served as far as it goes,
//! and the others are as if nothing were. Where a `stream.json` cannot be read a name is not known, so that until it is
//! back no stream is made, and a name that is not found is answered with a 500.
//!
//! ```text
//! DIR/lock                           held while a process uses the directory
//! DIR/iterator-key                   32 random bytes
//! DIR/streams/<uid>/stream.json      a stream
//! DIR/streams/<uid>/g0/              its group's volume, with its log
//! DIR/drafts/<uid>/                  a stream that is being made or removed: of no meaning at a start
//! ```

mod catalog;
mod control;
mod data_dir;
mod entry;
mod manifest;
mod options;
mod role;
mod stream_file;

pub use catalog::LocalCatalog;
pub use options::Options;
pub use role::run;
