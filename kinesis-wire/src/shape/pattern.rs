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
    /// ARNs of whatever can have tags or a policy.
    pub(crate) const RESOURCE_ARN: Self =
        Self { text: r"arn:aws.*:kinesis:.*:\d{12}:.*(stream|channel|queue)/\S+", matches: is_resource_arn };
    /// ARNs of consumers. The model anchors it at its beginning alone; it must match whole texts all the same.
    pub(crate) const CONSUMER_ARN: Self = Self {
        text: r"^(arn):aws.*:kinesis:.*:\d{12}:.*stream\/[a-zA-Z0-9_.-]+\/consumer\/[a-zA-Z0-9_.-]+:[0-9]+",
        matches: is_consumer_arn,
    };
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

/// Where the shortest text that matches `arn:aws.*:kinesis:.*:\d{12}:` ends, which leaves the most to what follows. As no
/// part of an ARN crosses a line's end, neither does this. Takes time in proportion to the text, whatever it is.
fn head_bytes(text: &str) -> Option<usize> {
    const ACCOUNT_BYTES: usize = ":000000000000:".len();
    let rest = text.strip_prefix("arn:aws")?;
    let (_, rest) = rest.split_once(":kinesis:")?;
    let is_account =
        |bytes: &[u8]| matches!(bytes, [b':', digits @ .., b':'] if digits.iter().all(u8::is_ascii_digit));
    let account_at = rest.as_bytes().windows(ACCOUNT_BYTES).position(is_account)?;
    Some(text.len() - rest.len() + account_at + ACCOUNT_BYTES)
}

/// Whether a text has a kind and a slash behind its head, and behind them a name without white space to its end.
fn has_name(text: &str, head_bytes: usize, kind: &str) -> bool {
    let name_bytes = text.len() - text.trim_end_matches(|character: char| !character.is_whitespace()).len();
    text.match_indices(kind).any(|(at, _)| {
        let name_at = at + kind.len();
        at >= head_bytes && name_at < text.len() && text.len() - name_at <= name_bytes
    })
}

fn is_resource_arn(text: &str) -> bool {
    !text.contains('\n')
        && head_bytes(text).is_some_and(|head| {
            ["stream/", "channel/", "queue/"].iter().any(|kind| has_name(text, head, kind))
        })
}

/// Names hold no slashes and no colons, so that the last ones are those that count.
fn is_consumer_arn(text: &str) -> bool {
    let parts = || {
        let (rest, creation) = text.rsplit_once(':')?;
        let (rest, consumer) = rest.rsplit_once("/consumer/")?;
        let (head, stream) = rest.rsplit_once("stream/")?;
        Some((head, stream, consumer, creation))
    };
    parts().is_some_and(|(head, stream, consumer, creation)| {
        !head.contains('\n')
            && head_bytes(head).is_some()
            && is_name(stream)
            && is_name(consumer)
            && !creation.is_empty()
            && creation.bytes().all(|byte| byte.is_ascii_digit())
    })
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

    const ALL: [Pattern; 7] = [
        Pattern::NAME,
        Pattern::STREAM_ARN,
        Pattern::RESOURCE_ARN,
        Pattern::CONSUMER_ARN,
        Pattern::STREAM_ID,
        Pattern::HASH_KEY,
        Pattern::SEQUENCE_NUMBER,
    ];

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
            "arn:aws(|-cn|\n):kinesis:(us-east-1|:|\n){0,2}:[0-9]{12}:(x|:|\n| ){0,2}(stream|channel|queue|topic)/(a|/| |é|stream/){0,3}",
            "arn:aws:kinesis:us-east-1:[0-9]{11,13}:(x|stream/|:|\n){0,2}stream/[a-c/:]{0,3}/consumer/[a-c/:]{0,3}(:[0-9]{0,3}){0,2}",
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
