//! NextTokens: where the next page of a listing of shards, streams or consumers begins.

use catalog::ShardId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::keys::{Purpose, TokenKeys};
use crate::gateway::shard_filter::ShardFilter;

/// How long a NextToken is valid (AWS API reference, ListShards).
const LIFETIME_MS: u64 = 300_000;

/// Where the next page of ListShards begins. It contains what the first call saw, so that all pages are one snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardPage {
    /// When the previous page was answered, in milliseconds since 1970.
    pub created_ms: u64,
    /// The UID of the stream.
    pub stream_uid: String,
    /// The name of the stream.
    pub stream_name: String,
    /// The newest shard that the first call saw. Newer shards are not listed.
    pub newest: ShardId,
    /// The last shard of the previous page.
    pub after: ShardId,
    /// Which shards are listed.
    pub filter: ShardFilter,
}

/// Where the next page of ListStreams begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPage {
    /// When the previous page was answered, in milliseconds since 1970.
    pub created_ms: u64,
    /// The last name of the previous page.
    pub after: String,
}

/// Where the next page of ListStreamConsumers begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerPage {
    /// When the previous page was answered, in milliseconds since 1970.
    pub created_ms: u64,
    /// The UID of the stream.
    pub stream_uid: String,
    /// The last name of the previous page.
    pub after: String,
}

/// Why a NextToken cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidPage {
    /// It was not sealed with one of the keys.
    Foreign,
    /// It has expired.
    Expired,
}

impl ShardPage {
    /// Seals it as text.
    #[must_use]
    pub fn seal(&self, keys: &TokenKeys) -> Option<String> {
        keys.seal(Purpose::ShardPage, self)
    }

    /// Opens the token of a request.
    ///
    /// # Errors
    /// If it was not sealed with one of the keys, or has expired at `now_ms`.
    pub fn open(token: &str, keys: &TokenKeys, now_ms: u64) -> Result<Self, InvalidPage> {
        open(Purpose::ShardPage, token, keys, now_ms, |page: &Self| page.created_ms)
    }
}

impl StreamPage {
    /// Seals it as text.
    #[must_use]
    pub fn seal(&self, keys: &TokenKeys) -> Option<String> {
        keys.seal(Purpose::StreamPage, self)
    }

    /// Opens the token of a request.
    ///
    /// # Errors
    /// If it was not sealed with one of the keys, or has expired at `now_ms`.
    pub fn open(token: &str, keys: &TokenKeys, now_ms: u64) -> Result<Self, InvalidPage> {
        open(Purpose::StreamPage, token, keys, now_ms, |page: &Self| page.created_ms)
    }
}

impl ConsumerPage {
    /// Seals it as text.
    #[must_use]
    pub fn seal(&self, keys: &TokenKeys) -> Option<String> {
        keys.seal(Purpose::ConsumerPage, self)
    }

    /// Opens the token of a request.
    ///
    /// # Errors
    /// If it was not sealed with one of the keys, or has expired at `now_ms`.
    pub fn open(token: &str, keys: &TokenKeys, now_ms: u64) -> Result<Self, InvalidPage> {
        open(Purpose::ConsumerPage, token, keys, now_ms, |page: &Self| page.created_ms)
    }
}

fn open<T: DeserializeOwned>(
    purpose: Purpose,
    token: &str,
    keys: &TokenKeys,
    now_ms: u64,
    created_ms: impl Fn(&T) -> u64,
) -> Result<T, InvalidPage> {
    let page = keys.open(purpose, token).ok_or(InvalidPage::Foreign)?;
    if now_ms.saturating_sub(created_ms(&page)) > LIFETIME_MS { Err(InvalidPage::Expired) } else { Ok(page) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_token_expires_after_five_minutes() {
        let keys = TokenKeys::new(&[1; 32], None).unwrap();
        let page = StreamPage { created_ms: 1_000_000, after: "orders".into() };
        let token = page.seal(&keys).unwrap();
        assert_eq!(StreamPage::open(&token, &keys, 1_300_000), Ok(page));
        assert_eq!(StreamPage::open(&token, &keys, 1_300_001), Err(InvalidPage::Expired));
        assert_eq!(StreamPage::open("AAAA", &keys, 1_000_000), Err(InvalidPage::Foreign));
    }
}
