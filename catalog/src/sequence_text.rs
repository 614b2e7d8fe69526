//! Formats many sequence numbers quickly: the next number of a shard is the last one plus a constant, and adding
//! decimal digits is faster than printing 188 bits.

use std::collections::BTreeMap;
use std::fmt;

use crate::{SequenceNumber, ShardId};

/// The digits of a sequence number: one per byte, 8 per word, the first digit in the most significant byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceText([u64; WORDS]);

const WORDS: usize = SequenceNumber::DIGITS / 8;

/// The difference between the numbers of two successive counters: 2^80, see [`SequenceNumber`].
const STEP: [u64; WORDS] = {
    let mut rest: u128 = 1 << 80;
    let mut words = [0; WORDS];
    let mut digit = 0;
    while digit < SequenceNumber::DIGITS {
        words[WORDS - 1 - digit / 8] |= ((rest % 10) as u64) << (8 * (digit % 8));
        rest /= 10;
        digit += 1;
    }
    words
};

const EACH_BYTE: u64 = 0x0101_0101_0101_0101;

impl SequenceText {
    fn of(number: SequenceNumber) -> Self {
        let mut words = [0; WORDS];
        for (at, digit) in number.to_string().bytes().enumerate() {
            words[at / 8] = words[at / 8] << 8 | u64::from(digit - b'0');
        }
        Self(words)
    }

    /// Turns it into the text of the number with the next counter.
    fn advance(&mut self) {
        let mut carry = 0;
        for (word, step) in self.0.iter_mut().zip(STEP).rev() {
            // With 0xf6 added, a byte overflows into the next one exactly if its digits sum to ten or more.
            let (sum, first) = word.overflowing_add(step + EACH_BYTE * 0xf6);
            let (sum, second) = sum.overflowing_add(carry);
            carry = u64::from(first || second);
            // A byte that did not overflow still contains the 0xf6; its highest bit is set. Take it off again.
            *word = sum - (sum >> 7 & EACH_BYTE) * 0xf6;
        }
    }
}

impl fmt::Display for SequenceText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; SequenceNumber::DIGITS];
        for (bytes, word) in text.chunks_exact_mut(8).zip(self.0) {
            bytes.copy_from_slice(&(word + EACH_BYTE * u64::from(b'0')).to_be_bytes());
        }
        formatter.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Formats numbers, quickly where a number follows the last one of its shard.
#[derive(Clone, Debug, Default)]
pub struct SequenceTexts {
    last: BTreeMap<ShardId, (SequenceNumber, SequenceText)>,
}

impl SequenceTexts {
    /// The text of a number.
    pub fn text(&mut self, number: SequenceNumber) -> SequenceText {
        if let Some((last, text)) = self.last.get_mut(&number.shard)
            && number == (SequenceNumber { counter: last.counter.saturating_add(1), ..*last })
        {
            *last = number;
            text.advance();
            return *text;
        }
        let text = SequenceText::of(number);
        self.last.insert(number.shard, (number, text));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_equals_the_printed_number_whether_it_follows_or_jumps(
            create_seconds in 1_000_000_000u64..4_000_000_000,
            first in 0u64..SequenceNumber::ENDING_COUNTER - 100,
            jumps in proptest::collection::vec((0u32..3, 0u64..3, 0u64..2), 1..60),
        ) {
            let mut texts = SequenceTexts::default();
            let (mut counter, mut arrival_seconds) = (first, 1_700_000_000);
            for (index, further, later) in jumps {
                counter += further;
                arrival_seconds += later;
                let shard = ShardId::new(index).unwrap();
                let number = SequenceNumber { create_seconds, shard, counter, arrival_seconds };
                prop_assert_eq!(texts.text(number).to_string(), number.to_string());
            }
        }
    }

    #[test]
    fn carry_propagates_through_all_digits() {
        let shard = ShardId::new(7).unwrap();
        let mut texts = SequenceTexts::default();
        for counter in [1, 999_999, u64::from(u32::MAX), 1 << 62] {
            for counter in counter..counter + 2_000 {
                let number = SequenceNumber {
                    create_seconds: 1_700_000_000,
                    shard,
                    counter,
                    arrival_seconds: 1_700_000_000,
                };
                assert_eq!(texts.text(number).to_string(), number.to_string());
            }
        }
    }
}
