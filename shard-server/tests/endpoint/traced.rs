//! The order of system calls: no answer leaves before the write of its record has returned.
//!
//! A process that is killed leaves the page cache behind, so kills alone do not show it.

use std::path::Path;

use crate::program::{Local, create, put};

const PUTS: usize = 100;
const TMPFS_MAGIC: i64 = 0x0102_1994;

#[tokio::test]
async fn no_answer_leaves_before_its_write_has_returned() {
    let data_dir = tempfile::tempdir().unwrap();
    assert_ne!(
        file_system(data_dir.path()),
        TMPFS_MAGIC,
        "the data directory is in memory: set TMPDIR to a disk"
    );
    let trace = tempfile::NamedTempFile::new().unwrap();
    let local = Local::start_traced(data_dir.path(), trace.path()).await;
    let client = local.client();
    create(&client, "orders", 2).await;
    let before = local.written_bytes();
    let data: Vec<_> = (0..PUTS).map(|number| format!("MARK-{number:04}-{}", "x".repeat(3_000))).collect();
    for (number, data) in data.iter().enumerate() {
        put(&client, "orders", &number.to_string(), data).await;
    }
    let records_bytes: usize = data.iter().map(String::len).sum();
    let written = local.written_bytes() - before;
    local.stop().await;
    assert!(
        written >= records_bytes as u64,
        "{written} bytes went to the device, records had {records_bytes}"
    );

    let trace = std::fs::read_to_string(trace.path()).unwrap();
    let events: Vec<_> = events(&trace);
    let answers: Vec<_> =
        (0..events.len()).filter(|&at| matches!(events[at], Event::Answer)).rev().take(PUTS).collect();
    assert_eq!(answers.len(), PUTS);
    for (number, answer) in answers.into_iter().rev().enumerate() {
        let mark = format!("MARK-{number:04}-");
        let returned =
            events.iter().position(|event| matches!(event, Event::Written(data) if data.contains(&mark)));
        let returned = returned.unwrap_or_else(|| panic!("{mark} was never written"));
        assert!(returned < answer, "the answer to {mark} left before its write had returned");
    }
}

/// What matters of a trace, in order.
enum Event {
    /// A write to a file returned; what was written.
    Written(String),
    /// An answer to a put was handed to the kernel.
    Answer,
}

/// Reads strace's output: a line a call, or two where another thread came between.
fn events(trace: &str) -> Vec<Event> {
    let mut under_way = std::collections::HashMap::new();
    let mut events = Vec::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ').map(|(thread, call)| (thread, call.trim_start()))
        else {
            continue;
        };
        if call.contains("HTTP/1.1 200") && call.contains("SequenceNumber") {
            events.push(Event::Answer);
        } else if call.starts_with("pwrite64(") {
            if call.contains("<unfinished ...>") {
                under_way.insert(thread.to_owned(), call.to_owned());
            } else {
                events.push(Event::Written(call.into()));
            }
        } else if call.starts_with("<... pwrite64 resumed>") {
            events.extend(under_way.remove(thread).map(Event::Written));
        }
    }
    events
}

/// The kind of the file system that a directory is on.
fn file_system(directory: &Path) -> i64 {
    rustix::fs::statfs(directory).unwrap().f_type
}
