//! Hash keys: the 128-bit ring on which partition keys fall and of which every shard owns a range.

use std::fmt;
use std::str::FromStr;

use md5::{Digest, Md5};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point on the ring, 0 to 2^128 - 1. Written in decimal, as the Kinesis API does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKey(pub u128);

impl HashKey {
    /// The least hash key.
    pub const MIN: Self = Self(0);
    /// The greatest hash key, 340282366920938463463374607431768211455.
    pub const MAX: Self = Self(u128::MAX);

    /// Where a partition key falls: the MD5 of its UTF-8 bytes, read as a big-endian integer (AWS API
    /// reference, PutRecord).
    #[must_use]
    pub fn of_partition_key(partition_key: &str) -> Self {
        Self(u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into()))
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The text is not a decimal integer in [0, 2^128 - 1], or has a sign or leading zeros.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a hash key: a decimal integer from 0 to 2^128-1 with no leading zeros")]
pub struct InvalidHashKey(String);

impl FromStr for HashKey {
    type Err = InvalidHashKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
        let canonical = text == "0" || !text.starts_with('0');
        match text.parse() {
            Ok(value) if digits_only && canonical => Ok(Self(value)),
            _ => Err(InvalidHashKey(text.into())),
        }
    }
}

impl Serialize for HashKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HashKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A range of the ring, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HashKeyRange {
    /// The first hash key of the range.
    pub start: HashKey,
    /// The last hash key of the range, never below `start`.
    pub end: HashKey,
}

impl HashKeyRange {
    /// Whether the key falls into this range.
    #[must_use]
    pub fn contains(&self, key: HashKey) -> bool {
        self.start <= key && key <= self.end
    }

    /// Splits the ring into `count` ranges as AWS does: each floor(2^128 / count) wide, the last one up to the end of
    /// the ring.
    ///
    /// # Panics
    /// If `count` is zero: every stream has a shard.
    #[must_use]
    pub fn uniform(count: u32) -> Vec<Self> {
        assert!(count > 0, "the ring has at least one range");
        if count == 1 {
            return vec![Self { start: HashKey::MIN, end: HashKey::MAX }];
        }
        let count = u128::from(count);
        // floor(2^128 / count). 2^128 does not fit a u128: divide 2^128 - 1, and add one where count divides 2^128.
        let width = u128::MAX / count + u128::from(count.is_power_of_two());
        (0..count)
            .map(|index| Self {
                start: HashKey(index * width),
                end: if index + 1 == count { HashKey::MAX } else { HashKey((index + 1) * width - 1) },
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn partition_key_hashes_to_its_md5() {
        let key = HashKey::of_partition_key("a");
        assert_eq!(key.0, 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661);
    }

    #[test]
    fn four_uniform_ranges_match_aws() {
        let starts: Vec<_> = HashKeyRange::uniform(4).iter().map(|range| range.start.to_string()).collect();
        assert_eq!(
            starts,
            [
                "0",
                "85070591730234615865843651857942052864",
                "170141183460469231731687303715884105728",
                "255211775190703847597530955573826158592"
            ]
        );
    }

    #[test]
    fn three_uniform_ranges_match_aws() {
        let ranges = HashKeyRange::uniform(3);
        assert_eq!(ranges[0].end.to_string(), "113427455640312821154458202477256070484");
        assert_eq!(ranges[1].end.to_string(), "226854911280625642308916404954512140969");
    }

    #[test]
    fn text_with_sign_or_leading_zero_is_refused() {
        for text in ["", "+1", "-1", "01", "1 ", "340282366920938463463374607431768211456", "x"] {
            assert!(text.parse::<HashKey>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn uniform_ranges_cover_the_ring_once(count in 1u32..2_000, key: u128) {
            let ranges = HashKeyRange::uniform(count);
            prop_assert_eq!(ranges.len(), count as usize);
            prop_assert_eq!(ranges.iter().filter(|range| range.contains(HashKey(key))).count(), 1);
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end.0 + 1 == pair[1].start.0));
        }
    }
}
