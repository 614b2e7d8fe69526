//! Shard iterators: the position of a reader in one shard.

use catalog::ShardId;
use serde::{Deserialize, Serialize};

use super::keys::{Purpose, TokenKeys};
use crate::protocol::Position;

/// How long an iterator is valid (AWS API reference, GetRecords).
pub const LIFETIME_MS: u64 = 300_000;

/// The content of a shard iterator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardIterator {
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// The UID of the stream: a stream that is created again under the same name refuses the iterator.
    pub stream_uid: String,
    /// The name of the stream, for look-ups and messages.
    pub stream_name: String,
    /// The shard.
    pub shard: ShardId,
    /// The position in the shard.
    pub position: IteratorPosition,
}

/// The position of an iterator in a shard. The group resolves LATEST and a timestamp to an offset when the iterator is
/// created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IteratorPosition {
    /// The oldest record.
    TrimHorizon,
    /// The record with this offset.
    Offset(u64),
}

impl From<IteratorPosition> for Position {
    fn from(position: IteratorPosition) -> Self {
        match position {
            IteratorPosition::TrimHorizon => Self::TrimHorizon,
            IteratorPosition::Offset(offset) => Self::Offset(offset),
        }
    }
}

/// Why an iterator cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidIterator {
    /// It was not sealed with one of the keys.
    Foreign,
    /// It is older than [`LIFETIME_MS`].
    Expired {
        /// When it was created, in milliseconds since 1970.
        created_ms: u64,
    },
}

impl ShardIterator {
    /// Seals the iterator as text, a different one at every call. `None` if it cannot be serialized, which does not
    /// happen.
    #[must_use]
    pub fn seal(&self, keys: &TokenKeys) -> Option<String> {
        keys.seal(Purpose::Iterator, self)
    }

    /// Opens the iterator of a request. As in AWS, it may be in double quotes.
    ///
    /// # Errors
    /// If it was not sealed with one of the keys, or has expired at `now_ms`.
    pub fn open(text: &str, keys: &TokenKeys, now_ms: u64) -> Result<Self, InvalidIterator> {
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let iterator: Self = keys.open(Purpose::Iterator, text).ok_or(InvalidIterator::Foreign)?;
        if now_ms.saturating_sub(iterator.created_ms) > LIFETIME_MS {
            return Err(InvalidIterator::Expired { created_ms: iterator.created_ms });
        }
        Ok(iterator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_790_000_000_000;

    fn keys(seed: u8) -> TokenKeys {
        TokenKeys::new(&[seed; 32], None).unwrap()
    }

    fn iterator(stream_name: &str) -> ShardIterator {
        ShardIterator {
            created_ms: NOW_MS,
            stream_uid: "0d1e2f3a-4b5c-6d7e-8f90-a1b2c3d4e5f6".into(),
            stream_name: stream_name.into(),
            shard: ShardId::new(i32::MAX as u32).unwrap(),
            position: IteratorPosition::Offset(u64::MAX),
        }
    }

    #[test]
    fn iterator_round_trips_and_differs_at_every_call() {
        let (first, second) = (iterator("s").seal(&keys(1)).unwrap(), iterator("s").seal(&keys(1)).unwrap());
        assert_ne!(first, second);
        assert_eq!(ShardIterator::open(&first, &keys(1), NOW_MS), Ok(iterator("s")));
    }

    #[test]
    fn iterator_of_the_longest_name_fits_512_characters() {
        let text = iterator(&"n".repeat(128)).seal(&keys(1)).unwrap();
        assert!(text.len() <= 512, "{}", text.len());
    }

    #[test]
    fn iterator_has_the_prefix_and_block_size_of_aws() {
        let bytes = base64_simd::STANDARD.decode_to_vec(iterator("s").seal(&keys(1)).unwrap()).unwrap();
        assert_eq!(bytes[..8], [0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!((bytes.len() - 8) % 16, 0);
    }

    #[test]
    fn surrounding_quotes_are_tolerated() {
        let text = format!("\"{}\"", iterator("s").seal(&keys(1)).unwrap());
        assert!(ShardIterator::open(&text, &keys(1), NOW_MS).is_ok());
    }

    #[test]
    fn iterator_expires_after_five_minutes() {
        let text = iterator("s").seal(&keys(1)).unwrap();
        assert!(ShardIterator::open(&text, &keys(1), NOW_MS + LIFETIME_MS).is_ok());
        let late = ShardIterator::open(&text, &keys(1), NOW_MS + LIFETIME_MS + 1);
        assert_eq!(late, Err(InvalidIterator::Expired { created_ms: NOW_MS }));
    }

    #[test]
    fn iterator_of_the_previous_key_is_accepted_and_one_of_another_key_is_not() {
        let text = iterator("s").seal(&keys(1)).unwrap();
        let changed = TokenKeys::new(&[2; 32], Some(&[1; 32])).unwrap();
        assert!(ShardIterator::open(&text, &changed, NOW_MS).is_ok());
        assert_eq!(ShardIterator::open(&text, &keys(2), NOW_MS), Err(InvalidIterator::Foreign));
    }

    #[test]
    fn any_other_text_is_foreign() {
        for text in ["", "\"", "AAAA", "not base64!", "AAAAAAAAAAE="] {
            assert_eq!(ShardIterator::open(text, &keys(1), NOW_MS), Err(InvalidIterator::Foreign), "{text}");
        }
    }
}
