//! The gateway's copy of the catalog: how it comes, how it is asked, how it is passed on.
//!
//! Invariants: an entry never goes back to an older one, whoever sends it; a removed stream never returns; only
//! the catalog service, never this copy, may say that a stream does not exist; the copy is served while the
//! service is away.

mod control;
mod copy;
mod entries;
mod feed;
mod follow;
mod lookup;

pub use control::{ControlPlane, RemoteControl};
pub use copy::{CatalogCopy, Feed};
pub use entries::Entries;
pub use feed::serve_feed;
pub use follow::{Follower, Sources};
pub use lookup::{Catalog, Unknown};
