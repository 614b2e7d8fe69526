//! Reads a body along a shape: CBOR in, [`Members`] out, or what is wrong with a type.
//!
//! What the shape does not know is passed over without being kept, so that a body costs memory only for what is
//! wanted of it. Text and bytes are borrowed from the body wherever they are there in one piece.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;

use minicbor::Decoder;
use minicbor::data::Type;
use minicbor::decode::Error as SyntaxError;

use crate::shape::{Kind, Members, Shape, Typed, Value};
use crate::{Error, ErrorCode};

/// How deep lists, maps and tags may be in each other; no request has more than four levels.
const MAX_DEPTH: usize = 64;

/// Reads the members of a structure.
///
/// # Errors
/// SerializationException: without a message if the body is no CBOR or no structure, with one if the type of a
/// member is wrong.
pub(crate) fn read<'a>(input: &'static Shape, body: &'a [u8]) -> Result<Members<'a>, Error> {
    let no_message = || Error::bare(ErrorCode::SerializationException);
    let mut decoder = Decoder::new(body);
    let first = decoder.datatype().map_err(|_| no_message())?;
    let fault = OnceCell::new();
    let value = value(&mut decoder, Typed::new(input, &fault)).map_err(|_| no_message())?;
    if decoder.position() < body.len() {
        return Err(no_message());
    }
    match (value, fault.into_inner()) {
        (_, Some(fault)) if matches!(first, Type::Array | Type::ArrayIndef | Type::Map | Type::MapIndef) => {
            Err(Error::new(ErrorCode::SerializationException, fault))
        }
        (Some(Value::Structure(members)), None) => Ok(members),
        _ => Err(no_message()),
    }
}

/// Whether a body is a structure written in CBOR.
pub(crate) fn is_syntax_valid(body: &[u8]) -> bool {
    let mut decoder = Decoder::new(body);
    matches!(decoder.datatype(), Ok(Type::Map | Type::MapIndef))
        && skip(&mut decoder, MAX_DEPTH).is_ok()
        && decoder.position() == body.len()
}

/// One value; None where it is null or has a wrong type.
fn value<'a>(decoder: &mut Decoder<'a>, typed: Typed<'_>) -> Result<Option<Value<'a>>, SyntaxError> {
    skip_tags(decoder)?;
    Ok(match decoder.datatype()? {
        Type::Null | Type::Undefined => {
            decoder.skip()?;
            None
        }
        Type::Bool => typed.boolean(decoder.bool()?),
        Type::U8
        | Type::U16
        | Type::U32
        | Type::U64
        | Type::I8
        | Type::I16
        | Type::I32
        | Type::I64
        | Type::Int => typed.integer_or_ms(decoder.int()?.into()),
        Type::F16 => typed.number(decoder.f16()?.into()),
        Type::F32 => typed.number(decoder.f32()?.into()),
        Type::F64 => typed.number(decoder.f64()?),
        Type::Bytes => typed.blob(decoder.bytes()?.into()),
        Type::BytesIndef => {
            let mut whole = Vec::new();
            for chunk in decoder.bytes_iter()? {
                whole.extend_from_slice(chunk?);
            }
            typed.blob(whole.into())
        }
        Type::String | Type::StringIndef => typed.text(text(decoder)?),
        Type::Array | Type::ArrayIndef => list(decoder, typed)?,
        Type::Map | Type::MapIndef => map(decoder, typed)?,
        other => return Err(SyntaxError::type_mismatch(other)),
    })
}

fn text<'a>(decoder: &mut Decoder<'a>) -> Result<Cow<'a, str>, SyntaxError> {
    if decoder.datatype()? == Type::String {
        return decoder.str().map(Cow::Borrowed);
    }
    let mut whole = String::new();
    for chunk in decoder.str_iter()? {
        whole.push_str(chunk?);
    }
    Ok(whole.into())
}

fn list<'a>(decoder: &mut Decoder<'a>, typed: Typed<'_>) -> Result<Option<Value<'a>>, SyntaxError> {
    let Kind::List(member) = typed.shape.kind else {
        skip(decoder, MAX_DEPTH)?;
        return Ok(typed.unwanted_list());
    };
    let mut kept = Vec::new();
    let length = decoder.array()?;
    each(decoder, length, |decoder| {
        let element = value(decoder, typed.of(member))?;
        if kept.len() < typed.shape.kept_elements() {
            kept.push(element);
        }
        Ok(())
    })?;
    Ok(Some(Value::List(kept)))
}

fn map<'a>(decoder: &mut Decoder<'a>, typed: Typed<'_>) -> Result<Option<Value<'a>>, SyntaxError> {
    match typed.shape.kind {
        Kind::Structure(known) => {
            let mut members = Members::default();
            let length = decoder.map()?;
            each(decoder, length, |decoder| {
                let key = text(decoder)?;
                match known.iter().find(|member| member.name == key) {
                    Some(member) => members.set(member, value(decoder, typed.of(member.shape))?),
                    None => skip(decoder, MAX_DEPTH)?,
                }
                Ok(())
            })?;
            Ok(Some(Value::Structure(members)))
        }
        Kind::Map(_, value_shape) => {
            let mut kept = BTreeMap::new();
            let length = decoder.map()?;
            each(decoder, length, |decoder| {
                let key = text(decoder)?;
                let value = value(decoder, typed.of(value_shape))?;
                if kept.len() < typed.shape.kept_elements() || kept.contains_key(&key) {
                    kept.insert(key, value);
                }
                Ok(())
            })?;
            Ok(Some(Value::Map(kept)))
        }
        _ => {
            skip(decoder, MAX_DEPTH)?;
            Ok(typed.unwanted_map())
        }
    }
}

/// Reads so many items, or those up to the break where there is no length.
fn each<'a>(
    decoder: &mut Decoder<'a>,
    length: Option<u64>,
    mut item: impl FnMut(&mut Decoder<'a>) -> Result<(), SyntaxError>,
) -> Result<(), SyntaxError> {
    let Some(length) = length else {
        while decoder.datatype()? != Type::Break {
            item(decoder)?;
        }
        decoder.set_position(decoder.position() + 1);
        return Ok(());
    };
    (0..length).try_for_each(|_| item(decoder))
}

/// Passes over one value. The decoder's own way to skip would remember every level of a hostile body.
fn skip(decoder: &mut Decoder<'_>, depth: usize) -> Result<(), SyntaxError> {
    skip_tags(decoder)?;
    let Some(depth) = depth.checked_sub(1) else { return Err(SyntaxError::message("nested too deeply")) };
    match decoder.datatype()? {
        Type::Array | Type::ArrayIndef => {
            let length = decoder.array()?;
            each(decoder, length, |decoder| skip(decoder, depth))
        }
        Type::Map | Type::MapIndef => {
            let length = decoder.map()?;
            each(decoder, length, |decoder| skip(decoder, depth).and_then(|()| skip(decoder, depth)))
        }
        Type::Break => Err(SyntaxError::type_mismatch(Type::Break)),
        _ => decoder.skip(),
    }
}

/// Tags say nothing that a shape does not.
fn skip_tags(decoder: &mut Decoder<'_>) -> Result<(), SyntaxError> {
    while decoder.datatype()? == Type::Tag {
        decoder.tag()?;
    }
    Ok(())
}
