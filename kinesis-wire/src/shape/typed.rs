//! A value as an encoding found it, and the type that a shape wants: it becomes one, or what is wrong is noted.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::{Kind, Shape, Value};

/// Above this a timestamp is in milliseconds, not seconds: as seconds it would be in the year 5138.
const MAX_SECONDS: f64 = 1e11;

const NUMBER_CLASS: &str = "com.amazon.coral.value.json.numbers.TruncatingBigNumber";
const BOOLEAN_CLASS: &str = "java.lang.Boolean";
const STRING_CLASS: &str = "java.lang.String";
const BLOB_CLASS: &str = "java.nio.HeapByteBuffer";

/// Reads one value of a shape. What has a wrong type is None; the first wrong type is kept.
///
/// A wrong type does not end the reading: bad syntax further on is the graver fault.
#[derive(Clone, Copy)]
pub(crate) struct Typed<'f> {
    /// What the value may be.
    pub(crate) shape: &'static Shape,
    fault: &'f OnceCell<String>,
}

impl<'f> Typed<'f> {
    /// A value of this shape; what is wrong with it goes into the cell.
    pub(crate) fn new(shape: &'static Shape, fault: &'f OnceCell<String>) -> Self {
        Self { shape, fault }
    }

    /// A value inside this one.
    pub(crate) fn of(self, shape: &'static Shape) -> Self {
        Self { shape, ..self }
    }

    /// A list came where the shape wants something else.
    pub(crate) fn unwanted_list<'a>(self) -> Option<Value<'a>> {
        self.wrong("Start of list found where not expected")
    }

    /// A map came where the shape wants something else.
    pub(crate) fn unwanted_map<'a>(self) -> Option<Value<'a>> {
        self.wrong("Start of structure or map found where not expected.")
    }

    /// A truth value came.
    pub(crate) fn boolean<'a>(self, value: bool) -> Option<Value<'a>> {
        match self.shape.kind {
            Kind::Boolean => Some(Value::Boolean(value)),
            _ => self.wrong_class(BOOLEAN_CLASS),
        }
    }

    /// A number came, of seconds where it is a time.
    pub(crate) fn number<'a>(self, number: f64) -> Option<Value<'a>> {
        match self.shape.kind {
            // What does not fit is cut to the nearest that does.
            Kind::Integer => Some(Value::Integer(number as i32)),
            Kind::Timestamp => {
                let ms = if number.abs() > MAX_SECONDS { number } else { number * 1000.0 };
                Some(Value::TimestampMs(ms.round() as i64))
            }
            _ => self.wrong_class(NUMBER_CLASS),
        }
    }

    /// An integer came, of milliseconds where it is a time.
    pub(crate) fn integer_or_ms<'a>(self, number: i128) -> Option<Value<'a>> {
        match self.shape.kind {
            Kind::Integer => Some(Value::Integer(number.clamp(i32::MIN.into(), i32::MAX.into()) as i32)),
            Kind::Timestamp => {
                Some(Value::TimestampMs(number.clamp(i64::MIN.into(), i64::MAX.into()) as i64))
            }
            _ => self.wrong_class(NUMBER_CLASS),
        }
    }

    /// A text came that stands for no bytes.
    pub(crate) fn text<'a>(self, text: Cow<'a, str>) -> Option<Value<'a>> {
        match self.shape.kind {
            Kind::Text => Some(Value::Text(text)),
            Kind::Boolean => match text.to_uppercase().as_str() {
                "TRUE" | "YES" | "1" => Some(Value::Boolean(true)),
                "FALSE" | "NO" | "0" => Some(Value::Boolean(false)),
                other => {
                    let repeated = &other[..other.floor_char_boundary(1024)];
                    self.wrong(format!("'{repeated}' can not be converted to an Boolean"))
                }
            },
            _ => self.wrong_class(STRING_CLASS),
        }
    }

    /// Bytes came.
    pub(crate) fn blob<'a>(self, bytes: Cow<'a, [u8]>) -> Option<Value<'a>> {
        match self.shape.kind {
            Kind::Blob => Some(Value::Blob(bytes)),
            _ => self.wrong_class(BLOB_CLASS),
        }
    }

    /// Notes what is wrong, unless something was noted before.
    pub(crate) fn wrong<'a>(self, fault: impl Into<String>) -> Option<Value<'a>> {
        self.fault.get_or_init(|| fault.into());
        None
    }

    /// A scalar of a Java class came where the shape wants something else.
    fn wrong_class<'a>(self, class: &str) -> Option<Value<'a>> {
        self.wrong(match self.shape.kind {
            Kind::Text => format!("class {class} can not be converted to an String"),
            Kind::Integer => format!("class {class} can not be converted to an Integer"),
            Kind::Boolean => format!("class {class} can not be converted to an Boolean"),
            Kind::Blob => format!("class {class} can not be converted to a Blob"),
            Kind::Timestamp => format!("class {class} can not be converted to milliseconds since epoch"),
            Kind::List(_) => "Expected list or null".into(),
            Kind::Map(..) => "Expected map or null".into(),
            Kind::Structure(_) => "Expected null".into(),
        })
    }
}
