//! The answer to GetRecords, piece by piece: the next one is read when the client has taken the one before, so an answer
//! takes the memory of a piece and not of ten megabytes, and a slow client holds no more.

use std::sync::Arc;

use bytes::Bytes;
use catalog::{SequenceNumber, SequenceTexts, Shard, ShardState, Stream};
use kinesis_wire::response::{ChildShard, GetRecordsWriter};
use kinesis_wire::{Error, ErrorCode};

use super::Answer;
use super::shard_view::children_of;
use crate::gateway::Endpoint;
use crate::gateway::budget::Share;
use crate::gateway::token::{IteratorPosition, ShardIterator};
use crate::protocol::{Position, Read, ReadOutcome};

/// How many bytes of records are read for a piece; at least one record.
const PIECE_BYTES: u32 = 256 << 10;
/// What a record takes in the answer beside its data and key.
const RECORD_JSON_BYTES: usize = 176;
/// What an answer takes beside its records.
const FRAME_BYTES: usize = 1_024;

/// An answer under way.
pub struct RecordPieces {
    endpoint: Arc<Endpoint>,
    stream: Arc<Stream>,
    shard: Shard,
    iterator: ShardIterator,
    /// The next read; its limits are what is left.
    read: Read,
    writer: GetRecordsWriter,
    behind_ms: u64,
    /// Records given so far.
    given: u64,
    at_end: bool,
}

/// A piece of a body, with its share of the budget until it has been sent.
#[derive(Debug)]
pub struct Piece {
    /// The bytes.
    pub bytes: Bytes,
    /// What it takes of the budget; the few bytes of an end take nothing where there is nothing left.
    pub share: Option<Share>,
}

impl RecordPieces {
    /// Begins an answer.
    pub fn new(
        endpoint: Arc<Endpoint>,
        stream: Arc<Stream>,
        shard: Shard,
        iterator: ShardIterator,
        read: Read,
    ) -> Self {
        let writer = GetRecordsWriter::with_capacity(0);
        Self { endpoint, stream, shard, iterator, read, writer, behind_ms: 0, given: 0, at_end: false }
    }

    /// The answer, whole where one piece is enough.
    ///
    /// # Errors
    /// If not even the first piece can be read.
    pub async fn answer(mut self) -> Result<Answer, Error> {
        let (outcome, share) = self.read_piece().await?;
        if self.take(&outcome) {
            let bytes = self.writer.take_piece(0).into();
            let first = Piece { bytes, share: Some(share) };
            return Ok(Answer::Pieces { first, rest: Box::new(self) });
        }
        let body = self.finish()?;
        Ok(Answer::Whole { body, share: Some(share) })
    }

    /// The next piece; nothing behind the last. What cannot be read ends the answer early, with an iterator to go on
    /// with: what was sent is good.
    pub async fn next(&mut self) -> Option<Piece> {
        if self.at_end {
            return None;
        }
        let read = self.read_piece().await;
        let more = read.as_ref().is_ok_and(|(outcome, _)| self.take(outcome));
        let share = read.ok().map(|(_, share)| share);
        let mut bytes = self.writer.take_piece(FRAME_BYTES);
        if !more {
            bytes.extend(self.finish().ok()?);
        }
        Some(Piece { bytes: bytes.into(), share })
    }

    async fn read_piece(&mut self) -> Result<(ReadOutcome, Share), Error> {
        let read = Read { max_bytes: self.read.max_bytes.min(PIECE_BYTES), ..self.read.clone() };
        let expected = read.max_bytes as usize;
        let mut share = self.share_of(expected).await?;
        let route = self.endpoint.route(&self.stream, &self.shard.log);
        let route = route.map_err(|refusal| self.endpoint.refused(&refusal))?;
        let outcome = route.read(read).await.map_err(|refusal| self.endpoint.refused(&refusal))?;
        let found = outcome.runs.iter().map(|run| run.block.bytes().len()).sum::<usize>();
        if found > expected {
            // One record may be larger than a piece. Nobody waits for more while he holds some.
            drop(share);
            share = self.share_of(found).await?;
        }
        Ok((outcome, share))
    }

    /// A share for so many bytes of records and what they are encoded to.
    async fn share_of(&self, bytes: usize) -> Result<Share, Error> {
        let share = self.endpoint.answer_budget().take(2 * bytes + bytes / 2).await;
        share.map_err(|_| Error::bare(ErrorCode::InternalFailure))
    }

    /// Writes the records of a read; whether another is due.
    fn take(&mut self, outcome: &ReadOutcome) -> bool {
        let (mut records, mut bytes, mut capacity) = (0_u64, 0_u64, FRAME_BYTES);
        for run in &outcome.runs {
            capacity += json_bytes(run.block.count(), run.block.bytes().len());
        }
        self.writer.reserve(capacity);
        let mut texts = SequenceTexts::default();
        for run in &outcome.runs {
            for (record, counter) in run.block.records().zip(run.first_offset..) {
                let number = SequenceNumber {
                    create_seconds: self.shard.create_seconds,
                    shard: self.shard.id,
                    counter,
                    arrival_seconds: run.arrival_ms / 1_000,
                };
                self.writer.record(
                    texts.text(number),
                    run.arrival_ms,
                    record.data,
                    Some(record.partition_key),
                );
                records += 1;
                bytes += (record.data.len() + record.partition_key.len()) as u64;
            }
        }
        self.endpoint.metrics().got(records, bytes);
        let taken = outcome.runs.iter().map(|run| run.block.bytes().len()).sum::<usize>();
        self.read.position = Position::Offset(outcome.next_offset);
        self.read.max_records =
            self.read.max_records.saturating_sub(u32::try_from(records).unwrap_or(u32::MAX));
        self.read.max_bytes = self.read.max_bytes.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
        self.behind_ms = outcome.millis_behind_latest;
        self.iterator.position = IteratorPosition::Offset(outcome.next_offset);
        let more = self.read.max_records > 0 && self.read.max_bytes > 0;
        self.given += records;
        more && records > 0 && self.behind_ms > 0
    }

    /// The end of the body.
    fn finish(&mut self) -> Result<Vec<u8>, Error> {
        self.at_end = true;
        let iterator = ShardIterator { created_ms: self.endpoint.now_ms(), ..self.iterator.clone() };
        let next =
            iterator.seal(&self.endpoint.keys()).ok_or_else(|| Error::bare(ErrorCode::InternalFailure))?;
        let children = self.children();
        let next = children.is_empty().then_some(next.as_str());
        let writer = std::mem::replace(&mut self.writer, GetRecordsWriter::with_capacity(0));
        Ok(writer.finish(next, self.behind_ms, &children))
    }

    /// The children, where a closed shard has nothing more to give; empty anywhere else.
    fn children(&self) -> Vec<ChildShard> {
        let at_end = self.shard.state == ShardState::Closed && self.given == 0 && self.behind_ms == 0;
        if at_end { children_of(&self.stream, self.shard.id) } else { Vec::new() }
    }
}

/// About what encoded records take as JSON: data in base64 and what is around it.
fn json_bytes(records: u32, encoded_bytes: usize) -> usize {
    encoded_bytes / 3 * 4 + records as usize * RECORD_JSON_BYTES
}
