//! A request's members as a tree, types checked, whatever encoding they came in.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Member, Shape};

/// One value, of the type that its shape wants.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// An integer, cut to 32 bits as AWS does.
    Integer(i32),
    /// A truth value.
    Boolean(bool),
    /// A time, in milliseconds since 1970.
    TimestampMs(i64),
    /// Bytes.
    Blob(Cow<'a, [u8]>),
    /// A list; a null stays where it is, for it breaks a constraint.
    List(Vec<Option<Value<'a>>>),
    /// A map; a null stays where it is, for it breaks a constraint.
    Map(BTreeMap<Cow<'a, str>, Option<Value<'a>>>),
    /// A structure.
    Structure(Members<'a>),
}

/// The members of a structure that are there: unknown ones and nulls are not.
#[derive(Debug, Default)]
pub(crate) struct Members<'a> {
    values: Vec<(&'static str, Value<'a>)>,
}

impl<'a> Members<'a> {
    /// Sets a member, in the place of an earlier one of the same name; None takes that one away.
    pub(crate) fn set(&mut self, member: &'static Member, value: Option<Value<'a>>) {
        self.values.retain(|(name, _)| *name != member.name);
        self.values.extend(value.map(|value| (member.name, value)));
    }

    /// The member with this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.values.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| value)
    }

    fn take(&mut self, name: &str) -> Option<Value<'a>> {
        let index = self.values.iter().position(|(candidate, _)| *candidate == name)?;
        Some(self.values.swap_remove(index).1)
    }

    /// Takes a text out; None if it is not there.
    pub(crate) fn take_text(&mut self, name: &str) -> Option<Cow<'a, str>> {
        match self.take(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Takes an integer out that the shape keeps from being negative.
    pub(crate) fn take_integer(&mut self, name: &str) -> Option<u32> {
        match self.take(name)? {
            Value::Integer(value) => u32::try_from(value).ok(),
            _ => None,
        }
    }

    /// Takes an integer out that may be negative.
    pub(crate) fn take_signed(&mut self, name: &str) -> Option<i32> {
        match self.take(name)? {
            Value::Integer(value) => Some(value),
            _ => None,
        }
    }

    /// Takes a word out that the shape knows.
    pub(crate) fn take_word<W>(&mut self, name: &str, from_name: impl Fn(&str) -> Option<W>) -> Option<W> {
        from_name(&self.take_text(name)?)
    }

    /// Takes a truth value out; absent is false.
    pub(crate) fn take_boolean(&mut self, name: &str) -> bool {
        matches!(self.take(name), Some(Value::Boolean(true)))
    }

    /// Takes a time out, in milliseconds since 1970.
    pub(crate) fn take_timestamp_ms(&mut self, name: &str) -> Option<i64> {
        match self.take(name)? {
            Value::TimestampMs(ms) => Some(ms),
            _ => None,
        }
    }

    /// Takes bytes out; absent is empty.
    pub(crate) fn take_blob(&mut self, name: &str) -> Cow<'a, [u8]> {
        match self.take(name) {
            Some(Value::Blob(bytes)) => bytes,
            _ => Cow::default(),
        }
    }

    /// Takes a structure out; None if it is not there.
    pub(crate) fn take_structure(&mut self, name: &str) -> Option<Members<'a>> {
        match self.take(name)? {
            Value::Structure(members) => Some(members),
            _ => None,
        }
    }

    /// Takes the structures of a list out.
    pub(crate) fn take_structures(&mut self, name: &str) -> impl Iterator<Item = Members<'a>> {
        let elements = match self.take(name) {
            Some(Value::List(elements)) => elements,
            _ => Vec::new(),
        };
        elements.into_iter().filter_map(|element| match element {
            Some(Value::Structure(members)) => Some(members),
            _ => None,
        })
    }

    /// Takes the texts of a list out.
    pub(crate) fn take_texts(&mut self, name: &str) -> Vec<Cow<'a, str>> {
        let elements = match self.take(name) {
            Some(Value::List(elements)) => elements,
            _ => Vec::new(),
        };
        let texts = elements.into_iter().filter_map(|element| match element {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        });
        texts.collect()
    }

    /// Takes the texts of a map out.
    pub(crate) fn take_text_map(&mut self, name: &str) -> BTreeMap<Cow<'a, str>, Cow<'a, str>> {
        let entries = match self.take(name) {
            Some(Value::Map(entries)) => entries,
            _ => BTreeMap::new(),
        };
        let texts = entries.into_iter().filter_map(|(key, value)| match value {
            Some(Value::Text(text)) => Some((key, text)),
            _ => None,
        });
        texts.collect()
    }
}

impl Shape {
    /// How many elements of a list or map are worth keeping: one more than allowed is enough to refuse it.
    pub(crate) fn kept_elements(&self) -> usize {
        self.max.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX - 1) + 1
    }
}
