//! Values without an encoding, and their bytes in each.

use kinesis_wire::Encoding;
use minicbor::Encoder;
use minicbor::data::IanaTag;
use serde_json::{Value, json};

/// A value of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Null,
    Boolean(bool),
    Integer(i64),
    Fraction(f64),
    Text(String),
    Blob(Vec<u8>),
    /// Milliseconds since 1970.
    Time(i64),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Json,
    /// Lists and maps say how long they are.
    CborWithLengths,
    /// Nothing says how long it is, and text and bytes are there in chunks.
    CborWithoutLengths,
}

impl Form {
    pub const ALL: [Self; 3] = [Self::Json, Self::CborWithLengths, Self::CborWithoutLengths];

    pub fn encoding(self) -> Encoding {
        match self {
            Self::Json => Encoding::Json,
            Self::CborWithLengths | Self::CborWithoutLengths => Encoding::Cbor,
        }
    }
}

impl Tree {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The structure, or map, with a member set.
    pub fn with(&self, name: &str, value: Tree) -> Tree {
        let Self::Map(members) = self else { panic!("{self:?} has no members") };
        let mut members: Vec<_> = members.iter().filter(|(other, _)| other != name).cloned().collect();
        members.push((name.into(), value));
        Self::Map(members)
    }

    pub fn bytes(&self, form: Form) -> Vec<u8> {
        if form == Form::Json {
            return serde_json::to_vec(&self.to_json()).unwrap();
        }
        let mut encoder = Encoder::new(Vec::new());
        self.write(&mut encoder, form == Form::CborWithoutLengths).unwrap();
        encoder.into_writer()
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => json!(value),
            Self::Integer(value) => json!(value),
            Self::Fraction(value) => json!(value),
            Self::Text(text) => json!(text),
            Self::Blob(bytes) => json!(base64_simd::STANDARD.encode_to_string(bytes)),
            Self::Time(ms) => json!(*ms as f64 / 1000.0),
            Self::List(elements) => elements.iter().map(Self::to_json).collect(),
            Self::Map(members) => {
                members.iter().map(|(name, value)| (name.clone(), value.to_json())).collect()
            }
        }
    }

    fn write(&self, encoder: &mut Encoder<Vec<u8>>, chunked: bool) -> Result<(), Box<dyn std::error::Error>> {
        match self {
            Self::Null => encoder.null()?.ok()?,
            Self::Boolean(value) => encoder.bool(*value)?.ok()?,
            Self::Integer(value) => encoder.i64(*value)?.ok()?,
            Self::Fraction(value) => encoder.f64(*value)?.ok()?,
            Self::Time(ms) => encoder.tag(IanaTag::Timestamp)?.i64(*ms)?.ok()?,
            Self::Text(text) if chunked => {
                let middle = text.floor_char_boundary(text.len() / 2);
                let (first, second) = text.split_at(middle);
                encoder.begin_str()?.str(first)?.str(second)?.end()?.ok()?;
            }
            Self::Text(text) => encoder.str(text)?.ok()?,
            Self::Blob(bytes) if chunked => {
                let (first, second) = bytes.split_at(bytes.len() / 2);
                encoder.begin_bytes()?.bytes(first)?.bytes(second)?.end()?.ok()?;
            }
            Self::Blob(bytes) => encoder.bytes(bytes)?.ok()?,
            Self::List(elements) => {
                match chunked {
                    true => encoder.begin_array()?,
                    false => encoder.array(elements.len() as u64)?,
                };
                elements.iter().try_for_each(|element| element.write(encoder, chunked))?;
                if chunked {
                    encoder.end()?;
                }
            }
            Self::Map(members) => {
                match chunked {
                    true => encoder.begin_map()?,
                    false => encoder.map(members.len() as u64)?,
                };
                for (name, value) in members {
                    encoder.str(name)?;
                    value.write(encoder, chunked)?;
                }
                if chunked {
                    encoder.end()?;
                }
            }
        }
        Ok(())
    }
}
