//! The words in which answers are written, whatever their encoding.

/// Writes maps, lists and scalars in the order of the calls. That keys and values alternate, and that what begins also
/// ends, is the caller's to see to.
///
/// Its words are those of the API's types (text, timestamp, blob), not of an encoding. Answers are generic over it, so
/// that an encoding is chosen once an answer, not once a value.
pub(crate) trait Writer: Sized {
    /// A writer whose buffer takes so many bytes before it grows.
    fn with_capacity(bytes: usize) -> Self;

    /// What was written so far.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// What was written.
    fn finish(mut self) -> Vec<u8> {
        std::mem::take(self.buffer())
    }

    /// Begins a map.
    fn begin_map(&mut self);

    /// Ends a map.
    fn end_map(&mut self);

    /// Begins a list.
    fn begin_list(&mut self);

    /// Ends a list.
    fn end_list(&mut self);

    /// A member's name: needs no escapes. Its value comes next.
    fn key(&mut self, name: &'static str);

    /// Any text.
    fn text(&mut self, text: &str);

    /// Something that prints as text that needs no escapes, like a shard id or a sequence number.
    fn plain(&mut self, value: impl std::fmt::Display);

    /// An integer.
    fn integer(&mut self, value: u64);

    /// A truth value.
    fn boolean(&mut self, value: bool);

    /// A time, in milliseconds since 1970.
    fn timestamp_ms(&mut self, ms: i64);

    /// Bytes.
    fn blob(&mut self, bytes: &[u8]);

    /// A member that is a text.
    fn text_member(&mut self, name: &'static str, text: &str) {
        self.key(name);
        self.text(text);
    }

    /// A member that is a text, or absent.
    fn optional_text_member(&mut self, name: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.text_member(name, text);
        }
    }

    /// A member that is an integer.
    fn integer_member(&mut self, name: &'static str, value: impl Into<u64>) {
        self.key(name);
        self.integer(value.into());
    }

    /// A member that is a truth value.
    fn boolean_member(&mut self, name: &'static str, value: bool) {
        self.key(name);
        self.boolean(value);
    }

    /// A member that is a time, in milliseconds since 1970.
    fn timestamp_member(&mut self, name: &'static str, ms: i64) {
        self.key(name);
        self.timestamp_ms(ms);
    }

    /// A member that is a map, whose members are written by a function.
    fn map_member(&mut self, name: &'static str, members: impl FnOnce(&mut Self)) {
        self.key(name);
        self.map(members);
    }

    /// A member that is a list, each element of which is written by a function.
    fn list_member<T>(
        &mut self,
        name: &'static str,
        elements: impl IntoIterator<Item = T>,
        mut element: impl FnMut(&mut Self, T),
    ) {
        self.key(name);
        self.begin_list();
        elements.into_iter().for_each(|value| element(self, value));
        self.end_list();
    }

    /// A map, whose members are written by a function.
    fn map(&mut self, members: impl FnOnce(&mut Self)) {
        self.begin_map();
        members(self);
        self.end_map();
    }
}
