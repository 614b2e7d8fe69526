//! The hop from a process that receives to one that keeps, over one connection. Many requests are under way on it, and
//! are answered in order.
//!
//! ```text
//! request   bytes of the frames u32, number of records u32, the frames
//! answer    sequence number of the first record u64
//! ```

use std::io::{BufReader, ErrorKind, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

use crate::keep::{Batched, keep};

/// At most so many requests in one call to the kernel: Linux takes 1024 pieces, two a request.
const GATHERED: usize = 512;

const READ_BYTES: usize = 256 << 10;

/// Who waits for the sequence number of its first record.
pub type Caller = oneshot::Sender<u64>;

/// Connects to a process that keeps; what is sent to it is forwarded.
pub async fn forward(store: SocketAddr) -> Result<mpsc::UnboundedSender<Batched<Caller>>> {
    let stream = TcpStream::connect(store).await?;
    stream.set_nodelay(true)?;
    let (answers, requests) = stream.into_split();
    let (sender, waiting) = mpsc::unbounded_channel();
    let (callers, sent) = mpsc::unbounded_channel();
    tokio::spawn(async move { send(requests, waiting, callers).await.expect("the store takes all") });
    tokio::spawn(async move { answer(answers, sent).await.expect("the store answers all") });
    Ok(sender)
}

/// Sends what waits, all at once.
async fn send(
    mut requests: OwnedWriteHalf,
    mut waiting: mpsc::UnboundedReceiver<Batched<Caller>>,
    callers: mpsc::UnboundedSender<Caller>,
) -> Result<()> {
    let mut gathered = vec![];
    while waiting.recv_many(&mut gathered, GATHERED).await > 0 {
        let mut pieces = vec![];
        for Batched { frames, records, caller } in gathered.drain(..) {
            let mut head = u32::try_from(frames.len())?.to_le_bytes().to_vec();
            head.extend_from_slice(&u32::try_from(records)?.to_le_bytes());
            pieces.extend([head, frames]);
            callers.send(caller)?;
        }
        let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            let written = requests.write_vectored(rest).await?;
            IoSlice::advance_slices(&mut rest, written);
        }
    }
    Ok(())
}

async fn answer(answers: OwnedReadHalf, mut sent: mpsc::UnboundedReceiver<Caller>) -> Result<()> {
    let mut answers = tokio::io::BufReader::new(answers);
    while let Some(caller) = sent.recv().await {
        caller.send(answers.read_u64_le().await?).ok();
    }
    Ok(())
}

/// Keeps what comes over one connection, until that ends.
pub fn store(listen: SocketAddr, folder: &Path) -> Result<()> {
    let listener = TcpListener::bind(listen)?;
    let stream = loop {
        // Whoever looks whether somebody listens connects, and sends nothing.
        let (stream, _) = listener.accept()?;
        if stream.peek(&mut [0])? > 0 {
            break stream;
        }
    };
    stream.set_nodelay(true)?;
    let mut requests = BufReader::with_capacity(READ_BYTES, stream.try_clone()?);
    let mut answers = stream;
    let (sender, waiting) = channel();
    let folder = folder.to_owned();
    let keeping = thread::spawn(move || {
        keep(&folder, &waiting, |firsts| {
            let bytes: Vec<u8> = firsts.iter().flat_map(|((), first)| first.to_le_bytes()).collect();
            Ok(answers.write_all(&bytes)?)
        })
    });
    let mut head = [0; 8];
    loop {
        match requests.read_exact(&mut head) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            read => read?,
        }
        let [bytes, records] = [0, 4].map(|at| {
            let field: [u8; 4] = std::array::from_fn(|byte| head[at + byte]);
            u32::from_le_bytes(field)
        });
        let mut frames = vec![0; bytes as usize];
        requests.read_exact(&mut frames)?;
        sender.send(Batched { frames, records: records.into(), caller: () })?;
    }
    drop(sender);
    keeping.join().ok().context("the keeper failed")?
}
