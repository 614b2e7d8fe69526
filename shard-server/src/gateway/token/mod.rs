//! Tokens that a client passes from one call to the next: shard iterators and NextTokens.
//!
//! They are stateless, so that every gateway of an installation accepts them, and sealed, so that only the
//! installation can create them. Sealed means authenticated, not encrypted: a token has nothing that its bearer does
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
pub use page::{ConsumerPage, InvalidPage, ShardPage, StreamPage};
