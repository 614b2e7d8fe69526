//! The answer to GetRecords in pieces. Each piece is a frame of a record stream; the next frame is read when the client
//! has received the piece before, so that an answer of 10 MiB takes the memory of one piece. The size of the pieces
//! depends on the budget for unsent answers when the answer begins.

use std::sync::Arc;

use catalog::member::OpenShard;
use catalog::{Shard, Stream};
use kinesis_wire::response::GetRecordsWriter;
use kinesis_wire::{Encoding, Error, ErrorCode};

use super::frame_records::{self, Written};
use super::shard_view::child_of;
use super::{Answer, Pieces};
use crate::budget::Permit;
use crate::gateway::token::{IteratorPosition, ShardIterator};
use crate::gateway::{Endpoint, Route};
use crate::protocol::{Frame, FrameError, Read, ReadOutcome, RecordStream, Refusal};
use crate::shard::STREAM_WINDOW_BYTES;

/// The JSON around the records of an answer.
const ANSWER_JSON_BYTES: usize = 1_024;

/// An answer under way.
pub struct RecordPieces {
    endpoint: Arc<Endpoint>,
    stream: Arc<Stream>,
    shard: Shard,
    iterator: ShardIterator,
    read: Read,
    /// The remaining records; `None` before the first piece and after the last.
    records: Option<RecordStream>,
    /// A permit for records that a pod has sent and that were not processed yet.
    window: Option<Permit>,
    /// Whether the answer ends with its first frame, as there is no room for more.
    is_one_frame: bool,
    writer: GetRecordsWriter,
    behind_ms: u64,
    /// At the end of a sealed shard: those that took over.
    successors: Vec<OpenShard>,
    /// Records written so far, and their encoded bytes.
    written: u64,
    written_bytes: usize,
}

/// A piece of a body.
#[derive(Debug)]
pub struct Piece {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The permit with which it was produced, until it has one as an unsent piece.
    pub permit: Option<Permit>,
}

impl RecordPieces {
    /// Begins an answer.
    pub fn new(
        endpoint: Arc<Endpoint>,
        stream: Arc<Stream>,
        shard: Shard,
        iterator: ShardIterator,
        read: Read,
        encoding: Encoding,
    ) -> Self {
        let writer = GetRecordsWriter::with_capacity(encoding, 0);
        let (records, behind_ms, written, written_bytes) = (None, 0, 0, 0);
        Self {
            endpoint,
            stream,
            shard,
            iterator,
            read,
            records,
            window: None,
            is_one_frame: false,
            writer,
            behind_ms,
            successors: Vec::new(),
            written,
            written_bytes,
        }
    }

    /// The answer; complete if one piece is enough.
    ///
    /// # Errors
    /// If the first piece cannot be read.
    pub async fn answer(mut self: Box<Self>) -> Result<Answer, Error> {
        let Frame { outcome, permit } = self.begin().await.map_err(|error| match error {
            FrameError::Refused(refusal) => self.endpoint.refused(&refusal),
            FrameError::Exhausted(exhausted) => self.endpoint.exhausted(exhausted),
        })?;
        let permit = Some(permit);
        if self.take(&outcome) {
            let bytes = self.writer.take_piece(0);
            let first = Piece { bytes, permit };
            return Ok(Answer::Pieces { first, rest: Pieces::Records(self) });
        }
        drop(outcome);
        self.children_listed().await;
        Ok(Answer::Whole(Piece { bytes: self.finish()?, permit }))
    }

    /// The next piece; `None` after the last. If the stream breaks, the answer ends early with an iterator that
    /// continues after the records that were sent.
    pub async fn next(&mut self) -> Option<Piece> {
        let next = self.records.as_mut()?.next(&self.endpoint.memory().reads).await;
        let (more, permit) = match next {
            Some(Ok(Frame { outcome, permit })) => (self.take(&outcome), Some(permit)),
            Some(Err(FrameError::Refused(refusal))) => {
                self.endpoint.report(&[&refusal]);
                (false, None)
            }
            Some(Err(FrameError::Exhausted(exhausted))) => {
                self.endpoint.report_exhausted(exhausted);
                (false, None)
            }
            None => (false, None),
        };
        let mut bytes = self.writer.take_piece(ANSWER_JSON_BYTES);
        if !more {
            self.children_listed().await;
            bytes.extend(self.finish().ok()?);
        }
        Some(Piece { bytes, permit })
    }

    /// Opens the stream and takes its first frame.
    async fn begin(&mut self) -> Result<Frame, FrameError> {
        let route = self.endpoint.route(&self.stream, &self.shard.log)?;
        let mut records = route.call(self.read.clone()).await?;
        // Charged now that bytes arrive: a group that does not answer takes nothing from the others.
        if let Route::Remote(_) = route {
            self.window = self.endpoint.memory().windows.take_free(STREAM_WINDOW_BYTES as usize);
            // One frame needs none: it is processed at once.
            self.is_one_frame = self.window.is_none();
        }
        let first = records.next(&self.endpoint.memory().reads).await;
        self.records = Some(records);
        first.unwrap_or_else(|| Err(Refusal::OutcomeUnknown("a read ended without a frame".into()).into()))
    }

    /// Writes the records of a frame; returns whether to read another.
    fn take(&mut self, outcome: &ReadOutcome) -> bool {
        self.writer.reserve(frame_records::json_bytes(outcome) + ANSWER_JSON_BYTES);
        let writer = &mut self.writer;
        let Written { records, bytes } =
            frame_records::write(&self.shard, outcome, |number, arrival_ms, data, key| {
                writer.record(number, arrival_ms, data, Some(key));
            });
        self.endpoint.metrics().got(records, bytes);
        self.behind_ms = outcome.millis_behind_latest;
        self.successors = outcome.successors.clone().unwrap_or_default();
        self.iterator.position = IteratorPosition::Offset(outcome.next_offset);
        self.written += records;
        self.written_bytes += encoded_bytes(outcome);
        let is_full = self.written >= u64::from(self.read.max_records)
            || self.written_bytes >= self.read.max_bytes as usize;
        !is_full && !self.is_one_frame && records > 0 && self.behind_ms > 0
    }

    /// The end of the body.
    fn finish(&mut self) -> Result<Vec<u8>, Error> {
        self.records = None;
        let iterator = ShardIterator { created_ms: self.endpoint.now_ms(), ..self.iterator.clone() };
        let next =
            iterator.seal(&self.endpoint.keys()).ok_or_else(|| Error::bare(ErrorCode::InternalFailure))?;
        let at_end = self.is_at_end();
        let successors = self.successors.iter().filter(|_| at_end);
        let children: Vec<_> = successors.map(child_of).collect();
        let next = children.is_empty().then_some(next.as_str());
        Ok(self.writer.finish(next, self.behind_ms, &children))
    }

    /// Whether it is the end of a sealed shard: behind its last record, in an answer of its own.
    fn is_at_end(&self) -> bool {
        self.written == 0 && !self.successors.is_empty()
    }

    /// Waits until those that took over are listed, if they are to be named.
    fn children_listed(&self) -> impl Future<Output = ()> + Send + 'static {
        let children = self.successors.iter().filter(|_| self.is_at_end()).map(|child| child.id);
        let children: Vec<_> = children.collect();
        // Nothing of the answer is borrowed: a stream of records is not shared between threads.
        let (endpoint, stream) = (Arc::clone(&self.endpoint), Arc::clone(&self.stream));
        async move { endpoint.wait_until_listed(&stream, &children).await }
    }
}

/// The encoded bytes of all records of a frame.
fn encoded_bytes(outcome: &ReadOutcome) -> usize {
    outcome.runs.iter().map(|run| run.block.bytes().len()).sum()
}
