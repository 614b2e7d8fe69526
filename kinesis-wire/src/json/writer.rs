//! Writes JSON, value by value, into one buffer.

use std::fmt::{self, Display, Write};

use crate::writer::Writer;

/// Writes compact JSON: it sets the commas between values, and no space.
#[derive(Debug, Default)]
pub(crate) struct JsonWriter {
    out: Vec<u8>,
    follows_value: bool,
}

impl Writer for JsonWriter {
    fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes), follows_value: false }
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    fn begin_map(&mut self) {
        self.begin(b'{');
    }

    fn end_map(&mut self) {
        self.end(b'}');
    }

    fn begin_list(&mut self) {
        self.begin(b'[');
    }

    fn end_list(&mut self) {
        self.end(b']');
    }

    fn key(&mut self, name: &'static str) {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.follows_value = false;
    }

    fn text(&mut self, text: &str) {
        self.comma();
        serde_json::to_writer(&mut self.out, text).expect("a Vec takes every byte");
    }

    fn plain(&mut self, value: impl Display) {
        self.comma();
        self.out.push(b'"');
        write!(Out(&mut self.out), "{value}").expect("a Vec takes every byte");
        self.out.push(b'"');
    }

    fn integer(&mut self, value: u64) {
        self.comma();
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn boolean(&mut self, value: bool) {
        self.comma();
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// Seconds, always with three decimals.
    fn timestamp_ms(&mut self, ms: i64) {
        self.comma();
        if ms < 0 {
            self.out.push(b'-');
        }
        let (seconds, rest) = (ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000);
        self.out.extend_from_slice(itoa::Buffer::new().format(seconds).as_bytes());
        self.out.push(b'.');
        self.out.extend([100, 10, 1].map(|unit| b'0' + (rest / unit % 10) as u8));
    }

    /// Base64.
    fn blob(&mut self, bytes: &[u8]) {
        self.comma();
        self.out.push(b'"');
        base64_simd::STANDARD.encode_append(bytes, &mut self.out);
        self.out.push(b'"');
    }
}

impl JsonWriter {
    fn begin(&mut self, bracket: u8) {
        self.comma();
        self.out.push(bracket);
        self.follows_value = false;
    }

    fn end(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.follows_value = true;
    }

    fn comma(&mut self) {
        if self.follows_value {
            self.out.push(b',');
        }
        self.follows_value = true;
    }
}

/// Takes text more quickly than `io::Write` of a Vec of bytes does.
struct Out<'a>(&'a mut Vec<u8>);

impl Write for Out<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_stand_between_values_only() {
        let mut writer = JsonWriter::default();
        writer.begin_map();
        writer.key("A");
        writer.begin_list();
        writer.integer(1);
        writer.begin_map();
        writer.end_map();
        writer.boolean(true);
        writer.end_list();
        writer.key("B");
        writer.text("a\"\u{1}\n/é");
        writer.end_map();
        let written = String::from_utf8(writer.out).unwrap();
        assert_eq!(written, r#"{"A":[1,{},true],"B":"a\"\u0001\n/é"}"#);
    }

    #[test]
    fn timestamp_has_three_decimals() {
        for (ms, expected) in [(1_459_799_926_480, "1459799926.480"), (5, "0.005"), (-1_500, "-1.500")] {
            let mut writer = JsonWriter::default();
            writer.timestamp_ms(ms);
            assert_eq!(writer.out, expected.as_bytes());
        }
    }
}
