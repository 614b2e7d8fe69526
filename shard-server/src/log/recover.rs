//! Reading a log again after its process ended, however it ended.
//!
//! One write is under way at a time and the next begins only after it was synced. So what a crash leaves is whole
//! batches and, behind them, at most one batch of which any part may be missing: the tail, which nobody was answered
//! for. A bad batch with the heads of another behind it, or with more bytes behind it than a batch may have, is
//! therefore damage, never a tail; so is a log without its first batch, which is durable before the volume has an identity.
//! (Damage to the very last batch cannot be told from a tail.)

use std::fs::File;
use std::io;

use super::format::{BATCH_HEAD_BYTES, BatchHead, FILE_HEAD_BYTES, Format, Invalid, MAX_BATCH_BYTES};
use super::state::State;
use super::window::Window;

/// How much is read at once.
const PIECE_BYTES: usize = 1 << 20;

/// What was found.
#[derive(Debug)]
pub struct Recovered {
    /// The state behind the last whole batch.
    pub state: State,
    /// Bytes of a tail behind it, to be cut off before anything is appended.
    pub tail_bytes: u64,
}

/// Why a log was not recovered.
#[derive(Debug)]
pub enum Failure {
    /// It is damaged at this position.
    Damaged(u64, Invalid),
    /// It could not be read.
    Unread(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Unread(error)
    }
}

/// Reads and checks all of the file. Changes nothing.
pub fn recover(file: &File, format: Format) -> Result<Recovered, Failure> {
    let file_bytes = file.metadata()?.len();
    let mut window = Window::new(file, PIECE_BYTES);
    if window.get(0, FILE_HEAD_BYTES)? != format.file_head() {
        return Err(Failure::Damaged(
            0,
            Invalid("the file does not begin with the head of this volume's log"),
        ));
    }
    let mut state = State::new();
    while state.end < file_bytes {
        let position = state.end;
        match whole_batch(&mut window, position, format)? {
            Ok(head) => {
                let batch = window.get(position, head.bytes)?;
                state.apply(&head, batch).map_err(|invalid| Failure::Damaged(position, invalid))?;
            }
            Err(invalid) => {
                if state.next_index == 1 || !is_tail(&mut window, position, file_bytes, format)? {
                    return Err(Failure::Damaged(position, invalid));
                }
                tracing::warn!(position, bytes = file_bytes - position, %invalid, "the log ends in an incomplete batch");
                break;
            }
        }
    }
    if state.next_index == 1 {
        return Err(Failure::Damaged(state.end, Invalid("the log has not even its first batch")));
    }
    let tail_bytes = file_bytes - state.end;
    Ok(Recovered { state, tail_bytes })
}

/// The head of the batch at a position, after all of the batch was checked.
fn whole_batch(
    window: &mut Window<'_>,
    position: u64,
    format: Format,
) -> io::Result<Result<BatchHead, Invalid>> {
    let head = match format.heads_bytes(window.get(position, BATCH_HEAD_BYTES)?) {
        Ok(heads_bytes) => format.parse(window.get(position, heads_bytes)?),
        Err(invalid) => Err(invalid),
    };
    match head {
        Ok(head) => Ok(format.parse_whole(window.get(position, head.bytes)?)),
        Err(invalid) => Ok(Err(invalid)),
    }
}

/// Whether what begins with a bad batch can be what a crash left of one write.
fn is_tail(window: &mut Window<'_>, position: u64, file_bytes: u64, format: Format) -> io::Result<bool> {
    let rest_bytes = match usize::try_from(file_bytes - position) {
        Ok(bytes) if bytes <= MAX_BATCH_BYTES => bytes,
        _ => return Ok(false),
    };
    Ok(!format.has_batch_behind(window.get(position, rest_bytes)?))
}
