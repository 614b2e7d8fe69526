//! NextTokens: where a walk over shards or streams goes on.

use catalog::ShardId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::keys::{Purpose, TokenKeys};
use crate::gateway::shard_filter::ShardFilter;

/// How long a NextToken may be used (AWS API reference, ListShards).
const LIFETIME_MS: u64 = 300_000;

/// Where a ListShards walk goes on. It carries what the first call saw, so that all pages are one snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardPage {
    /// When the page before was answered, in milliseconds since 1970.
    pub created_ms: u64,
    /// The stream by what is unique for ever.
    pub stream_uid: String,
    /// The stream by name.
    pub stream_name: String,
    /// The newest shard that the walk's first call saw: none after it belongs to the walk.
    pub newest: ShardId,
    /// The last shard of the page before.
    pub after: ShardId,
    /// Which shards the walk gives.
    pub filter: ShardFilter,
}

/// Where a ListStreams walk goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPage {
    /// When the page before was answered, in milliseconds since 1970.
    pub created_ms: u64,
    /// The last name of the page before.
    pub after: String,
}

/// Why a NextToken cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidPage {
    /// It was not made here, or not by these keys.
    Foreign,
    /// It is too old.
    Expired,
}

impl ShardPage {
    /// The token as a client carries it.
    #[must_use]
    pub fn seal(&self, keys: &TokenKeys) -> Option<String> {
        keys.seal(Purpose::ShardPage, self)
    }

    /// Reads what a client brings back.
    ///
    /// # Errors
    /// If it is none of ours or has expired at `now_ms`.
    pub fn open(token: &str, keys: &TokenKeys, now_ms: u64) -> Result<Self, InvalidPage> {
        open(Purpose::ShardPage, token, keys, now_ms, |page: &Self| page.created_ms)
    }
}

impl StreamPage {
    /// The token as a client carries it.
    #[must_use]
    pub fn seal(&self, keys: &TokenKeys) -> Option<String> {
        keys.seal(Purpose::StreamPage, self)
    }

    /// Reads what a client brings back.
    ///
    /// # Errors
    /// If it is none of ours or has expired at `now_ms`.
    pub fn open(token: &str, keys: &TokenKeys, now_ms: u64) -> Result<Self, InvalidPage> {
        open(Purpose::StreamPage, token, keys, now_ms, |page: &Self| page.created_ms)
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
