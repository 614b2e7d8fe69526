//! The catalog of `local`, with what may be wrong on the disk.

use std::fs;

use catalog::StreamMode;

use super::*;
use crate::protocol::{Position, Read, Refusal as DataRefusal};

const ACCOUNT: &str = "000000000000";

/// A data directory, and what was counted since it was last opened.
struct Bench {
    directory: tempfile::TempDir,
    metrics: Metrics,
}

impl Bench {
    fn new() -> Self {
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        Self { directory: tempfile::tempdir().unwrap(), metrics }
    }

    async fn open(&mut self) -> anyhow::Result<LocalCatalog> {
        self.metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let data_dir = DataDir::open(self.directory.path())?;
        let (copy, routes) = (CatalogCopy::default(), Arc::new(Routes::default()));
        LocalCatalog::open(data_dir, ACCOUNT, copy, routes, Arc::new(|| 1), self.metrics.clone()).await
    }

    fn names_in(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path().join(directory)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn call(name: &str) -> CreateStream {
    CreateStream {
        account_id: ACCOUNT.into(),
        name: name.parse().unwrap(),
        mode: StreamMode::Provisioned,
        shard_count: Some(1),
        max_record_size_kib: None,
        tags: Default::default(),
    }
}

fn find(catalog: &LocalCatalog, name: &str) -> Result<Option<Stream>, Refusal> {
    catalog.find_stream(&FindStream { account_id: ACCOUNT.into(), name: name.parse().unwrap() })
}

/// What a read of the stream's first shard answers.
async fn read(catalog: &LocalCatalog, name: &str) -> Result<(), DataRefusal> {
    let stream = find(catalog, name).unwrap().unwrap();
    let group = catalog.routes.group(&stream.uid).unwrap();
    let read = Read {
        stream_uid: stream.uid.clone(),
        log: group_name(&stream).unwrap().into(),
        shard: stream.shards[0].id,
        position: Position::TrimHorizon,
        max_records: 1,
        max_bytes: 1,
        max_frame_bytes: 0,
    };
    group.call(read).await.map(drop)
}

#[tokio::test]
async fn stream_that_does_not_come_up_keeps_no_other_from_it() {
    let mut bench = Bench::new();
    let catalog = bench.open().await.unwrap();
    let volume = |name: &str| {
        let stream = find(&catalog, name).unwrap().unwrap();
        catalog.data_dir.stream_dir(&stream.uid).join(group_name(&stream).unwrap())
    };
    for name in ["good", "lost", "stray", "damaged"] {
        catalog.create_stream(call(name)).await.unwrap();
    }
    let (lost, stray, damaged) = (volume("lost"), volume("stray"), volume("damaged"));
    catalog.close().await;
    drop(catalog);
    fs::remove_dir_all(lost.join("group")).unwrap();
    fs::rename(stray.join("group"), stray.join("photo.jpg")).unwrap();
    fs::write(damaged.join("group/identity.json"), "").unwrap();

    let catalog = bench.open().await.unwrap();
    read(&catalog, "good").await.unwrap();
    for (name, why) in [("lost", "is empty"), ("stray", "photo.jpg"), ("damaged", "identity.json is damaged")]
    {
        let refused = read(&catalog, name).await.unwrap_err();
        assert!(matches!(refused, DataRefusal::LogStopped(_) | DataRefusal::Damaged(_)), "{refused:?}");
        assert!(refused.to_string().contains(why), "{refused}");
    }
    assert_eq!(bench.metrics.failed_groups.get(), 3);
    catalog.create_stream(call("another")).await.unwrap();
    let delete = DeleteStream { account_id: ACCOUNT.into(), name: "lost".parse().unwrap() };
    catalog.delete_stream(delete).await.unwrap();
    assert_eq!((find(&catalog, "lost"), bench.metrics.failed_groups.get()), (Ok(None), 2));
}

#[tokio::test]
async fn stream_that_cannot_be_read_is_not_taken_for_none() {
    let mut bench = Bench::new();
    let catalog = bench.open().await.unwrap();
    for name in ["good", "bad"] {
        catalog.create_stream(call(name)).await.unwrap();
    }
    let bad = catalog.data_dir.stream_dir(&find(&catalog, "bad").unwrap().unwrap().uid);
    let kept = fs::read(bad.join("stream.json")).unwrap();
    catalog.close().await;
    drop(catalog);
    fs::write(bad.join("stream.json"), "{").unwrap();

    let catalog = bench.open().await.unwrap();
    read(&catalog, "good").await.unwrap();
    assert_eq!(bench.metrics.failed_groups.get(), 1);
    let names_it = |refused: Refusal| {
        assert_eq!(refused.code, RefusalCode::Unavailable);
        assert!(refused.message.contains(bad.to_str().unwrap()), "{}", refused.message);
    };
    names_it(find(&catalog, "bad").unwrap_err());
    names_it(catalog.create_stream(call("bad")).await.unwrap_err());
    catalog.close().await;
    drop(catalog);

    fs::write(bad.join("stream.json"), kept).unwrap();
    let catalog = bench.open().await.unwrap();
    read(&catalog, "bad").await.unwrap();
}

#[tokio::test]
async fn stream_that_cannot_be_made_leaves_nothing_and_its_name_free() {
    let mut bench = Bench::new();
    let catalog = bench.open().await.unwrap();
    let mut made = Entry::of_call(call("orders"), catalog.birth()).unwrap();
    made.stream.groups[0].name = "No Name".into();
    assert!(catalog.draft(&made).await.is_err());
    assert!(bench.names_in("drafts").is_empty());

    let made = Entry::of_call(call("orders"), catalog.birth()).unwrap();
    catalog.draft(&made).await.unwrap();
    let log = catalog.data_dir.draft_dir(&made.stream.uid).join("g0/group/logs/g0");
    fs::write(log.join("slots"), "").unwrap();
    let mut entries = catalog.entries.lock().await;
    assert!(catalog.publish(&mut entries, made.clone()).await.is_err());
    assert!(entries.is_empty() && catalog.routes.group(&made.stream.uid).is_none());
    drop(entries);
    assert!(bench.names_in("drafts").is_empty() && bench.names_in("streams").is_empty());
    assert_eq!(bench.metrics.failed_groups.get(), 0);

    catalog.create_stream(call("orders")).await.unwrap();
    read(&catalog, "orders").await.unwrap();
}
