//! The answer to GetRecords, piece by piece: the next one is read when the client has taken the one before, so an answer
//! takes the memory of a piece and not of ten megabytes. How large a piece is depends on how much is not sent yet.

use std::sync::Arc;

use catalog::{SequenceNumber, SequenceTexts, Shard, ShardState, Stream};
use kinesis_wire::response::{ChildShard, GetRecordsWriter};
use kinesis_wire::{Error, ErrorCode};

use super::Answer;
use super::shard_view::children_of;
use crate::gateway::Endpoint;
use crate::gateway::budget::Share;
use crate::gateway::token::{IteratorPosition, ShardIterator};
use crate::protocol::{Position, Read, ReadOutcome};

/// What a piece takes while it is made, in halves of its records' bytes: the records, and what they are encoded to.
const MAKING_HALVES: usize = 2 + 3;
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

/// A piece of a body.
#[derive(Debug)]
pub struct Piece {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What was taken to make it, until it is counted among what is to be sent.
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
    pub async fn answer(mut self: Box<Self>) -> Result<Answer, Error> {
        let (outcome, share) = self.read_piece().await?;
        let share = Some(share);
        if self.take(&outcome) {
            let bytes = self.writer.take_piece(0);
            return Ok(Answer::Pieces { first: Piece { bytes, share }, rest: self });
        }
        drop(outcome);
        Ok(Answer::Whole(Piece { bytes: self.finish()?, share }))
    }

    /// The next piece; nothing behind the last. What cannot be read ends the answer early, with an iterator to go on
    /// with: what was sent is good.
    pub async fn next(&mut self) -> Option<Piece> {
        if self.at_end {
            return None;
        }
        let read = self.read_piece().await.ok();
        // One record is found whatever is left; one for which nothing is left is for the next answer.
        let read = read.filter(|(outcome, _)| encoded_bytes(outcome) <= self.read.max_bytes as usize);
        let more = read.as_ref().is_some_and(|(outcome, _)| self.take(outcome));
        let share = read.map(|(_, share)| share);
        let mut bytes = self.writer.take_piece(FRAME_BYTES);
        if !more {
            bytes.extend(self.finish().ok()?);
        }
        Some(Piece { bytes, share })
    }

    async fn read_piece(&self) -> Result<(ReadOutcome, Share), Error> {
        let piece_bytes = self.endpoint.memory().unsent.piece_bytes();
        let mut expected_bytes = piece_bytes.min(self.read.max_bytes as usize);
        loop {
            let share = self.endpoint.memory().reads.take(expected_bytes * MAKING_HALVES / 2).await;
            let share = share.map_err(|exhausted| self.endpoint.exhausted(exhausted))?;
            let max_bytes = u32::try_from(expected_bytes).unwrap_or(u32::MAX);
            let route = self.endpoint.route(&self.stream, &self.shard.log);
            let route = route.map_err(|refusal| self.endpoint.refused(&refusal))?;
            let outcome = route.read(Read { max_bytes, ..self.read.clone() }).await;
            let outcome = outcome.map_err(|refusal| self.endpoint.refused(&refusal))?;
            let found_bytes = encoded_bytes(&outcome);
            if found_bytes <= expected_bytes {
                return Ok((outcome, share));
            }
            // One record may be larger than a piece. Nobody waits for more while he holds some: it is read again.
            expected_bytes = found_bytes;
        }
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
        let taken = encoded_bytes(outcome);
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

/// The bytes of all records that were found.
fn encoded_bytes(outcome: &ReadOutcome) -> usize {
    outcome.runs.iter().map(|run| run.block.bytes().len()).sum()
}

/// About what encoded records take as JSON: data in base64 and what is around it.
fn json_bytes(records: u32, encoded_bytes: usize) -> usize {
    encoded_bytes / 3 * 4 + records as usize * RECORD_JSON_BYTES
}
