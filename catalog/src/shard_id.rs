//! Shard ids: `shardId-000000000004`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The index of a shard in its stream, 0 to 2^31 - 1. Indexes are assigned in order and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(u32);

impl ShardId {
    const MAX_INDEX: u32 = i32::MAX as u32;
    /// The shard with index 0.
    pub const FIRST: Self = Self(0);

    /// The id of the shard with this index; `None` above 2^31 - 1.
    #[must_use]
    pub fn new(index: u32) -> Option<Self> {
        (index <= Self::MAX_INDEX).then_some(Self(index))
    }

    /// The shard's index in its stream.
    #[must_use]
    pub fn index(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every answer to a put has one a record: padding by the formatter goes digit by digit.
        let mut text = *b"shardId-000000000000";
        let mut rest = self.0;
        for digit in text.iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        formatter.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// The part after the hyphen is not a number from 0 to 2147483647.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a shard id: shardId- and a number from 0 to 2147483647")]
pub struct InvalidShardId(String);

impl FromStr for ShardId {
    type Err = InvalidShardId;

    /// Takes what AWS takes in requests: `shardId-000000000000`, `shardId-0`, `x-0` and `0` are the same shard.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.split_once('-').map_or(text, |(_, digits)| digits);
        let invalid = || InvalidShardId(text.into());
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        digits.parse().ok().and_then(Self::new).ok_or_else(invalid)
    }
}

impl Serialize for ShardId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ShardId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_that_aws_accepts_is_the_same_shard() {
        for text in ["shardId-000000000007", "shardId-7", "7", "x-7", "shardId-0000000000000000000007"] {
            assert_eq!(text.parse::<ShardId>().unwrap().to_string(), "shardId-000000000007", "{text}");
        }
    }

    #[test]
    fn text_has_twelve_digits() {
        for index in [0, 9, 10, 305, ShardId::MAX_INDEX] {
            assert_eq!(ShardId(index).to_string(), format!("shardId-{index:012}"));
        }
    }

    #[test]
    fn text_without_an_index_is_refused() {
        for text in ["", "shardId-", "shardId-+1", "shardId-2147483648", "shardId-a", "shardId-1-1"] {
            assert!(text.parse::<ShardId>().is_err(), "{text}");
        }
    }
}
