//! The role `local`: the whole service in one process and one directory, for development and tests, and wherever
//! a single machine will do.
//!
//! The endpoint is the gateway's; its catalog is a file here and its groups live in this process, one log a
//! stream. Everything is durable before it is answered.
//!
//! ```text
//! DIR/lock                 held while a process uses the directory
//! DIR/catalog.json         the streams
//! DIR/iterator-key         32 random bytes
//! DIR/streams/<uid>/g0/    the log of a stream
//! ```

mod catalog;
mod catalog_file;
mod control;
mod data_dir;
mod entry;
mod manifest;
mod options;
mod role;

pub use catalog::LocalCatalog;
pub use options::Options;
pub use role::run;
