//! The catalog of `local`: it applies control calls and manifests at once, and durably before it answers.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use anyhow::{Context as _, bail};
use catalog::control::{
    CreateStream, DeleteStream, FindStream, MAX_SHARD_COUNT, Refusal, RefusalCode, StreamKey,
};
use catalog::feed::CatalogEvent;
use catalog::member::{OpenShard, SetRetention};
use catalog::resource::Violation;
use catalog::{ShardState, Stream};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::account::Account;
use super::data_dir::DataDir;
use super::entry::{Applied, Creation, Entry, object_of};
use super::manifest::Manifest;
use super::stream_file::{self, Entries};
use crate::clock::Clock;
use crate::gateway::Routes;
use crate::gateway::catalog::{CatalogCopy, Scope};
use crate::shard::volume::{self, Identity};
use crate::shard::{Group, GroupConfig, Metrics, Resources};

/// How many streams are opened at the same time when the process starts.
const MAX_CONCURRENT_OPENS: usize = 16;

/// The streams of a data directory and their groups. All changes go through it.
pub struct LocalCatalog {
    pub(super) data_dir: Arc<DataDir>,
    /// The region of manifests, and of calls that are not signed.
    pub(super) region: String,
    pub(super) copy: CatalogCopy,
    pub(super) routes: Arc<Routes>,
    clock: Clock,
    metrics: Metrics,
    resources: Resources,
    /// Directories of streams that cannot be read. Their names are unknown.
    unreadable: Vec<PathBuf>,
    /// The entries on disk. Locked during every change, so that changes are serialized.
    pub(super) entries: Mutex<Entries>,
    /// The settings of the account. Locked during every change, and never together with `entries`.
    pub(super) account: Mutex<Account>,
    /// The objects whose manifests were applied since the start.
    managed: std::sync::Mutex<BTreeSet<String>>,
}

impl fmt::Debug for LocalCatalog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LocalCatalog").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

impl LocalCatalog {
    /// Reads the catalog of a directory, opens all its streams, and adds them to `copy` and `routes`. A stream that
    /// cannot be read or opened does not keep the others from being served.
    ///
    /// # Errors
    /// If the catalog cannot be read, or belongs to another account.
    pub async fn open(
        data_dir: DataDir,
        account_id: &str,
        region: &str,
        copy: CatalogCopy,
        routes: Arc<Routes>,
        clock: Clock,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        data_dir.sweep()?;
        let (mut entries, mut unreadable) = (Entries::new(), Vec::new());
        for directory in data_dir.stream_dirs()? {
            match stream_file::read(&directory) {
                Ok(mut entry) => {
                    // An earlier version had streams of one region only.
                    entry.stream.region.get_or_insert_with(|| region.into());
                    entries.insert(entry.stream.uid.clone(), entry);
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(directory = %directory.display(), error, "a stream cannot be read");
                    unreadable.push(directory);
                }
            }
        }
        metrics.failed_groups.add(unreadable.len() as i64);
        if let Some(foreign) =
            entries.values().map(|entry| &entry.stream).find(|stream| stream.account_id != account_id)
        {
            bail!(
                "the data directory {} is of account {}: start with --account-id {}, or with another --data-dir",
                data_dir.path().display(),
                foreign.account_id,
                foreign.account_id
            );
        }
        let resources = Resources::new(metrics.log.clone()).trusting_own_clock();
        let account = Mutex::new(Account::read(data_dir.path())?);
        let catalog = Self {
            data_dir: Arc::new(data_dir),
            region: region.into(),
            copy,
            routes,
            clock,
            metrics,
            resources,
            unreadable,
            entries: Mutex::default(),
            account,
            managed: std::sync::Mutex::default(),
        };
        let streams: Vec<_> = entries.values().map(|entry| entry.stream.clone()).collect();
        for chunk in streams.chunks(MAX_CONCURRENT_OPENS) {
            // A group that fails to open has logged why, and answers every call with that reason.
            let _ = futures::future::join_all(chunk.iter().map(|stream| catalog.open_stream(stream))).await;
        }
        // A change of shards may have been under way: the log is the truth.
        entries.values_mut().for_each(|entry| **entry = catalog.with_log(entry));
        let streams = entries.values().map(|entry| entry.stream.clone()).collect();
        *catalog.entries.lock().await = entries;
        catalog.copy.apply(CatalogEvent::Snapshot(streams));
        Ok(catalog)
    }

    /// Applies a manifest: creates or updates its stream.
    ///
    /// # Errors
    /// If the manifest breaks a rule or cannot be applied; the text names manifest and field.
    pub async fn apply(&self, manifest: &Manifest, account_id: &str) -> anyhow::Result<()> {
        let mut entries = self.entries.lock().await;
        self.managed.lock().unwrap_or_else(PoisonError::into_inner).insert(object_of(&manifest.stream));
        let source = &manifest.source;
        let refused = |violations: Vec<_>| anyhow::anyhow!("{source}: {}", joined(&violations));
        match entry_of(&entries, manifest, &self.region)? {
            None => {
                self.check_all_known().map_err(|refusal| anyhow::anyhow!("{source}: {}", refusal.message))?;
                let entry = Entry::of_manifest(&manifest.stream, account_id, &self.region, self.creation())
                    .map_err(refused)?;
                tracing::info!(stream = %entry.stream.name, "created by a manifest");
                let created = async {
                    self.draft(&entry).await?;
                    self.publish(&mut entries, entry).await
                };
                created.await.with_context(|| format!("{source}: create the stream"))
            }
            Some(entry) => {
                let updated = entry.updated(&manifest.stream).map_err(refused)?;
                if updated == *entry {
                    return Ok(());
                }
                tracing::info!(stream = %updated.stream.name, "updated by a manifest");
                self.replace(&mut entries, updated).await
            }
        }
    }

    /// Creates a stream, ACTIVE at once.
    ///
    /// # Errors
    /// If the name is taken, or the disk refuses.
    pub async fn create_stream(&self, call: CreateStream) -> Result<(), Refusal> {
        let key = call.key();
        self.check_creation(&call).await?;
        if named(&*self.entries.lock().await, &key).is_some() {
            return Err(key.already_exists());
        }
        self.check_all_known()?;
        let entry = Entry::of_call(call, self.creation()).map_err(|violations| Refusal {
            code: RefusalCode::InvalidArgument,
            message: joined(&violations),
        })?;
        // Most of the work is done without the lock, so that the drafts of many streams are written together.
        self.draft(&entry).await.map_err(|error| unavailable(&error))?;
        let mut entries = self.entries.lock().await;
        if named(&entries, &key).is_some() {
            // Another call created it meanwhile.
            let _ = self.discard(&entry.stream.uid).await;
            return Err(key.already_exists());
        }
        self.publish(&mut entries, entry).await.map_err(|error| unavailable(&error))
    }

    /// Deletes a stream with all its records.
    ///
    /// # Errors
    /// If it does not exist, or the disk refuses.
    pub async fn delete_stream(&self, call: DeleteStream) -> Result<(), Refusal> {
        let mut entries = self.entries.lock().await;
        let key = call.key();
        let Some(entry) = named(&entries, &key) else {
            self.check_all_known()?;
            return Err(key.not_found());
        };
        if let Some(applied) = self.manager(entry) {
            let message = format!(
                "Stream {} under account {} is managed by the manifest {}: start without that, then delete it.",
                key.name, key.account_id, applied.object
            );
            return Err(Refusal::new(RefusalCode::ResourceInUse, message));
        }
        call.check_consumers(entry.consumers.count())?;
        let uid = entry.stream.uid.clone();
        let (data_dir, withdrawn) = (self.data_dir.clone(), uid.clone());
        let done = on_disk(move || Ok(data_dir.withdraw(&withdrawn)?)).await;
        done.map_err(|error| unavailable(&error))?;
        entries.remove(&uid);
        self.copy.apply(CatalogEvent::Removed { uid: uid.clone(), map_version: None });
        drop(entries);
        if let Some(group) = self.routes.remove_group(&uid) {
            group.close_in_time().await;
        }
        // The stream is deleted already. Files that stay on disk are swept at the next start.
        let dir = self.data_dir.draft_dir(&uid);
        match tokio::task::spawn_blocking(move || std::fs::remove_dir_all(dir)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(uid, %error, "a deleted stream's files stay until the next start")
            }
            Err(error) => tracing::warn!(uid, %error, "a deleted stream's files stay until the next start"),
        }
        Ok(())
    }

    /// The stream with a name.
    ///
    /// # Errors
    /// If it is not found, but a stream that cannot be read may have the name.
    pub fn find_stream(&self, call: &FindStream) -> Result<Option<Stream>, Refusal> {
        let scope = Scope { account_id: &call.account_id, region: call.region.as_deref() };
        match self.copy.find(scope, &call.name) {
            Some(stream) => Ok(Some(Stream::clone(&stream))),
            None => self.check_all_known().map(|()| None),
        }
    }

    /// Closes all groups. Their appends are durable then, unless a disk takes too long.
    pub async fn close(&self) {
        let groups = self.routes.remove_groups();
        futures::future::join_all(groups.iter().map(Group::close_in_time)).await;
    }

    /// The manifest of a stream, if it was applied since the start: it owns what it sets.
    pub(super) fn manager<'e>(&self, entry: &'e Entry) -> Option<&'e Applied> {
        let managed = self.managed.lock().unwrap_or_else(PoisonError::into_inner);
        entry.manifest.as_ref().filter(|applied| managed.contains(&applied.object))
    }

    /// Milliseconds since 1970.
    pub(super) fn now_ms(&self) -> i64 {
        i64::try_from((self.clock)()).unwrap_or(i64::MAX)
    }

    /// Checks the values of a new stream in the words of the API.
    async fn check_creation(&self, call: &CreateStream) -> Result<(), Refusal> {
        call.check_tags()?;
        call.check_warm_throughput(self.has_commitment(&call.key()).await)?;
        let Some(shards) = call.shard_count.filter(|shards| *shards > MAX_SHARD_COUNT) else {
            return Ok(());
        };
        let region = call.region.as_deref().unwrap_or(&self.region);
        let entries = self.entries.lock().await;
        let of_region = entries.values().filter(|entry| entry.stream.region.as_deref() == Some(region));
        let all = of_region.flat_map(|entry| &entry.stream.shards);
        let open = all.filter(|shard| shard.state == ShardState::Open).count();
        let open = u32::try_from(open).unwrap_or(u32::MAX);
        let limit = MAX_SHARD_COUNT;
        let error = kinesis_wire::Error::shard_limit_exceeded(&call.account_id, region, open, limit, shards);
        Err(Refusal::new(RefusalCode::LimitExceeded, error.message.unwrap_or_default()))
    }

    /// Refuses while a stream cannot be read: it may have any name.
    pub(super) fn check_all_known(&self) -> Result<(), Refusal> {
        let Some(directory) = self.unreadable.first() else { return Ok(()) };
        let message = format!(
            "the stream in {} cannot be read, so its name is not known: bring its stream.json back, or take the \
             directory away, and start again",
            directory.display()
        );
        Err(Refusal { code: RefusalCode::Unavailable, message })
    }

    async fn discard(&self, uid: &str) -> anyhow::Result<()> {
        let (data_dir, uid) = (self.data_dir.clone(), uid.to_owned());
        on_disk(move || Ok(data_dir.discard(&uid)?)).await
    }

    /// Writes a new stream as a draft, completely or not at all.
    async fn draft(&self, entry: &Entry) -> anyhow::Result<()> {
        let (data_dir, draft_entry) = (self.data_dir.clone(), entry.clone());
        let drafted = on_disk(move || {
            let entry = draft_entry;
            let stream = &entry.stream;
            let (uid, group) = (stream.uid.clone(), group_name(stream)?.to_owned());
            let draft = data_dir.draft_dir(&uid);
            let volume = draft.join(&group);
            std::fs::create_dir_all(&volume).with_context(|| format!("create {}", volume.display()))?;
            let log_config = log_config_of(stream);
            let identity = Identity::new(uid, group.clone(), group, log_config.incarnation);
            volume::bootstrap(&volume, &identity.map_err(anyhow::Error::msg)?, &log_config)?;
            stream_file::write(&draft, &entry)
        })
        .await;
        if drafted.is_err() {
            let _ = self.discard(&entry.stream.uid).await;
        }
        drafted
    }

    /// Turns a draft into a stream, and serves it.
    async fn publish(&self, entries: &mut Entries, entry: Entry) -> anyhow::Result<()> {
        let stream = entry.stream.clone();
        let (data_dir, uid) = (self.data_dir.clone(), stream.uid.clone());
        let served = async {
            on_disk(move || Ok(data_dir.publish(&uid)?)).await?;
            self.open_stream(&stream).await
        };
        let served = served.await;
        if served.is_err() && self.discard(&stream.uid).await.is_ok() {
            if let Some(group) = self.routes.remove_group(&stream.uid) {
                group.close_in_time().await;
            }
            return served;
        }
        // A stream that is not served and could not be discarded exists: its name is taken.
        entries.insert(stream.uid.clone(), Box::new(entry));
        self.copy.apply(CatalogEvent::Changed(stream));
        served
    }

    /// Sets the retention of a stream's log to that of the catalog.
    pub(super) async fn apply_retention(&self, stream: &Stream) -> anyhow::Result<()> {
        let Some(group) = self.routes.group(&stream.uid) else { return Ok(()) };
        let hours = Some(stream.retention_period_hours);
        if group.status().logs.iter().all(|log| log.retention_period_hours == hours) {
            return Ok(());
        }
        let call = SetRetention {
            stream_uid: stream.uid.clone(),
            log: group_name(stream)?.into(),
            retention_period_hours: stream.retention_period_hours,
        };
        let applied = group.set_retention(call).await;
        applied.with_context(|| format!("set the retention of stream {}", stream.name)).map(drop)
    }

    /// Opens a stream's group. A group that fails to open is routed to as well, and refuses every call with the reason.
    async fn open_stream(&self, stream: &Stream) -> anyhow::Result<()> {
        let dir = self.data_dir.stream_dir(&stream.uid).join(group_name(stream)?);
        let group = Group::start(dir.clone(), self.config(stream)?);
        let begun = group.begun().await;
        self.routes.add_group(&stream.uid, group);
        begun.with_context(|| format!("open stream {} in {}", stream.name, dir.display()))?;
        if let Err(error) = self.apply_retention(stream).await {
            tracing::warn!(error = format!("{error:#}"), "the log keeps its previous retention");
        }
        Ok(())
    }

    fn config(&self, stream: &Stream) -> anyhow::Result<GroupConfig> {
        Ok(GroupConfig {
            stream_uid: stream.uid.clone(),
            group: group_name(stream)?.into(),
            resources: self.resources.clone(),
            metrics: self.metrics.clone(),
        })
    }

    fn creation(&self) -> Creation {
        Creation { uid: Uuid::new_v4().to_string(), created_ms: self.now_ms() }
    }
}

pub(super) fn group_name(stream: &Stream) -> anyhow::Result<&str> {
    stream.groups.first().map(|group| group.name.as_str()).context("the stream has no group")
}

fn log_config_of(stream: &Stream) -> record_log::LogConfig {
    let open = |shard: &catalog::Shard| OpenShard {
        id: shard.id,
        range: shard.range,
        parents: shard.parents.clone(),
        create_seconds: shard.create_seconds,
    };
    record_log::LogConfig {
        log_id: Uuid::new_v4(),
        incarnation: Uuid::new_v4(),
        shards: stream.shards.iter().map(open).collect(),
        retention_hours: stream.retention_period_hours,
        created_ms: u64::try_from(stream.created_ms).unwrap_or(0),
    }
}

/// Runs blocking work on the disk.
pub(super) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?
}

/// The entry of a stream.
pub(super) fn named<'e>(entries: &'e Entries, key: &StreamKey) -> Option<&'e Entry> {
    every(entries).find(|entry| entry.stream.name == key.name && entry.stream.region == key.region)
}

fn every(entries: &Entries) -> impl Iterator<Item = &Entry> {
    entries.values().map(Box::as_ref)
}

/// The stream that a manifest describes: that of the same object, or else one that the API created with its name.
fn entry_of<'e>(
    entries: &'e Entries,
    manifest: &Manifest,
    region: &str,
) -> anyhow::Result<Option<&'e Entry>> {
    let object = object_of(&manifest.stream);
    let of_object = |entry: &&Entry| entry.manifest.as_ref().is_some_and(|applied| applied.object == object);
    let in_region = |entry: &&Entry| entry.stream.region.as_deref() == Some(region);
    if let Some(entry) = every(entries).find(of_object) {
        anyhow::ensure!(
            in_region(&entry),
            "{}: the stream of {object} is in region {}: start with that --region",
            manifest.source,
            entry.stream.region.as_deref().unwrap_or_default()
        );
        return Ok(Some(entry));
    }
    let name = manifest.stream.stream_name();
    let mut of_region = every(entries).filter(in_region);
    let entry = of_region.find(|entry| entry.stream.name.as_str() == name);
    if let Some(holder) = entry.and_then(|entry| entry.manifest.as_ref()) {
        bail!(
            "{}: spec.name: the name {name} is taken by {}: choose another one",
            manifest.source,
            holder.object
        );
    }
    Ok(entry)
}

/// Refuses two manifests of one object: they would undo each other.
///
/// # Errors
/// If an object has two manifests.
pub fn check_distinct(manifests: &[Manifest]) -> anyhow::Result<()> {
    let mut objects = HashSet::new();
    for manifest in manifests {
        let object = object_of(&manifest.stream);
        anyhow::ensure!(
            objects.insert(object.clone()),
            "{}: {object} has another manifest already: remove one",
            manifest.source
        );
    }
    Ok(())
}

fn joined(violations: &[Violation]) -> String {
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

pub(super) fn unavailable(error: &anyhow::Error) -> Refusal {
    Refusal { code: RefusalCode::Unavailable, message: format!("{error:#}") }
}

#[cfg(test)]
mod tests;
