//! The query of a request: decoded pairs, and text escaped as signatures want it.

/// A name and its value, decoded. They need not be text.
pub type Pair = (Vec<u8>, Vec<u8>);

/// The pairs of a query. As in forms, `+` is a space; what is no escape stands for itself.
pub fn pairs(query: &str) -> Vec<Pair> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let [first, behind @ ..] = rest {
        let escaped = match (first, behind) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        let (byte, behind) = match escaped {
            Some((high, low)) => (high << 4 | low, &behind[2..]),
            None if *first == b'+' => (b' ', behind),
            None => (*first, behind),
        };
        decoded.push(byte);
        rest = behind;
    }
    decoded
}

fn digit(hex: u8) -> Option<u8> {
    (hex as char).to_digit(16).map(|digit| digit as u8)
}

/// Appends bytes with everything escaped but the unreserved characters of RFC 3986 and `kept`.
pub fn escape(bytes: &[u8], kept: &[u8], to: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
            to.push(byte);
        } else {
            to.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_as_a_form_is() {
        let pair = |name: &[u8], value: &[u8]| (name.to_vec(), value.to_vec());
        assert_eq!(pairs(""), []);
        assert_eq!(
            pairs("a=1&&b&c=x=y&%2f%2F=%C3+%&d=%4"),
            [
                pair(b"a", b"1"),
                pair(b"b", b""),
                pair(b"c", b"x=y"),
                pair(b"//", b"\xc3 %"),
                pair(b"d", b"%4")
            ]
        );
    }

    #[test]
    fn everything_but_the_unreserved_is_escaped_in_capitals() {
        let mut escaped = Vec::new();
        escape(b"aZ09-._~/ *\xff", b"/", &mut escaped);
        assert_eq!(escaped, b"aZ09-._~/%20%2A%FF");
    }
}
