//! The fast way to read PutRecord and PutRecords.
//!
//! It takes the bodies that SDKs write and gives up on every other: a body that is wrong in any way, has an unknown
//! or repeated member, or breaks a constraint. It never says why. Data is checked and stays where it is: nothing but the
//! list of records is allocated, unless a text has escapes.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::text::Text;
use crate::Operation;
use crate::request::{Data, PutRecord, PutRecords, Record, Request, StreamRef};
use crate::shape::{self, Shape};

/// The request, if the operation puts records and the body is as it should be.
pub(crate) fn decode(operation: Operation, body: &[u8]) -> Option<Request<'_>> {
    match operation {
        Operation::PutRecord => {
            let Structure(body): Structure<PutRecordBody<'_>> = sonic_rs::from_slice(body).ok()?;
            put_record(body).map(Request::PutRecord)
        }
        Operation::PutRecords => {
            let Structure(body): Structure<PutRecordsBody<'_>> = sonic_rs::from_slice(body).ok()?;
            put_records(body).map(Request::PutRecords)
        }
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PutRecordBody<'a> {
    #[serde(borrow)]
    stream_name: Option<Text<'a>>,
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
    #[serde(borrow)]
    stream_id: Option<Text<'a>>,
    #[serde(borrow)]
    data: Text<'a>,
    #[serde(borrow)]
    partition_key: Option<Text<'a>>,
    #[serde(borrow)]
    explicit_hash_key: Option<Text<'a>>,
    #[serde(borrow)]
    sequence_number_for_ordering: Option<Text<'a>>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PutRecordsBody<'a> {
    #[serde(borrow)]
    stream_name: Option<Text<'a>>,
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
    #[serde(borrow)]
    stream_id: Option<Text<'a>>,
    #[serde(borrow)]
    records: Entries<'a>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Entry<'a> {
    #[serde(borrow)]
    data: Text<'a>,
    #[serde(borrow)]
    partition_key: Option<Text<'a>>,
    #[serde(borrow)]
    explicit_hash_key: Option<Text<'a>>,
}

fn put_record(body: PutRecordBody<'_>) -> Option<PutRecord<'_>> {
    let entry = Entry {
        data: body.data,
        partition_key: body.partition_key,
        explicit_hash_key: body.explicit_hash_key,
    };
    Some(PutRecord {
        stream: stream(body.stream_name, body.stream_arn, body.stream_id)?,
        record: record(entry)?,
        sequence_number_for_ordering: fitting(body.sequence_number_for_ordering, &shape::SEQUENCE_NUMBER)?,
        dry_run: body.dry_run.unwrap_or_default(),
    })
}

fn put_records(body: PutRecordsBody<'_>) -> Option<PutRecords<'_>> {
    let Entries(entries) = body.records;
    if entries.is_empty() {
        return None;
    }
    Some(PutRecords {
        stream: stream(body.stream_name, body.stream_arn, body.stream_id)?,
        records: records(entries)?,
        dry_run: body.dry_run.unwrap_or_default(),
    })
}

fn stream<'a>(name: Option<Text<'a>>, arn: Option<Text<'a>>, id: Option<Text<'a>>) -> Option<StreamRef<'a>> {
    fitting(id, &shape::STREAM_ID)?;
    Some(StreamRef { name: fitting(name, &shape::STREAM_NAME)?, arn: fitting(arn, &shape::STREAM_ARN)? })
}

fn records(entries: Vec<Entry<'_>>) -> Option<Vec<Record<'_>>> {
    entries.into_iter().map(record).collect()
}

fn record(entry: Entry<'_>) -> Option<Record<'_>> {
    let Text(text) = entry.data;
    let data = Data::from_base64(text).filter(|data| shape::blob_fits(&shape::DATA, data.len()))?;
    Some(Record {
        data,
        partition_key: fitting(entry.partition_key, &shape::PARTITION_KEY)?,
        explicit_hash_key: fitting(entry.explicit_hash_key, &shape::HASH_KEY)?,
    })
}

/// The text, if there is one; None if there is one that breaks a constraint.
#[allow(clippy::option_option, reason = "the outer None gives up, the inner one is an absent member")]
fn fitting<'a>(text: Option<Text<'a>>, shape: &Shape) -> Option<Option<Cow<'a, str>>> {
    match text {
        None => Some(None),
        Some(Text(text)) => shape::text_fits(shape, &text).then_some(Some(text)),
    }
}

/// A structure that is written as one: serde would also take the values of its members as a list.
struct Structure<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Structure<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(StructureVisitor(PhantomData))
    }
}

struct StructureVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for StructureVisitor<T> {
    type Value = Structure<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a structure")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Structure)
    }
}

/// The entries of PutRecords, no more of them than the shape allows.
struct Entries<'a>(Vec<Entry<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(Structure(entry)) = elements.next_element()? {
            entries.push(entry);
            if entries.len() >= shape::PUT_RECORDS_REQUEST_ENTRY_LIST.kept_elements() {
                return Err(A::Error::custom("too many records"));
            }
        }
        Ok(Entries(entries))
    }
}
