//! The canonical request, the text over which a signature is made.
//!
//! ```text
//! POST                             method
//! /                                path, without empty and dot segments, escaped once more than it was sent
//! a=1&b=2                          query, its pairs decoded, escaped and sorted, without the signature
//! host:localhost:4567              signed headers: a line each, in the order of the list
//! x-amz-date:20261128T120000Z
//!
//! host;x-amz-date                  the list of signed headers
//! 44136fa355b3678a...              SHA-256 of the body
//! ```

use super::head::Head;
use super::query::{Pair, escape};

/// A request's canonical text up to the body's hash.
pub fn canonical_head(head: &Head<'_>, pairs: &[Pair], signed_headers: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(1024);
    text.extend(head.method.as_bytes());
    text.push(b'\n');
    write_path(head.path, &mut text);
    text.push(b'\n');
    write_query(pairs, &mut text);
    text.push(b'\n');
    for name in signed_headers.split(';') {
        write_header(head, name, &mut text);
    }
    text.push(b'\n');
    text.extend(signed_headers.as_bytes());
    text.push(b'\n');
    text
}

/// The name of the query's parameter that holds the signature and so is not signed.
const SIGNATURE: &[u8] = b"X-Amz-Signature";

fn write_path(path: &str, text: &mut Vec<u8>) {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    for segment in &segments {
        text.push(b'/');
        escape(segment.as_bytes(), b"", text);
    }
    let is_directory = ["/", "/.", "/.."].iter().any(|end| path.ends_with(end));
    if segments.is_empty() || is_directory {
        text.push(b'/');
    }
}

fn write_query(pairs: &[Pair], text: &mut Vec<u8>) {
    let escaped = |bytes: &[u8]| {
        let mut escaped = Vec::with_capacity(bytes.len());
        escape(bytes, b"", &mut escaped);
        escaped
    };
    let signed = pairs.iter().filter(|(name, _)| name != SIGNATURE);
    let mut signed: Vec<_> = signed.map(|(name, value)| (escaped(name), escaped(value))).collect();
    signed.sort_unstable();
    for (index, (name, value)) in signed.into_iter().enumerate() {
        if index > 0 {
            text.push(b'&');
        }
        text.extend(name);
        text.push(b'=');
        text.extend(value);
    }
}

/// A signed header that the request does not have gets no line, so that no signature can fit.
fn write_header(head: &Head<'_>, name: &str, text: &mut Vec<u8>) {
    let values = head.values(name);
    for (index, value) in values.iter().enumerate() {
        if index == 0 {
            text.extend(name.as_bytes());
        }
        text.push(if index == 0 { b':' } else { b',' });
        write_collapsed(value, text);
    }
    if !values.is_empty() {
        text.push(b'\n');
    }
}

/// Appends a value trimmed, with one space for each run of them.
fn write_collapsed(value: &[u8], text: &mut Vec<u8>) {
    let words = value.trim_ascii().split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            text.push(b' ');
        }
        text.extend(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::query::pairs;

    fn canonical(path: &str, query: &str, headers: &[(&str, &[u8])], signed: &str) -> String {
        let head = Head { method: "POST", path, query, authority: Some("here:1"), headers };
        String::from_utf8(canonical_head(&head, &pairs(query), signed)).unwrap()
    }

    #[test]
    fn path_has_no_dots_and_is_escaped_once_more() {
        for (sent, signed) in [
            ("", "/"),
            ("/", "/"),
            ("/a//b", "/a/b"),
            ("/a/./b/..", "/a/"),
            ("/../a/.", "/a/"),
            ("/a/", "/a/"),
            ("/a%20b/~", "/a%2520b/~"),
        ] {
            assert_eq!(
                canonical(sent, "", &[], "host"),
                format!("POST\n{signed}\n\nhost:here:1\n\nhost\n"),
                "{sent}"
            );
        }
    }

    #[test]
    fn query_is_sorted_as_it_is_escaped_and_lacks_the_signature() {
        let query = "b=2&a=%7e+%2f&X-Amz-Signature=00&a=&c&a%2B=";
        assert_eq!(
            canonical("/", query, &[], "host"),
            "POST\n/\na=&a=~%20%2F&a%2B=&b=2&c=\nhost:here:1\n\nhost\n"
        );
    }

    #[test]
    fn values_of_a_header_are_collapsed_and_joined() {
        let headers: [(&str, &[u8]); 3] = [("a", b"  x   y "), ("b", b""), ("a", b"z")];
        assert_eq!(
            canonical("/", "", &headers, ":authority;a;absent;b"),
            "POST\n/\n\n:authority:here:1\na:x y,z\nb:\n\n:authority;a;absent;b\n"
        );
    }

    #[test]
    fn host_of_a_request_is_its_header_or_else_its_authority() {
        let host: [(&str, &[u8]); 1] = [("host", b"there")];
        assert!(canonical("/", "", &host, "host").contains("\nhost:there\n"));
        assert!(canonical("/", "", &host, ":authority").contains("\n:authority:here:1\n"));
        let head = Head { method: "POST", path: "/", query: "", authority: None, headers: &host };
        let text = String::from_utf8(canonical_head(&head, &[], ":authority")).unwrap();
        assert!(text.contains("\n:authority:there\n"), "{text}");
    }
}
