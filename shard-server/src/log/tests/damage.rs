//! Bytes change after they were written.

use super::*;

/// Shard 0 of the log, or the damage that opening it found.
async fn open_and_read(bench: &Bench) -> Result<Vec<String>, (PathBuf, u64)> {
    match bench.open() {
        Ok(log) => Ok(all(&log, 0).await),
        Err(Error::Damaged { path, position, .. }) => Err((path, position)),
        Err(error) => panic!("{error}"),
    }
}

/// A log with batches "a", "b", "c"; the positions where each begins, and the end.
async fn three_batches() -> (Bench, Vec<usize>) {
    let bench = Bench::new();
    let log = bench.open().unwrap();
    let mut positions = vec![log.durable_bytes() as usize];
    for data in ["a", "b", "c"] {
        log.append(vec![run(0, &[data])]).await.unwrap();
        positions.push(log.durable_bytes() as usize);
    }
    log.close().await;
    (bench, positions)
}

#[tokio::test]
async fn flipped_bit_in_an_early_batch_is_damage_and_changes_nothing() {
    let (bench, positions) = three_batches().await;
    let bytes = bench.bytes();
    for at in 0..positions[2] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        bench.set_bytes(&flipped);
        let begin = match at {
            0..format::FILE_HEAD_BYTES => 0,
            _ => *[format::FILE_HEAD_BYTES, positions[0], positions[1]]
                .iter()
                .rfind(|begin| **begin <= at)
                .unwrap(),
        };
        assert_eq!(open_and_read(&bench).await, Err((bench.file(), begin as u64)), "byte {at}");
        assert_eq!(bench.bytes(), flipped, "byte {at}");
    }
}

#[tokio::test]
async fn flipped_bit_in_the_last_batch_never_gives_wrong_records() {
    let (bench, positions) = three_batches().await;
    let bytes = bench.bytes();
    for at in positions[2]..positions[3] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        bench.set_bytes(&flipped);
        assert_eq!(open_and_read(&bench).await, Ok(vec!["a".into(), "b".into()]), "byte {at}");
    }
}

#[tokio::test]
async fn early_damage_is_seen_although_a_torn_tail_follows() {
    let (bench, positions) = three_batches().await;
    let mut bytes = bench.bytes();
    bytes[positions[1] + 5] ^= 1;
    bytes.pop();
    bench.set_bytes(&bytes);
    assert_eq!(open_and_read(&bench).await, Err((bench.file(), positions[1] as u64)));
}

#[tokio::test]
async fn missing_batch_is_damage() {
    let (bench, positions) = three_batches().await;
    let mut bytes = bench.bytes();
    bytes.drain(positions[1]..positions[2]);
    bench.set_bytes(&bytes);
    assert_eq!(open_and_read(&bench).await, Err((bench.file(), positions[1] as u64)));
}

#[tokio::test]
async fn missing_or_empty_file_is_never_an_empty_log() {
    let (bench, _) = three_batches().await;
    let first_batch = bench.bytes()[..format::FILE_HEAD_BYTES].to_vec();
    for bytes in [&b""[..], &first_batch] {
        bench.set_bytes(bytes);
        assert!(open_and_read(&bench).await.is_err(), "{} bytes", bytes.len());
    }
    fs::remove_file(bench.file()).unwrap();
    assert_eq!(open_and_read(&bench).await, Err((bench.file(), 0)));
}

#[tokio::test]
async fn log_of_another_volume_is_damage() {
    let (bench, _) = three_batches().await;
    let other = bench.directory.path().join("other");
    create(&other, Uuid::from_u128(2), &opens(3), 1_000).unwrap();
    fs::copy(other.join(FILE_NAME), bench.file()).unwrap();
    assert_eq!(open_and_read(&bench).await, Err((bench.file(), 0)));
}

#[tokio::test]
async fn zeros_longer_than_any_batch_are_no_tail() {
    let (bench, positions) = three_batches().await;
    let file = OpenOptions::new().write(true).open(bench.file()).unwrap();
    file.set_len(positions[3] as u64 + format::MAX_BATCH_BYTES as u64 + 1).unwrap();
    assert_eq!(open_and_read(&bench).await, Err((bench.file(), positions[3] as u64)));
}

#[tokio::test]
async fn damage_under_a_running_log_is_refused_by_position() {
    let (bench, positions) = three_batches().await;
    let log = bench.open().unwrap();
    let mut bytes = bench.bytes();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    bench.set_bytes(&bytes);
    match log.read(shard(0), Position::Offset(3), 0, ALL).await {
        Err(Refusal::Damaged(what)) => assert!(what.contains(&bench.file().display().to_string()), "{what}"),
        other => panic!("{other:?}"),
    }
    let limits = Limits { max_records: 2, ..ALL };
    let before = log.read(shard(0), Position::TrimHorizon, 0, limits).await.unwrap();
    assert_eq!(flatten(&before.runs).len(), 2, "what lies before byte {} is read", positions[2]);
}

#[tokio::test]
async fn record_that_looks_like_a_batch_does_not_turn_a_tail_into_damage() {
    let (bench, positions) = three_batches().await;
    let other = Format::new(Uuid::from_u128(3));
    let mut fake = Vec::new();
    other.encode(9, 9_000, &[], &mut fake);
    let log = bench.open().unwrap();
    log.append(vec![run(0, &[fake, vec![0; 10]])]).await.unwrap();
    log.close().await;
    let bytes = bench.bytes();
    bench.set_bytes(&bytes[..bytes.len() - 1]);
    assert_eq!(open_and_read(&bench).await.unwrap(), ["a", "b", "c"]);
    assert_eq!(bench.bytes().len(), positions[3]);
}
