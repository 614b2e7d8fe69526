//! The model's patterns, each with the code that matches it whole.

use std::fmt;

/// A regular expression of the model.
#[derive(Clone, Copy)]
pub(crate) struct Pattern {
    /// As AWS prints it in messages: without `^` and `$`, which the model has around some.
    pub(crate) text: &'static str,
    /// Whether a whole text matches.
    pub(crate) matches: fn(&str) -> bool,
}

impl Pattern {
    /// Names of streams and ids of shards.
    pub(crate) const NAME: Self = Self { text: "[a-zA-Z0-9_.-]+", matches: is_name };
    /// ARNs of streams, and of what belongs to one.
    pub(crate) const STREAM_ARN: Self =
        Self { text: r"arn:aws.*:kinesis:.*:\d{12}:stream/\S+", matches: is_stream_arn };
    /// Ids that AWS gives to streams.
    pub(crate) const STREAM_ID: Self = Self { text: "[a-z0-9]{20}-[a-z0-9]{3}", matches: is_stream_id };
    /// Hash keys: integers of at most 39 digits.
    pub(crate) const HASH_KEY: Self =
        Self { text: r"0|([1-9]\d{0,38})", matches: |text| is_integer(text, 39) };
    /// Sequence numbers: integers of at most 129 digits.
    pub(crate) const SEQUENCE_NUMBER: Self =
        Self { text: r"0|([1-9]\d{0,128})", matches: |text| is_integer(text, 129) };
}

impl fmt::Debug for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text)
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn is_integer(text: &str, max_digits: usize) -> bool {
    text == "0"
        || (1..=max_digits).contains(&text.len())
            && !text.starts_with('0')
            && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_stream_id(text: &str) -> bool {
    let lower_alphanumeric = |part: &str| part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'));
    match text.split_once('-') {
        Some((head, tail)) => {
            head.len() == 20 && tail.len() == 3 && lower_alphanumeric(head) && lower_alphanumeric(tail)
        }
        None => false,
    }
}

/// The `.*` of the pattern may hold colons, so that any `:stream/` behind 12 digits may be the one that counts. Takes
/// time in proportion to the text, whatever it is.
fn is_stream_arn(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("arn:aws") else { return false };
    // The first `:kinesis:` leaves the most to the second `.*`, and neither crosses a line's end.
    let Some((partition, rest)) = rest.split_once(":kinesis:") else { return false };
    if partition.contains('\n') {
        return false;
    }
    let line_bytes = rest.find('\n').unwrap_or(rest.len());
    let name_bytes = rest.len() - rest.trim_end_matches(|character: char| !character.is_whitespace()).len();
    rest.match_indices(":stream/").any(|(at, separator)| {
        let name_at = at + separator.len();
        at <= line_bytes
            && ends_with_account(&rest.as_bytes()[..at])
            && name_at < rest.len()
            && rest.len() - name_at <= name_bytes
    })
}

/// Whether a colon and 12 digits are what bytes end with.
fn ends_with_account(bytes: &[u8]) -> bool {
    match bytes.last_chunk::<13>() {
        Some([b':', account @ ..]) => account.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Pattern; 5] =
        [Pattern::NAME, Pattern::STREAM_ARN, Pattern::STREAM_ID, Pattern::HASH_KEY, Pattern::SEQUENCE_NUMBER];

    fn expression(pattern: Pattern) -> regex::Regex {
        // Java's \d is ASCII; the regex crate's is Unicode.
        regex::Regex::new(&format!("^(?:{})$", pattern.text.replace(r"\d", "[0-9]"))).unwrap()
    }

    /// Texts that match, nearly match and do not.
    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            ".{0,8}",
            "[a-zA-Z0-9_.-]{0,40}",
            "0{0,2}[0-9]{0,3}",
            "[0-9]{36,42}",
            "[0-9]{126,132}",
            "[a-z0-9]{19,21}-[a-z0-9]{2,4}",
            "(arn:aws|:kinesis:|:|[0-9]{11,13}|:stream/|\n|é| |a){0,12}",
            "arn:aws(-cn|\n)?(:kinesis:|:kinesis:x){1,2}(us-east-1|):[0-9]{12}:stream/(a|:stream/| |é){0,3}",
        ]
    }

    proptest! {
        #[test]
        fn code_matches_what_the_expression_does(text in texts()) {
            for pattern in ALL {
                prop_assert_eq!((pattern.matches)(&text), expression(pattern).is_match(&text), "{:?}", pattern);
            }
        }
    }
}
