//! Reads a body along a shape: JSON in, [`Members`] out, or what is wrong with a type.
//!
//! What the shape does not know is passed over without being kept, so that a body costs memory only for what is
//! wanted of it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::base64;
use super::text::Text;
use crate::shape::{Kind, Members, Shape, Typed, Value};
use crate::{Error, ErrorCode};

/// Reads the members of a structure.
///
/// # Errors
/// SerializationException: without a message if the body is no JSON or no structure, with one if the type of a
/// member is wrong.
pub(crate) fn read<'a>(input: &'static Shape, body: &'a [u8]) -> Result<Members<'a>, Error> {
    let no_message = || Error::bare(ErrorCode::SerializationException);
    let text = std::str::from_utf8(body).map_err(|_| no_message())?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let fault = OnceCell::new();
    let read = Typed::new(input, &fault).deserialize(&mut deserializer);
    let value = read.and_then(|value| deserializer.end().map(|()| value)).map_err(|_| no_message())?;
    match (value, fault.into_inner()) {
        (_, Some(fault)) if text.trim_ascii_start().starts_with(['{', '[']) => {
            Err(Error::new(ErrorCode::SerializationException, fault))
        }
        (Some(Value::Structure(members)), None) => Ok(members),
        _ => Err(no_message()),
    }
}

/// Whether a body is a structure written in JSON.
pub(crate) fn is_syntax_valid(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{")
        && std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// Bytes are written in base64.
fn text<'a>(typed: Typed<'_>, text: Cow<'a, str>) -> Option<Value<'a>> {
    if !matches!(typed.shape.kind, Kind::Blob) {
        return typed.text(text);
    }
    let mut bytes = Vec::with_capacity(base64::decoded_bytes(&text));
    if base64::decode_append(&text, &mut bytes) {
        typed.blob(bytes.into())
    } else {
        typed.wrong(base64::fault(&text))
    }
}

impl<'de> DeserializeSeed<'de> for Typed<'_> {
    type Value = Option<Value<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Typed<'_> {
    type Value = Option<Value<'de>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(self.boolean(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(self.number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(self.number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(self.number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(text(self, Cow::Owned(value.to_owned())))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(text(self, Cow::Borrowed(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let Kind::List(member) = self.shape.kind else {
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(self.unwanted_list());
        };
        let mut kept = Vec::new();
        while let Some(element) = elements.next_element_seed(self.of(member))? {
            if kept.len() < self.shape.kept_elements() {
                kept.push(element);
            }
        }
        Ok(Some(Value::List(kept)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        match self.shape.kind {
            Kind::Structure(known) => {
                let mut members = Members::default();
                while let Some(Text(key)) = entries.next_key()? {
                    match known.iter().find(|member| member.name == key) {
                        Some(member) => members.set(member, entries.next_value_seed(self.of(member.shape))?),
                        None => drop(entries.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Some(Value::Structure(members)))
            }
            Kind::Map(_, value_shape) => {
                let mut kept = BTreeMap::new();
                while let Some(Text(key)) = entries.next_key()? {
                    let value = entries.next_value_seed(self.of(value_shape))?;
                    if kept.len() < self.shape.kept_elements() || kept.contains_key(&key) {
                        kept.insert(key, value);
                    }
                }
                Ok(Some(Value::Map(kept)))
            }
            _ => {
                while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(self.unwanted_map())
            }
        }
    }
}
