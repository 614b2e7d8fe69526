//! Writes CBOR, value by value, into one buffer.

use std::fmt::{Display, Write};

use minicbor::Encoder;
use minicbor::data::IanaTag;

use crate::writer::Writer;

/// Why writing cannot fail.
const TAKES_EVERY_BYTE: &str = "a Vec takes every byte";

/// Writes maps and lists without lengths, so that nothing is counted before it is written.
#[derive(Debug)]
pub(crate) struct CborWriter {
    encoder: Encoder<Vec<u8>>,
    /// What is printed, whose length is written before it.
    printed: String,
}

impl Writer for CborWriter {
    fn with_capacity(bytes: usize) -> Self {
        Self { encoder: Encoder::new(Vec::with_capacity(bytes)), printed: String::new() }
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        self.encoder.writer_mut()
    }

    fn begin_map(&mut self) {
        self.encoder.begin_map().expect(TAKES_EVERY_BYTE);
    }

    fn end_map(&mut self) {
        self.encoder.end().expect(TAKES_EVERY_BYTE);
    }

    fn begin_list(&mut self) {
        self.encoder.begin_array().expect(TAKES_EVERY_BYTE);
    }

    fn end_list(&mut self) {
        self.encoder.end().expect(TAKES_EVERY_BYTE);
    }

    fn key(&mut self, name: &'static str) {
        self.text(name);
    }

    fn text(&mut self, text: &str) {
        self.encoder.str(text).expect(TAKES_EVERY_BYTE);
    }

    fn plain(&mut self, value: impl Display) {
        self.printed.clear();
        write!(self.printed, "{value}").expect("a String takes every text");
        self.encoder.str(&self.printed).expect(TAKES_EVERY_BYTE);
    }

    fn integer(&mut self, value: u64) {
        self.encoder.u64(value).expect(TAKES_EVERY_BYTE);
    }

    fn boolean(&mut self, value: bool) {
        self.encoder.bool(value).expect(TAKES_EVERY_BYTE);
    }

    /// Integer milliseconds: the SDKs for Java read a floating-point number wrongly.
    fn timestamp_ms(&mut self, ms: i64) {
        self.encoder.tag(IanaTag::Timestamp).and_then(|encoder| encoder.i64(ms)).expect(TAKES_EVERY_BYTE);
    }

    fn blob(&mut self, bytes: &[u8]) {
        self.encoder.bytes(bytes).expect(TAKES_EVERY_BYTE);
    }
}
