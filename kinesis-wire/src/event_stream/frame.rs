//! The bytes of a frame (<https://smithy.io/2.0/aws/amazon-eventstream.html>). Integers are big-endian.
//!
//! ```text
//! u32 bytes of the frame | u32 bytes of the headers | u32 CRC-32 of these eight bytes
//! headers, each: u8 bytes of the name | the name | 7: a text | u16 bytes of the text | the text
//! payload
//! u32 CRC-32 of all before it
//! ```

/// The two lengths and their checksum.
const PRELUDE_BYTES: usize = 12;

/// A header whose value is a text.
const TEXT: u8 = 7;

/// A frame under way: its head is written, and whatever follows is its payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    headers_bytes: usize,
}

impl Frame {
    /// Writes the head of a frame into an empty buffer. Names and values are short.
    pub(super) fn begin(headers: &[(&str, &str)], bytes: &mut Vec<u8>) -> Self {
        debug_assert!(bytes.is_empty(), "a frame begins its buffer");
        bytes.resize(PRELUDE_BYTES, 0);
        for (name, value) in headers {
            bytes.push(u8::try_from(name.len()).expect("names are short"));
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(TEXT);
            bytes.extend(u16::try_from(value.len()).expect("values are short").to_be_bytes());
            bytes.extend_from_slice(value.as_bytes());
        }
        Self { headers_bytes: bytes.len() - PRELUDE_BYTES }
    }

    /// Ends the frame behind its payload.
    pub(super) fn end(self, bytes: &mut Vec<u8>) {
        let length = |bytes: usize| u32::try_from(bytes).expect("a frame is far below 4 GiB").to_be_bytes();
        let whole_bytes = bytes.len() + size_of::<u32>();
        bytes[..4].copy_from_slice(&length(whole_bytes));
        bytes[4..8].copy_from_slice(&length(self.headers_bytes));
        let prelude_sum = crc32fast::hash(&bytes[..8]);
        bytes[8..PRELUDE_BYTES].copy_from_slice(&prelude_sum.to_be_bytes());
        let sum = crc32fast::hash(bytes);
        bytes.extend(sum.to_be_bytes());
    }
}
