//! Sequence numbers in the layout of AWS, so that a parser of AWS's numbers parses ours.
//!
//! A number is 47 hexadecimal digits (188 bits), printed as a decimal of 56 digits (the first two are 49 until
//! 2055):
//!
//! ```text
//! digits  1  9               1              16       2   9                8            1
//!         2  create seconds  index mod 16   counter  00  arrival seconds  shard index  2
//! ```
//!
//! "Create seconds" are the shard's, "arrival seconds" the record's, both since 1970. The counter is the
//! record's offset in its shard, from 1; 0 is the shard's start and 7fffffffffffffff the end of a closed one.

use std::fmt;
use std::str::FromStr;

use crate::ShardId;

/// The position of one record in one shard.
///
/// Numbers of one shard are ordered by counter. A child shard is created later, so its numbers are above those of its
/// parents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber {
    /// When the shard was created, in seconds since 1970; less than 2^36.
    pub create_seconds: u64,
    /// The shard.
    pub shard: ShardId,
    /// The record's offset in the shard, from 1.
    pub counter: u64,
    /// When the record arrived, in seconds since 1970; less than 2^36.
    pub arrival_seconds: u64,
}

/// The text is not a sequence number in the layout that is served (AWS's version 2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a sequence number")]
pub struct InvalidSequenceNumber(String);

const SECONDS_BITS: u32 = 36;
const VERSION: u128 = 2;
/// Base of a decimal limb: 10^19 is the largest power of ten in 64 bits.
const DECIMAL_LIMB: u64 = 10_000_000_000_000_000_000;
const DECIMAL_LIMB_DIGITS: usize = 19;

impl SequenceNumber {
    /// The counter in the EndingSequenceNumber of a closed shard.
    pub const ENDING_COUNTER: u64 = i64::MAX as u64;
    /// How many decimal digits a sequence number has.
    pub const DIGITS: usize = 56;

    /// The StartingSequenceNumber of a shard: below every record's.
    #[must_use]
    pub fn starting(shard: ShardId, create_seconds: u64) -> Self {
        Self { create_seconds, shard, counter: 0, arrival_seconds: create_seconds }
    }

    /// The 188 bits of the number: the upper 60 and the lower 128.
    fn bits(self) -> (u64, u128) {
        let index = u128::from(self.shard.index());
        let create = u128::from(self.create_seconds);
        let counter = u128::from(self.counter);
        // From the right: version 4 bits, index 32, arrival 36, zeros 8, counter 64, index mod 16 4, create 36, 2.
        let low = VERSION | index << 4 | u128::from(self.arrival_seconds) << 36 | counter << 80;
        let high = counter >> 48 | (index & 15) << 16 | create << 20 | 2 << 56;
        (high as u64, low)
    }

    fn from_bits(high: u64, low: u128) -> Option<Self> {
        let seconds = |value: u128| (value & ((1 << SECONDS_BITS) - 1)) as u64;
        let shard = ShardId::new((low >> 4) as u32)?;
        let number = Self {
            create_seconds: seconds(u128::from(high) >> 20),
            shard,
            counter: (low >> 80) as u64 | (high & 0xffff) << 48,
            arrival_seconds: seconds(low >> 36),
        };
        // The bits that are in no field (version, zeros, the leading 2, index mod 16) must be the ones we write.
        (number.bits() == (high, low)).then_some(number)
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (high, low) = self.bits();
        let mut limbs = [high, (low >> 64) as u64, low as u64];
        let mut digits = [b'0'; DECIMAL_LIMB_DIGITS * 3];
        for chunk in digits.rchunks_mut(DECIMAL_LIMB_DIGITS) {
            let mut rest = divide(&mut limbs, DECIMAL_LIMB);
            for digit in chunk.iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        let text = std::str::from_utf8(&digits[digits.len() - Self::DIGITS..]).map_err(|_| fmt::Error)?;
        formatter.write_str(text)
    }
}

/// Divides a number in place, its most significant limb first, and returns the remainder.
fn divide(limbs: &mut [u64; 3], divisor: u64) -> u64 {
    let mut rest = 0u128;
    for limb in limbs {
        let part = rest << 64 | u128::from(*limb);
        *limb = (part / u128::from(divisor)) as u64;
        rest = part % u128::from(divisor);
    }
    rest as u64
}

impl FromStr for SequenceNumber {
    type Err = InvalidSequenceNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidSequenceNumber(text.into());
        if text.len() != Self::DIGITS || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        // 56 decimal digits are less than 2^187, so the upper limb never overflows.
        let (mut high, mut low) = (0u128, 0u128);
        for digit in text.bytes() {
            let lower = (low & u128::from(u64::MAX)) * 10 + u128::from(digit - b'0');
            let upper = (low >> 64) * 10 + (lower >> 64);
            low = upper << 64 | lower & u128::from(u64::MAX);
            high = high * 10 + (upper >> 64);
        }
        u64::try_from(high).ok().and_then(|high| Self::from_bits(high, low)).ok_or_else(invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_recorded_from_aws_round_trip() {
        // Printed in the AWS API reference and developer guide.
        let recorded = [
            ("49546986683135544286507457936321625675700192471156785154", 0x54b6_fffe, 0, 0x1d5, 0x54b7_009a),
            (
                "49590338271490256608559692538361571095921575989136588898",
                0x5bf4_e5c2,
                6,
                0x6764_8a17,
                0x5c18_1eea,
            ),
        ];
        for (text, create_seconds, index, counter, arrival_seconds) in recorded {
            let shard = ShardId::new(index).unwrap();
            let number = SequenceNumber { create_seconds, shard, counter, arrival_seconds };
            assert_eq!(text.parse(), Ok(number));
            assert_eq!(number.to_string(), text);
        }
    }

    fn start_of(index: u32) -> SequenceNumber {
        SequenceNumber::starting(ShardId::new(index).unwrap(), 1_700_000_000)
    }

    #[test]
    fn ending_number_is_above_every_record() {
        let record = SequenceNumber { counter: 9, arrival_seconds: 1 << 35, ..start_of(3) };
        let ending = SequenceNumber { counter: SequenceNumber::ENDING_COUNTER, ..start_of(3) };
        assert!(record.to_string() < ending.to_string());
    }

    #[test]
    fn text_in_another_layout_is_refused() {
        for text in ["", "0", "49", "-1", "99999999999999999999999999999999999999999999999999999999"] {
            assert!(text.parse::<SequenceNumber>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_has_56_digits_and_round_trips(
            create_seconds in 1_000_000_000u64..4_000_000_000,
            index in 0u32..=i32::MAX as u32,
            counter in 0u64..=SequenceNumber::ENDING_COUNTER,
            arrival_seconds in 0u64..1 << 36,
        ) {
            let number = SequenceNumber { create_seconds, shard: ShardId::new(index).unwrap(), counter, arrival_seconds };
            let text = number.to_string();
            prop_assert_eq!(text.len(), SequenceNumber::DIGITS);
            prop_assert_eq!(text.parse::<SequenceNumber>().unwrap(), number);
        }

        #[test]
        fn order_of_texts_is_order_of_counters(counter in 1u64..1 << 40, arrivals: [u32; 2]) {
            let at = |counter, arrival: u32| SequenceNumber { counter, arrival_seconds: arrival.into(), ..start_of(5) };
            prop_assert!(at(counter, arrivals[0]).to_string() < at(counter + 1, arrivals[1]).to_string());
        }
    }
}
