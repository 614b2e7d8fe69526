//! The gateway's copy of the catalog: how it is kept up to date, looked up and served to peers.
//!
//! Invariants: an entry is never replaced by an older one, whoever sends it; a stream that is gone never
//! returns, and one that is not shown any more only with a later version; only
//! the catalog service, never this copy, may say that a stream does not exist; the copy is served while the
//! service is unavailable.

mod control;
mod copy;
mod entries;
mod feed;
mod follow;
mod lookup;
mod snapshot;

pub use control::{ControlPlane, RemoteControl};
pub use copy::CatalogCopy;
pub use entries::{Entries, Scope};
pub use feed::serve_feed;
pub use follow::{Follower, Sources};
pub use lookup::{Catalog, LookupError};
pub use snapshot::{Feed, NoFeed, Snapshot};
