//! Changes of a stream in the catalog of `local`: its settings, tags and consumers.

use catalog::control::{
    ChangeStream, Consumer, ConsumerKey, DeregisterConsumer, FindConsumer, ListConsumers, ListTags, Refusal,
    RefusalCode, RegisterConsumer, SettingsChange, StreamKey, TagResource, Tags, UntagResource,
    max_consumers,
};
use catalog::feed::CatalogEvent;

use super::LocalCatalog;
use super::catalog::{named, on_disk, unavailable};
use super::entry::Entry;
use super::stream_file::{self, Entries};

impl LocalCatalog {
    /// Changes a setting.
    ///
    /// # Errors
    /// If the stream does not exist, a manifest sets the field, the change breaks a rule, or the disk refuses.
    pub async fn change_stream(&self, call: ChangeStream) -> Result<SettingsChange, Refusal> {
        let commitment = self.has_commitment(&call.stream).await;
        self.update(&call.stream, |entry| {
            let field = call.change.field();
            self.check_field(entry, field)?;
            let stream = call.change.applied_to(&entry.stream, commitment)?;
            let change =
                SettingsChange { before: entry.stream.settings.clone(), after: stream.settings.clone() };
            Ok((Entry { stream, ..entry.clone() }, change))
        })
        .await
    }

    /// Adds tags.
    ///
    /// # Errors
    /// If the stream or consumer does not exist, a manifest sets one of the tags, a tag breaks a rule, or the disk
    /// refuses.
    pub async fn tag(&self, call: TagResource) -> Result<(), Refusal> {
        let (keys, change) = (call.tags.keys(), |tags: &Tags| call.applied_to(tags));
        self.change_tags(&call.stream, call.consumer.as_ref(), keys, change).await
    }

    /// Removes tags.
    ///
    /// # Errors
    /// If the stream or consumer does not exist, a manifest sets one of the tags, a key breaks a rule, or the disk
    /// refuses.
    pub async fn untag(&self, call: UntagResource) -> Result<(), Refusal> {
        let (keys, change) = (call.keys.iter(), |tags: &Tags| call.applied_to(tags));
        self.change_tags(&call.stream, call.consumer.as_ref(), keys, change).await
    }

    /// The tags of a stream or consumer.
    ///
    /// # Errors
    /// If it does not exist.
    pub async fn tags(&self, call: &ListTags) -> Result<Tags, Refusal> {
        self.look_up(&call.stream, |entry| match &call.consumer {
            Some(consumer) => entry.consumers.tags(&call.stream, consumer).cloned(),
            None => Ok(entry.tags.clone()),
        })
        .await
    }

    /// Registers a consumer, ACTIVE at once.
    ///
    /// # Errors
    /// If the stream does not exist or has too many, the name is taken, a tag breaks a rule, or the disk refuses.
    pub async fn register_consumer(&self, call: RegisterConsumer) -> Result<Consumer, Refusal> {
        let commitment = self.has_commitment(&call.stream).await;
        let (key, now_ms) = (call.stream.clone(), self.now_ms());
        self.update(&key, |entry| {
            let limit = max_consumers(entry.stream.mode, commitment);
            let mut updated = entry.clone();
            let consumer = updated.consumers.register(call, limit, now_ms)?;
            Ok((updated.with_its_consumers_counted(), consumer))
        })
        .await
    }

    /// Deregisters a consumer.
    ///
    /// # Errors
    /// If the stream or the consumer does not exist, or the disk refuses.
    pub async fn deregister_consumer(&self, call: DeregisterConsumer) -> Result<(), Refusal> {
        self.update(&call.stream, |entry| {
            let mut updated = entry.clone();
            updated.consumers.deregister(&call.stream, &call.consumer)?;
            Ok((updated.with_its_consumers_counted(), ()))
        })
        .await
    }

    /// A consumer.
    ///
    /// # Errors
    /// If the stream or the consumer does not exist.
    pub async fn find_consumer(&self, call: &FindConsumer) -> Result<Consumer, Refusal> {
        self.look_up(&call.stream, |entry| entry.consumers.find(&call.stream, &call.consumer)).await
    }

    /// The consumers of a stream.
    ///
    /// # Errors
    /// If the stream does not exist.
    pub async fn list_consumers(&self, call: &ListConsumers) -> Result<Vec<Consumer>, Refusal> {
        self.look_up(&call.stream, |entry| Ok(entry.consumers.after(call.after.as_deref(), call.limit))).await
    }

    /// Replaces the entry of a stream by what `change` makes of it, durably and then visibly.
    pub(super) async fn update<T>(
        &self,
        key: &StreamKey,
        change: impl FnOnce(&Entry) -> Result<(Entry, T), Refusal>,
    ) -> Result<T, Refusal> {
        let mut entries = self.entries.lock().await;
        let Some(entry) = named(&entries, key) else { return Err(self.absent(key)) };
        let (updated, outcome) = change(entry)?;
        if updated != *entry {
            self.replace(&mut entries, updated).await.map_err(|error| unavailable(&error))?;
        }
        Ok(outcome)
    }

    async fn look_up<T>(
        &self,
        key: &StreamKey,
        look: impl FnOnce(&Entry) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let entries = self.entries.lock().await;
        named(&entries, key).map_or_else(|| Err(self.absent(key)), look)
    }

    /// Replaces an entry by a changed one.
    pub(super) async fn replace(&self, entries: &mut Entries, mut updated: Entry) -> anyhow::Result<()> {
        let uid = updated.stream.uid.clone();
        let before = entries.get(&uid).map(|entry| &entry.stream);
        let is_changed = before != Some(&updated.stream);
        if is_changed {
            updated.stream.map_version += 1;
        }
        let directory = self.data_dir.stream_dir(&uid);
        let updated = on_disk(move || stream_file::write(&directory, &updated).map(|()| updated)).await?;
        let stream = updated.stream.clone();
        entries.insert(uid, Box::new(updated));
        if is_changed {
            self.copy.apply(CatalogEvent::Changed(stream.clone()));
        }
        self.apply_retention(&stream).await
    }

    /// The refusal of a call that names a stream that the catalog does not have.
    fn absent(&self, key: &StreamKey) -> Refusal {
        match self.check_all_known() {
            Err(unavailable) => unavailable,
            Ok(()) => key.not_found(),
        }
    }

    /// Refuses to change a field that a manifest sets.
    pub(super) fn check_field(&self, entry: &Entry, field: &str) -> Result<(), Refusal> {
        match self.manager(entry) {
            Some(applied) if applied.sets(field) => Err(managed(entry, &applied.object, field)),
            _ => Ok(()),
        }
    }

    /// Changes tags of a stream or of a consumer; these keys of them.
    async fn change_tags<'k>(
        &self,
        stream: &StreamKey,
        consumer: Option<&ConsumerKey>,
        keys: impl Iterator<Item = &'k String>,
        change: impl FnOnce(&Tags) -> Result<Tags, Refusal>,
    ) -> Result<(), Refusal> {
        self.update(stream, |entry| {
            let mut updated = entry.clone();
            let tags = match consumer {
                Some(consumer) => updated.consumers.tags_mut(stream, consumer)?,
                None => {
                    self.check_tags(entry, keys)?;
                    &mut updated.tags
                }
            };
            *tags = change(tags)?;
            Ok((updated, ()))
        })
        .await
    }

    /// Refuses to change tags that a manifest sets.
    fn check_tags<'k>(
        &self,
        entry: &Entry,
        mut keys: impl Iterator<Item = &'k String>,
    ) -> Result<(), Refusal> {
        let Some(applied) = self.manager(entry) else { return Ok(()) };
        match keys.find(|key| applied.spec.tags.contains_key(*key)) {
            Some(key) => Err(managed(entry, &applied.object, &format!("spec.tags.{key}"))),
            None => Ok(()),
        }
    }
}

fn managed(entry: &Entry, object: &str, field: &str) -> Refusal {
    let message = format!(
        "Stream {} under account {} is managed by the manifest {object}, which sets {field}: change it there.",
        entry.stream.name, entry.stream.account_id
    );
    Refusal::new(RefusalCode::ResourceInUse, message)
}
