//! Blobs: base64 with padding, the standard alphabet, and the words of AWS for what is none.

/// A longer text is not repeated whole in a message.
const MAX_REPEATED_BYTES: usize = 1024;

/// Appends the bytes that a text stands for. False if it is no base64; then some bytes may have been appended.
pub(super) fn decode_append(text: &str, bytes: &mut Vec<u8>) -> bool {
    base64_simd::STANDARD.decode_append(text, bytes).is_ok()
}

/// How many bytes a text stands for if it is base64; of other texts, about as many.
pub(super) fn decoded_bytes(text: &str) -> usize {
    text.len() / 4 * 3
}

/// Why a text is no base64, in the words of AWS (its spelling included).
pub(super) fn fault(text: &str) -> String {
    let length = text.chars().count();
    let reason = if !length.is_multiple_of(4) {
        format!("Base64 encoded length is expected a multiple of 4 bytes but found: {length}")
    } else if let Some(character) = first_wrong_character(text) {
        format!("Invalid Base64 character: '{character}'")
    } else {
        "Invalid last non-pad Base64 character dectected".into()
    };
    let repeated = &text[..text.floor_char_boundary(MAX_REPEATED_BYTES)];
    format!("'{repeated}' can not be converted to a Blob: {reason}")
}

/// The first character that is outside the alphabet, or a padding that something else follows.
fn first_wrong_character(text: &str) -> Option<char> {
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let right = match character {
            '=' => characters.peek().is_none_or(|next| *next == '='),
            _ => character.is_ascii_alphanumeric() || matches!(character, '+' | '/'),
        };
        if !right {
            return Some(character);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_has_the_words_of_aws() {
        for (text, reason) in [
            ("23456", "Base64 encoded length is expected a multiple of 4 bytes but found: 5"),
            ("=+/=", "Invalid Base64 character: '='"),
            ("a-b_", "Invalid Base64 character: '-'"),
            ("+/+=", "Invalid last non-pad Base64 character dectected"),
            ("====", "Invalid last non-pad Base64 character dectected"),
        ] {
            assert!(!decode_append(text, &mut Vec::new()), "{text}");
            assert_eq!(fault(text), format!("'{text}' can not be converted to a Blob: {reason}"));
        }
    }

    #[test]
    fn long_text_is_cut_in_the_message() {
        let fault = fault(&"é".repeat(4001));
        assert!(fault.len() < 1200, "{}", fault.len());
    }
}
