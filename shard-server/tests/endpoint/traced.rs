//! The order of system calls: no answer leaves before its record is durable.
//!
//! A process that is killed leaves the page cache behind, so kills alone do not show it.

use std::collections::HashSet;

use futures::future::join_all;

use crate::cgroup::Cgroup;
use crate::program::{Local, create, data_dir, put};
use crate::strace::{Call, calls};

const CLIENTS: usize = 8;
/// Of each client: together more than the first segment holds.
const PUTS: usize = 20;
const RECORD_BYTES: usize = 8_000;
/// More than any disk takes.
const NO_LIMIT: u64 = 1 << 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_leaves_before_its_record_is_durable() {
    let data_dir = data_dir();
    let group = Cgroup::new("traced", data_dir.path());
    group.limit_writes(NO_LIMIT);
    let trace = tempfile::NamedTempFile::new().unwrap();
    let local = Local::start_traced(data_dir.path(), trace.path()).await;
    group.add(local.id());
    create(&local.client(), "orders", 2).await;
    let before = group.written_bytes();
    // Several clients at once, so that they share batches.
    let acknowledged = join_all((0..CLIENTS).map(|client| put_all(&local, client))).await;
    let written = group.written_bytes() - before;
    local.stop().await;
    let records_bytes = (CLIENTS * PUTS * RECORD_BYTES) as u64;
    assert!(written >= records_bytes, "{written} bytes went to the disk, records had {records_bytes}");

    let trace = std::fs::read_to_string(trace.path()).unwrap();
    let calls = calls(&trace);
    let mut batches = HashSet::new();
    for (mark, sequence_number) in acknowledged.iter().flatten() {
        let write = calls.iter().find(|call| call.name() == "pwrite64" && call.text.contains(mark));
        let write = write.unwrap_or_else(|| panic!("{mark} was never written"));
        let durable = durable(&calls, write).unwrap_or_else(|| panic!("{mark} was never made durable"));
        let answer = calls.iter().find(|call| is_answer(call) && call.text.contains(sequence_number));
        assert!(durable < answer.unwrap().begun, "the answer to {mark} left before it was durable");
        batches.insert(write.begun);
    }
    assert!(batches.len() < CLIENTS * PUTS, "no batch was shared");
    let begun = calls.iter().filter(|call| is_beginning_of_segment(call));
    let begun = begun.map(|rename| assert_begun_durably(&calls, rename)).count();
    assert!(begun >= 2, "{begun} segments were begun");
}

/// Puts records one by one; gives each one's mark and sequence number.
async fn put_all(local: &Local, client: usize) -> Vec<(String, String)> {
    let kinesis = local.client();
    let mut acknowledged = Vec::new();
    for number in 0..PUTS {
        let mark = format!("MARK-{client}-{number:02}-");
        let data = format!("{mark:x<RECORD_BYTES$}");
        acknowledged.push((mark, put(&kinesis, "orders", &number.to_string(), &data).await.1));
    }
    acknowledged
}

/// The line on which it is known that a write is durable, if ever: where it returned from a file that is synced by
/// every write, or where a sync of the file behind it did.
fn durable(calls: &[Call], write: &Call) -> Option<usize> {
    assert!(write.is_done(), "a write gave {}", write.result);
    let result = format!("{}<", write.descriptor());
    let mut opened = calls.iter().filter(|call| call.name() == "openat" && call.returned < write.begun);
    let opened = opened.rfind(|call| call.result.starts_with(&result))?;
    match opened.text.contains("O_DSYNC") || opened.text.contains("O_SYNC") {
        true => Some(write.returned),
        false => synced(calls, write.descriptor(), write.returned).map(|sync| sync.returned),
    }
}

/// The first sync of a descriptor that begins behind a line.
fn synced<'a>(calls: &'a [Call], descriptor: &str, behind: usize) -> Option<&'a Call> {
    let mut syncs = calls.iter().filter(|call| matches!(call.name(), "fsync" | "fdatasync"));
    syncs.find(|call| call.descriptor() == descriptor && call.begun > behind && call.is_done())
}

fn is_answer(call: &Call) -> bool {
    matches!(call.name(), "write" | "writev" | "sendto") && call.text.contains("HTTP/1.1 200")
}

/// A segment gets its name last: by the renaming of the spare.
fn is_beginning_of_segment(call: &Call) -> bool {
    call.name().starts_with("rename") && call.text.contains("/spare\"")
}

/// The head is written and synced, then the spare gets the segment's name, then the directory is synced, then the first
/// batch is written.
fn assert_begun_durably(calls: &[Call], rename: &Call) {
    assert!(rename.is_done(), "{} = {}", rename.text, rename.result);
    let segment = rename.text.rsplit('"').nth(1).unwrap();
    let (directory, _) = segment.rsplit_once('/').unwrap();
    let spare = format!("{directory}/spare");
    let of_path = |name: &'static str, path: &str| {
        let path = path.to_owned();
        calls.iter().filter(move |call| call.name() == name && call.path() == path)
    };
    let head = of_path("pwrite64", &spare).rfind(|write| write.returned < rename.begun).unwrap();
    assert_eq!(head.last_argument(), "0", "the head is at the beginning");
    let synced = synced(calls, head.descriptor(), head.returned).map(|sync| sync.returned);
    assert!(synced.is_some_and(|synced| synced < rename.begun), "{segment} had its name before its head");
    let mut directory_syncs = of_path("fsync", directory).filter(|sync| sync.begun > rename.returned);
    let named = directory_syncs.next().map(|sync| sync.returned);
    let first = of_path("pwrite64", segment).next().unwrap();
    assert!(first.begun > rename.returned, "a batch before the name of {segment}");
    assert!(
        named.is_some_and(|named| named < first.begun),
        "a batch before the name of {segment} was durable"
    );
}
