//! The catalog of `local`: control calls and manifests, done at once and durable before they are answered.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use catalog::control::{CreateStream, DeleteStream, FindStream, Refusal, RefusalCode};
use catalog::feed::CatalogEvent;
use catalog::member::{OpenShard, SetRetention};
use catalog::{Stream, StreamName};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::data_dir::DataDir;
use super::entry::{Birth, Entry, object_of};
use super::manifest::Manifest;
use super::stream_file::{self, Entries};
use crate::clock::Clock;
use crate::gateway::Routes;
use crate::gateway::catalog::CatalogCopy;
use crate::shard::volume::{self, Identity};
use crate::shard::{Group, GroupConfig, Metrics, Resources};

/// How many logs are opened at once when the process starts.
const OPENING: usize = 16;

/// The streams of a data directory, their groups, and the one way to change them.
pub struct LocalCatalog {
    data_dir: Arc<DataDir>,
    copy: CatalogCopy,
    routes: Arc<Routes>,
    clock: Clock,
    metrics: Metrics,
    resources: Resources,
    /// Directories of streams that cannot be read, so that their names are not known.
    unreadable: Vec<PathBuf>,
    /// What is on disk. Held through every change, so that changes follow each other.
    entries: Mutex<Entries>,
}

impl fmt::Debug for LocalCatalog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LocalCatalog").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

impl LocalCatalog {
    /// Reads the catalog of a directory and opens all its streams; from then on `copy` and `routes` have them. One that
    /// cannot be read or opened keeps none of the others from being served.
    ///
    /// # Errors
    /// If the catalog cannot be read, or belongs to another account.
    pub async fn open(
        data_dir: DataDir,
        account_id: &str,
        copy: CatalogCopy,
        routes: Arc<Routes>,
        clock: Clock,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        data_dir.sweep()?;
        let (mut entries, mut unreadable) = (Entries::new(), Vec::new());
        for directory in data_dir.stream_dirs()? {
            match stream_file::read(&directory) {
                Ok(entry) => {
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
        let data_dir = Arc::new(data_dir);
        let none = Mutex::default();
        let catalog = Self { data_dir, copy, routes, clock, metrics, resources, unreadable, entries: none };
        let streams: Vec<_> = entries.values().map(|entry| entry.stream.clone()).collect();
        for chunk in streams.chunks(OPENING) {
            // A group that does not come up has said why, and answers every call so.
            let _ = futures::future::join_all(chunk.iter().map(|stream| catalog.open_stream(stream))).await;
        }
        *catalog.entries.lock().await = entries;
        catalog.copy.apply(CatalogEvent::Snapshot(streams));
        Ok(catalog)
    }

    /// Applies a manifest: makes its stream, or changes it.
    ///
    /// # Errors
    /// If the manifest breaks a rule or the change cannot be made; the text names manifest and field.
    pub async fn apply(&self, manifest: &Manifest, account_id: &str) -> anyhow::Result<()> {
        let mut entries = self.entries.lock().await;
        let place = &manifest.place;
        let refused = |violations: Vec<_>| {
            let told: Vec<_> = violations.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{place}: {}", told.join("; "))
        };
        match entry_of(&entries, manifest)? {
            None => {
                self.check_all_known().map_err(|refusal| anyhow::anyhow!("{place}: {}", refusal.message))?;
                let made = Entry::of_manifest(&manifest.stream, account_id, self.birth()).map_err(refused)?;
                tracing::info!(stream = %made.stream.name, "created by a manifest");
                let made = async {
                    self.draft(&made).await?;
                    self.publish(&mut entries, made).await
                };
                made.await.with_context(|| format!("{place}: create the stream"))
            }
            Some(entry) => {
                let updated = entry.updated(&manifest.stream).map_err(refused)?;
                if updated == *entry {
                    return Ok(());
                }
                tracing::info!(stream = %updated.stream.name, "updated by a manifest");
                let updated_stream = updated.stream.clone();
                let event = CatalogEvent::Changed(updated_stream.clone());
                let directory = self.data_dir.stream_dir(&updated.stream.uid);
                let updated =
                    on_disk(move || stream_file::write(&directory, &updated).map(|()| updated)).await?;
                entries.insert(updated.stream.uid.clone(), updated);
                self.copy.apply(event);
                self.tell_retention(&updated_stream).await
            }
        }
    }

    /// Makes a stream, ACTIVE at once.
    ///
    /// # Errors
    /// If the name is taken, or the disk refuses.
    pub async fn create_stream(&self, call: CreateStream) -> Result<(), Refusal> {
        let taken = || {
            let message = format!("Stream {} under account {} already exists.", call.name, call.account_id);
            Refusal { code: RefusalCode::ResourceInUse, message }
        };
        if named(&*self.entries.lock().await, &call.name).is_some() {
            return Err(taken());
        }
        self.check_all_known()?;
        let made = Entry::of_call(call.clone(), self.birth()).map_err(|violations| {
            let told: Vec<_> = violations.iter().map(ToString::to_string).collect();
            Refusal { code: RefusalCode::InvalidArgument, message: told.join("; ") }
        })?;
        // Most of the work needs nobody to wait: the disk does that of many streams together.
        self.draft(&made).await.map_err(|error| unavailable(&error))?;
        let mut entries = self.entries.lock().await;
        if named(&entries, &call.name).is_some() {
            // Somebody was quicker.
            let _ = self.discard(&made.stream.uid).await;
            return Err(taken());
        }
        self.publish(&mut entries, made).await.map_err(|error| unavailable(&error))
    }

    /// Deletes a stream with all its records.
    ///
    /// # Errors
    /// If there is none, or the disk refuses.
    pub async fn delete_stream(&self, call: DeleteStream) -> Result<(), Refusal> {
        let mut entries = self.entries.lock().await;
        let Some(uid) = named(&entries, &call.name).map(|entry| entry.stream.uid.clone()) else {
            self.check_all_known()?;
            let message = format!("Stream {} under account {} not found.", call.name, call.account_id);
            return Err(Refusal { code: RefusalCode::ResourceNotFound, message });
        };
        let (data_dir, withdrawn) = (self.data_dir.clone(), uid.clone());
        let done = on_disk(move || Ok(data_dir.withdraw(&withdrawn)?)).await;
        done.map_err(|error| unavailable(&error))?;
        entries.remove(&uid);
        self.copy.apply(CatalogEvent::Removed { uid: uid.clone() });
        drop(entries);
        if let Some(group) = self.routes.remove_group(&uid) {
            group.close_in_time().await;
        }
        // The stream is gone already; what stays on disk now is swept at the next start.
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

    /// The stream that has a name.
    ///
    /// # Errors
    /// If there is none, but one that cannot be read may be it.
    pub fn find_stream(&self, call: &FindStream) -> Result<Option<Stream>, Refusal> {
        match self.copy.find(&call.account_id, &call.name) {
            Some(stream) => Ok(Some(Stream::clone(&stream))),
            None => self.check_all_known().map(|()| None),
        }
    }

    /// Ends all groups; what they have taken is durable then, unless a disk takes too long.
    pub async fn close(&self) {
        let groups = self.routes.remove_groups();
        futures::future::join_all(groups.iter().map(Group::close_in_time)).await;
    }

    /// Where a stream cannot be read, nobody knows which names are free or were never given.
    fn check_all_known(&self) -> Result<(), Refusal> {
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

    /// Makes a stream beside the others, whole or not at all, before it is one of them.
    async fn draft(&self, entry: &Entry) -> anyhow::Result<()> {
        let (data_dir, made) = (self.data_dir.clone(), entry.clone());
        let drafted = on_disk(move || {
            let entry = made;
            let stream = &entry.stream;
            let (uid, group) = (stream.uid.clone(), group_name(stream)?.to_owned());
            let draft = data_dir.draft_dir(&uid);
            let volume = draft.join(&group);
            std::fs::create_dir_all(&volume).with_context(|| format!("make {}", volume.display()))?;
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

    /// Makes a draft one of the streams, and serves it.
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
        // Also a stream that is not served and cannot be undone is one: its name is taken.
        entries.insert(stream.uid.clone(), entry);
        self.copy.apply(CatalogEvent::Changed(stream));
        served
    }

    /// Tells a stream's log how long to keep records: the catalog says so, the log does it.
    async fn tell_retention(&self, stream: &Stream) -> anyhow::Result<()> {
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
        let told = group.set_retention(call).await;
        told.with_context(|| format!("keep the records of stream {} so long", stream.name)).map(drop)
    }

    /// Opens a stream's group. One that does not come up has its route all the same, and says why on every call.
    async fn open_stream(&self, stream: &Stream) -> anyhow::Result<()> {
        let dir = self.data_dir.stream_dir(&stream.uid).join(group_name(stream)?);
        let group = Group::start(dir.clone(), self.config(stream)?);
        let begun = group.begun().await;
        self.routes.add_group(&stream.uid, group);
        begun.with_context(|| format!("open stream {} in {}", stream.name, dir.display()))?;
        if let Err(error) = self.tell_retention(stream).await {
            tracing::warn!(error = format!("{error:#}"), "records are kept as long as the log knew before");
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

    fn birth(&self) -> Birth {
        let now_ms = i64::try_from((self.clock)()).unwrap_or(i64::MAX);
        Birth { uid: uuid::Uuid::new_v4().to_string(), now_ms }
    }
}

fn group_name(stream: &Stream) -> anyhow::Result<&str> {
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

/// Does work on the disk where it is no harm to wait.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?
}

fn named<'e>(entries: &'e Entries, name: &StreamName) -> Option<&'e Entry> {
    entries.values().find(|entry| entry.stream.name == *name)
}

/// The stream that a manifest is about: that of the same object, or else the one that the API made under its name.
fn entry_of<'e>(entries: &'e Entries, manifest: &Manifest) -> anyhow::Result<Option<&'e Entry>> {
    let object = object_of(&manifest.stream);
    let of_object = |entry: &&Entry| entry.manifest.as_ref().is_some_and(|applied| applied.object == object);
    if let Some(entry) = entries.values().find(of_object) {
        return Ok(Some(entry));
    }
    let name = manifest.stream.stream_name();
    let entry = entries.values().find(|entry| entry.stream.name.as_str() == name);
    if let Some(holder) = entry.and_then(|entry| entry.manifest.as_ref()) {
        bail!(
            "{}: spec.name: the name {name} is taken by {}: choose another one",
            manifest.place,
            holder.object
        );
    }
    Ok(entry)
}

/// Every object is applied once: two manifests of one object would undo each other.
///
/// # Errors
/// If one comes twice.
pub fn check_distinct(manifests: &[Manifest]) -> anyhow::Result<()> {
    let mut objects = HashSet::new();
    for manifest in manifests {
        let object = object_of(&manifest.stream);
        anyhow::ensure!(
            objects.insert(object.clone()),
            "{}: {object} was there before: remove one",
            manifest.place
        );
    }
    Ok(())
}

fn unavailable(error: &anyhow::Error) -> Refusal {
    Refusal { code: RefusalCode::Unavailable, message: format!("{error:#}") }
}

#[cfg(test)]
mod tests;
