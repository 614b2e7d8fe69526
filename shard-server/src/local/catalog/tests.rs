//! The catalog of `local` with faults on the disk.

use std::fs;

use catalog::StreamMode;

use super::*;
use crate::protocol::{Position, Read, Refusal as DataRefusal};

const ACCOUNT: &str = "000000000000";
const REGION: &str = "us-east-1";

/// A data directory, and the metrics since it was last opened.
struct Fixture {
    directory: tempfile::TempDir,
    metrics: Metrics,
}

impl Fixture {
    fn new() -> Self {
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        Self { directory: tempfile::tempdir().unwrap(), metrics }
    }

    async fn open(&mut self) -> anyhow::Result<LocalCatalog> {
        self.metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let data_dir = DataDir::open(self.directory.path())?;
        let (copy, routes) = (CatalogCopy::default(), Arc::new(Routes::default()));
        LocalCatalog::open(data_dir, ACCOUNT, REGION, copy, routes, Arc::new(|| 1), self.metrics.clone())
            .await
    }

    fn names_in(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path().join(directory)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn call(name: &str) -> CreateStream {
    CreateStream {
        account_id: ACCOUNT.into(),
        region: Some(REGION.into()),
        name: name.parse().unwrap(),
        mode: StreamMode::Provisioned,
        shard_count: Some(1),
        max_record_size_kib: None,
        warm_throughput_mibps: None,
        tags: Default::default(),
    }
}

fn key(name: &str) -> StreamKey {
    StreamKey { account_id: ACCOUNT.into(), region: Some(REGION.into()), name: name.parse().unwrap() }
}

fn find(catalog: &LocalCatalog, name: &str) -> Result<Option<Stream>, Refusal> {
    let StreamKey { account_id, region, name } = key(name);
    catalog.find_stream(&FindStream { account_id, region, name })
}

fn delete(name: &str) -> DeleteStream {
    let StreamKey { account_id, region, name } = key(name);
    DeleteStream { account_id, region, name, enforce_consumer_deletion: false }
}

/// Reads the stream's first shard.
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
        wait_ms: 0,
    };
    group.call(read).await.map(drop)
}

#[tokio::test]
async fn stream_that_fails_to_open_does_not_keep_the_others_from_being_served() {
    let mut fixture = Fixture::new();
    let catalog = fixture.open().await.unwrap();
    let volume = |name: &str| {
        let stream = find(&catalog, name).unwrap().unwrap();
        catalog.data_dir.stream_dir(&stream.uid).join(group_name(&stream).unwrap())
    };
    for name in ["good", "empty", "stray", "corrupt"] {
        catalog.create_stream(call(name)).await.unwrap();
    }
    let (empty, stray, corrupt) = (volume("empty"), volume("stray"), volume("corrupt"));
    catalog.close().await;
    drop(catalog);
    fs::remove_dir_all(empty.join("group")).unwrap();
    fs::rename(stray.join("group"), stray.join("photo.jpg")).unwrap();
    fs::write(corrupt.join("group/identity.json"), "").unwrap();

    let catalog = fixture.open().await.unwrap();
    read(&catalog, "good").await.unwrap();
    for (name, why) in
        [("empty", "is empty"), ("stray", "photo.jpg"), ("corrupt", "identity.json is corrupt")]
    {
        let refused = read(&catalog, name).await.unwrap_err();
        assert!(matches!(refused, DataRefusal::LogStopped(_) | DataRefusal::Corrupt(_)), "{refused:?}");
        assert!(refused.to_string().contains(why), "{refused}");
    }
    assert_eq!(fixture.metrics.failed_groups.get(), 3);
    catalog.create_stream(call("another")).await.unwrap();
    catalog.delete_stream(delete("empty")).await.unwrap();
    assert_eq!((find(&catalog, "empty"), fixture.metrics.failed_groups.get()), (Ok(None), 2));
}

#[tokio::test]
async fn unreadable_stream_is_not_taken_for_absent() {
    let mut fixture = Fixture::new();
    let catalog = fixture.open().await.unwrap();
    for name in ["good", "unreadable"] {
        catalog.create_stream(call(name)).await.unwrap();
    }
    let unreadable = catalog.data_dir.stream_dir(&find(&catalog, "unreadable").unwrap().unwrap().uid);
    let kept = fs::read(unreadable.join("stream.json")).unwrap();
    catalog.close().await;
    drop(catalog);
    fs::write(unreadable.join("stream.json"), "{").unwrap();

    let catalog = fixture.open().await.unwrap();
    read(&catalog, "good").await.unwrap();
    assert_eq!(fixture.metrics.failed_groups.get(), 1);
    let names_it = |refused: Refusal| {
        assert_eq!(refused.code, RefusalCode::Unavailable);
        assert!(refused.message.contains(unreadable.to_str().unwrap()), "{}", refused.message);
    };
    names_it(find(&catalog, "unreadable").unwrap_err());
    names_it(catalog.create_stream(call("unreadable")).await.unwrap_err());
    catalog.close().await;
    drop(catalog);

    fs::write(unreadable.join("stream.json"), kept).unwrap();
    let catalog = fixture.open().await.unwrap();
    read(&catalog, "unreadable").await.unwrap();
}

#[tokio::test]
async fn failed_creation_leaves_no_files_and_the_name_free() {
    let mut fixture = Fixture::new();
    let catalog = fixture.open().await.unwrap();
    let mut entry = Entry::of_call(call("orders"), catalog.creation()).unwrap();
    entry.stream.groups[0].name = "No Name".into();
    assert!(catalog.draft(&entry).await.is_err());
    assert!(fixture.names_in("drafts").is_empty());

    let entry = Entry::of_call(call("orders"), catalog.creation()).unwrap();
    catalog.draft(&entry).await.unwrap();
    let log = catalog.data_dir.draft_dir(&entry.stream.uid).join("g0/group/logs/g0");
    fs::write(log.join("slots"), "").unwrap();
    let mut entries = catalog.entries.lock().await;
    assert!(catalog.publish(&mut entries, entry.clone()).await.is_err());
    assert!(entries.is_empty() && catalog.routes.group(&entry.stream.uid).is_none());
    drop(entries);
    assert!(fixture.names_in("drafts").is_empty() && fixture.names_in("streams").is_empty());
    assert_eq!(fixture.metrics.failed_groups.get(), 0);

    catalog.create_stream(call("orders")).await.unwrap();
    read(&catalog, "orders").await.unwrap();
}
