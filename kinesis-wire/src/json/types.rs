//! Reads a body along a shape: JSON in, [`Members`] out, or what is wrong with a type.
//!
//! What the shape does not know is passed over without being kept, so that a body costs memory only for what is
//! wanted of it. A wrong type does not end the reading: bad syntax further on is the graver fault.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::base64;
use super::text::Text;
use crate::shape::{Kind, Members, Shape, Value};
use crate::{Error, ErrorCode};

/// Above this a timestamp is in milliseconds, not seconds: as seconds it would be in the year 5138.
const MAX_SECONDS: f64 = 1e11;

const LIST_FOUND: &str = "Start of list found where not expected";
const MAP_FOUND: &str = "Start of structure or map found where not expected.";
const NUMBER_CLASS: &str = "com.amazon.coral.value.json.numbers.TruncatingBigNumber";
const BOOLEAN_CLASS: &str = "java.lang.Boolean";
const STRING_CLASS: &str = "java.lang.String";

/// Reads the members of a structure.
///
/// # Errors
/// SerializationException: without a message if the body is no JSON or no structure, with one if the type of a
/// member is wrong.
pub(super) fn read<'a>(input: &'static Shape, body: &'a [u8]) -> Result<Members<'a>, Error> {
    let no_message = || Error::bare(ErrorCode::SerializationException);
    let text = std::str::from_utf8(body).map_err(|_| no_message())?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let fault = OnceCell::new();
    let read = Typed { shape: input, fault: &fault }.deserialize(&mut deserializer);
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

/// Reads one value of a shape. A null, and whatever has a wrong type, is None; the first wrong type is kept.
#[derive(Clone, Copy)]
struct Typed<'f> {
    shape: &'static Shape,
    fault: &'f OnceCell<String>,
}

impl<'f> Typed<'f> {
    fn of(self, shape: &'static Shape) -> Self {
        Self { shape, ..self }
    }

    /// Notes a wrong type, unless one was noted before.
    fn wrong<'a, E>(self, fault: impl Into<String>) -> Result<Option<Value<'a>>, E> {
        self.fault.get_or_init(|| fault.into());
        Ok(None)
    }

    /// A scalar of a Java class came where the shape wants something else.
    fn wrong_class<'a, E>(self, class: &str) -> Result<Option<Value<'a>>, E> {
        let fault = match self.shape.kind {
            Kind::Text => format!("class {class} can not be converted to an String"),
            Kind::Integer => format!("class {class} can not be converted to an Integer"),
            Kind::Boolean => format!("class {class} can not be converted to an Boolean"),
            Kind::Blob => format!("class {class} can not be converted to a Blob"),
            Kind::Timestamp => format!("class {class} can not be converted to milliseconds since epoch"),
            Kind::List(_) => "Expected list or null".into(),
            Kind::Map(..) => "Expected map or null".into(),
            Kind::Structure(_) => "Expected null".into(),
        };
        self.wrong(fault)
    }

    fn number<'a, E>(self, number: f64) -> Result<Option<Value<'a>>, E> {
        match self.shape.kind {
            // What does not fit is cut to the nearest that does.
            Kind::Integer => Ok(Some(Value::Integer(number as i32))),
            Kind::Timestamp => {
                let ms = if number.abs() > MAX_SECONDS { number } else { number * 1000.0 };
                Ok(Some(Value::TimestampMs(ms.round() as i64)))
            }
            _ => self.wrong_class(NUMBER_CLASS),
        }
    }

    fn text<'a, E>(self, text: Cow<'a, str>) -> Result<Option<Value<'a>>, E> {
        match self.shape.kind {
            Kind::Text => Ok(Some(Value::Text(text))),
            Kind::Blob => {
                let mut bytes = Vec::with_capacity(base64::decoded_bytes(&text));
                if base64::decode_append(&text, &mut bytes) {
                    Ok(Some(Value::Blob(bytes)))
                } else {
                    self.wrong(base64::fault(&text))
                }
            }
            Kind::Boolean => match text.to_ascii_uppercase().as_str() {
                "TRUE" | "YES" | "1" => Ok(Some(Value::Boolean(true))),
                "FALSE" | "NO" | "0" => Ok(Some(Value::Boolean(false))),
                other => {
                    let repeated = &other[..other.floor_char_boundary(1024)];
                    self.wrong(format!("'{repeated}' can not be converted to an Boolean"))
                }
            },
            _ => self.wrong_class(STRING_CLASS),
        }
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
        match self.shape.kind {
            Kind::Boolean => Ok(Some(Value::Boolean(value))),
            _ => self.wrong_class(BOOLEAN_CLASS),
        }
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        self.number(number as f64)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        self.number(number as f64)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        self.number(number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        self.text(Cow::Owned(text.to_owned()))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        self.text(Cow::Borrowed(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let Kind::List(member) = self.shape.kind else {
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            return self.wrong(LIST_FOUND);
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
                self.wrong(MAP_FOUND)
            }
        }
    }
}
