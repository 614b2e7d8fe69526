//! Two versions and each other's logs, kept in `tests/golden/logs`: this version's, and those of a build that stands for
//! a later one (the feature `version-skew`), which a plain build reads and appends to, only reads, or refuses, as their
//! masks say. The later build reads and appends to all of them.

use super::*;
use crate::WriteError;

/// How a plain build takes a log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Whole,
    ReadOnly,
    Refused,
}

/// The kept logs, and how a plain build takes them.
const LOGS: [(&str, Taken); 5] = [
    ("plain", Taken::Whole),
    ("section", Taken::Whole),
    ("to-write", Taken::ReadOnly),
    ("to-read", Taken::Refused),
    ("entry", Taken::Refused),
];

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/logs").join(name)
}

/// A kept log, in a directory of its own.
fn kept(name: &str) -> Bench {
    let bench = Bench::new();
    for name in bench.names() {
        bench.disk.remove(&name).unwrap();
    }
    for file in std::fs::read_dir(golden(name)).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), bench.path(&file.file_name().into_string().unwrap())).unwrap();
    }
    bench
}

/// Writes the log of this name as it is kept, in its sparest form: "one" and "two" for shard 0, "three" for shard 1, and
/// a retention of 48 hours as the last entry.
fn write(name: &str) {
    let mut bench = Bench::new();
    bench.sizes = Sizes { first_segment_bytes: 16 << 10, largest_segment_bytes: 16 << 10, ..bench.sizes };
    let (mut log, _reader) = bench.open();
    put(&mut log, 0, &["one", "two"]);
    put(&mut log, 1, &["three"]);
    log.set_retention(48).unwrap();
    drop(log);
    let to = golden(name);
    std::fs::create_dir_all(&to).unwrap();
    for name in bench.names() {
        std::fs::copy(bench.path(&name), to.join(&name)).unwrap();
    }
}

#[test]
#[cfg(not(feature = "version-skew"))]
#[ignore = "writes the log that the other tests open: only where its bytes may change"]
fn write_golden_log() {
    write("plain");
}

#[test]
#[cfg(feature = "version-skew")]
#[ignore = "writes the logs that the other tests open: only where their bytes may change"]
fn write_golden_logs_of_a_later_version() {
    use crate::format::skew::{Skew, set};
    let none = Skew::default();
    for (name, skew) in [
        ("section", Skew { section: true, ..none }),
        ("to-write", Skew { section: true, to_write: true, ..none }),
        ("to-read", Skew { section: true, to_read: true, to_write: true, ..none }),
        ("entry", Skew { entry: true, ..none }),
    ] {
        set(skew);
        write(name);
    }
}

fn assert_reads(reader: &Reader) {
    assert_eq!((all(reader, 0), all(reader, 1)), (vec!["one".into(), "two".into()], vec!["three".into()]));
    assert_eq!(reader.status().retention_hours, Some(48));
}

fn assert_goes_on(bench: &Bench) {
    let (mut log, reader) = bench.open();
    assert_reads(&reader);
    assert_eq!(put(&mut log, 0, &["next"]).first_offset, 3);
    drop((log, reader));
    let (_log, reader) = bench.open();
    assert_eq!(all(&reader, 0), ["one", "two", "next"]);
}

#[test]
fn log_of_another_version_is_taken_as_its_masks_say_and_nothing_of_it_is_cut() {
    for (name, taken) in LOGS {
        let bench = kept(name);
        let files = |bench: &Bench| {
            bench
                .names()
                .into_iter()
                .map(|name| std::fs::read(bench.path(&name)).unwrap())
                .collect::<Vec<_>>()
        };
        let before = files(&bench);
        match taken {
            Taken::ReadOnly if !cfg!(feature = "version-skew") => {
                let (mut log, reader) = bench.open();
                assert_reads(&reader);
                let why = reader.status().stopped.unwrap();
                assert!(why.contains("run version 99.0.0 or a newer one"), "{name}: {why}");
                assert!(matches!(log.append(&[vec![run(0, &["x"])]]), Err(WriteError::Stopped(_))), "{name}");
                assert!(log.maintain().is_err(), "{name}");
            }
            Taken::Refused if !cfg!(feature = "version-skew") => {
                let Err(Error::Newer(newer)) = bench.try_open() else { panic!("{name} is refused as newer") };
                let why = newer.to_string();
                assert!(why.contains("run version 99.0.0 or a newer one"), "{name}: {why}");
            }
            Taken::Whole | Taken::ReadOnly | Taken::Refused => {
                assert_goes_on(&bench);
                continue;
            }
        }
        assert!(files(&bench) == before, "{name} was changed");
    }
}
