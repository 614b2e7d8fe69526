//! Tokens that a client carries from one call to the next: shard iterators and NextTokens.
//!
//! They are stateless, so that every gateway of an installation takes them, and sealed, so that none but the
//! installation makes them. Sealed is authenticated, not encrypted: a token holds nothing that its bearer does
//! not know. In base64:
//!
//! ```text
//! 8            16      n * 16                             32
//! 00 .. 00 01  nonce   payload (postcard), zeros to fill  HMAC-SHA256 of purpose and all before
//! ```

mod iterator;
mod keys;
mod page;

pub use iterator::{InvalidIterator, IteratorPosition, LIFETIME_MS, ShardIterator};
pub use keys::{KeyFiles, MIN_KEY_BYTES, TokenKeys, WeakKey};
pub use page::{InvalidPage, ShardPage, StreamPage};
