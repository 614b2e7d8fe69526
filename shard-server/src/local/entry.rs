//! A stream in the catalog of `local`, and what manifests and calls make of one. Pure.

use std::collections::BTreeMap;

use catalog::control::CreateStream;
use catalog::resource::{DataStream, DataStreamSpec, DataStreamStatus, Defaults, Resolved, Violation};
use catalog::{Group, LogPlacement, Shard, ShardState, Stream, StreamName, StreamStatus, plan};
use serde::{Deserialize, Serialize};

/// A stream, and what of it the catalog's feed does not carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The stream.
    pub stream: Stream,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The manifest that was last applied; none where the API made the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Applied>,
}

/// A manifest as it was applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// `namespace/name`, or the name where it has no namespace: which object it is.
    pub object: String,
    /// What it said.
    pub spec: DataStreamSpec,
}

/// What is drawn and read from outside when a stream is made.
#[derive(Clone, Debug)]
pub struct Birth {
    /// Its UID.
    pub uid: String,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
}

/// What decides a new stream.
struct Wish {
    account_id: String,
    name: StreamName,
    mode: catalog::StreamMode,
    shard_count: u32,
    retention_period_hours: u32,
    max_record_size_kib: u32,
}

/// Which object a manifest is.
pub fn object_of(manifest: &DataStream) -> String {
    let name = manifest.metadata.name.as_deref().unwrap_or_default();
    match &manifest.metadata.namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.into(),
    }
}

/// What holds where a manifest is silent. Volumes and groups are no matter here; their fields are still kept, so
/// that what kubectl would refuse is refused here too.
fn defaults() -> Defaults {
    Defaults { storage_size: String::new(), storage_class_name: None, shards_per_group: 16 }
}

impl Entry {
    /// A stream that a call makes, by the rules of manifests.
    ///
    /// # Errors
    /// Every rule that it breaks.
    pub fn of_call(call: CreateStream, birth: Birth) -> Result<Self, Vec<Violation>> {
        let spec = DataStreamSpec {
            name: Some(call.name.to_string()),
            shard_count: call.shard_count.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
            max_record_size_kib: call.max_record_size_kib.map(|kib| i32::try_from(kib).unwrap_or(i32::MAX)),
            tags: call.tags.clone(),
            ..DataStreamSpec::default()
        };
        // The object's name is no matter: there is no object.
        DataStream::new("stream", spec).validate()?;
        let wish = Wish {
            account_id: call.account_id,
            name: call.name,
            mode: call.mode,
            shard_count: call.shard_count.unwrap_or(plan::DEFAULT_SHARD_COUNT),
            retention_period_hours: 24,
            max_record_size_kib: call.max_record_size_kib.unwrap_or(1024),
        };
        Ok(Self { stream: new_stream(wish, birth), tags: call.tags, manifest: None })
    }

    /// A stream that a manifest makes.
    ///
    /// # Errors
    /// Every rule that the manifest breaks.
    pub fn of_manifest(
        manifest: &DataStream,
        account_id: &str,
        birth: Birth,
    ) -> Result<Self, Vec<Violation>> {
        manifest.validate()?;
        let resolved = manifest.resolve(&defaults());
        let wish = Wish {
            account_id: account_id.into(),
            name: name_of(&resolved)?,
            mode: resolved.mode(),
            shard_count: resolved.shard_count.cast_unsigned(),
            retention_period_hours: resolved.retention_period_hours.cast_unsigned(),
            max_record_size_kib: resolved.max_record_size_kib.cast_unsigned(),
        };
        let applied = Applied { object: object_of(manifest), spec: manifest.spec.clone() };
        Ok(Self {
            stream: new_stream(wish, birth),
            tags: manifest.spec.tags.clone(),
            manifest: Some(applied),
        })
    }

    /// What a manifest makes of this stream; the same entry where it changes nothing.
    ///
    /// What the manifest leaves out stays as it is, unless the manifest before had it: then its default comes back.
    ///
    /// # Errors
    /// Every rule that the manifest, or the change, breaks.
    pub fn updated(&self, manifest: &DataStream) -> Result<Self, Vec<Violation>> {
        manifest.validate_update(&self.as_manifest(manifest))?;
        let before = self.manifest.as_ref().map(|applied| &applied.spec);
        let resolved = manifest.resolve(&defaults());
        let mut entry = self.clone();
        let stream = &mut entry.stream;
        if manifest.spec.retention_period_hours.is_some()
            || before.is_some_and(|before| before.retention_period_hours.is_some())
        {
            stream.retention_period_hours = resolved.retention_period_hours.cast_unsigned();
        }
        if manifest.spec.max_record_size_kib.is_some()
            || before.is_some_and(|before| before.max_record_size_kib.is_some())
        {
            stream.max_record_size_kib = resolved.max_record_size_kib.cast_unsigned();
        }
        if manifest.spec.stream_mode_details.is_some()
            || before.is_some_and(|before| before.stream_mode_details.is_some())
        {
            stream.mode = resolved.mode();
        }
        let dropped = before.map(|before| &before.tags);
        entry.tags.retain(|key, _| dropped.is_none_or(|dropped| !dropped.contains_key(key)));
        entry.tags.extend(manifest.spec.tags.clone());
        entry.manifest = Some(Applied { object: object_of(manifest), spec: manifest.spec.clone() });
        if entry.stream != self.stream {
            entry.stream.map_version += 1;
        }
        Ok(entry)
    }

    /// This stream as a manifest would have it, so that a change can be judged.
    fn as_manifest(&self, like: &DataStream) -> DataStream {
        let spec = match &self.manifest {
            Some(applied) => applied.spec.clone(),
            None => DataStreamSpec { name: Some(self.stream.name.to_string()), ..DataStreamSpec::default() },
        };
        let mut manifest = DataStream::new(like.metadata.name.as_deref().unwrap_or_default(), spec);
        let shard_count = i32::try_from(self.stream.shards.len()).unwrap_or(i32::MAX);
        let resolved = Resolved { shard_count, ..manifest.resolve(&defaults()) };
        manifest.status = Some(DataStreamStatus { resolved: Some(resolved), ..DataStreamStatus::default() });
        manifest
    }
}

fn name_of(resolved: &Resolved) -> Result<StreamName, Vec<Violation>> {
    let invalid = || Violation { field: "spec.name".into(), message: "is not a stream name".into() };
    resolved.stream_name().ok_or_else(|| vec![invalid()])
}

/// A stream that serves from the start, with all shards in one log.
fn new_stream(wish: Wish, birth: Birth) -> Stream {
    let create_seconds = u64::try_from(birth.now_ms / 1_000).unwrap_or(0);
    let planned = plan::create(wish.shard_count, wish.shard_count, create_seconds);
    let log = plan::log_name(0);
    Stream {
        uid: birth.uid,
        map_version: 1,
        account_id: wish.account_id,
        name: wish.name,
        status: StreamStatus::Active,
        mode: wish.mode,
        retention_period_hours: wish.retention_period_hours,
        max_record_size_kib: wish.max_record_size_kib,
        created_ms: birth.now_ms,
        shards: planned.into_iter().map(|shard| Shard { state: ShardState::Open, ..shard }).collect(),
        logs: vec![LogPlacement { name: log.clone(), group: log.clone() }],
        groups: vec![Group { name: log, members: Vec::new() }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(yaml: &str) -> DataStream {
        let head = "apiVersion: kinetes.dev/v1alpha1\nkind: DataStream\nmetadata: {name: orders}\nspec: ";
        serde_yaml::from_str(&format!("{head}{yaml}\n")).unwrap()
    }

    fn birth() -> Birth {
        Birth { uid: "uid".into(), now_ms: 1_700_000_000_500 }
    }

    fn made(yaml: &str) -> Entry {
        Entry::of_manifest(&manifest(yaml), "000000000000", birth()).unwrap()
    }

    fn call(shard_count: u32) -> CreateStream {
        CreateStream {
            account_id: "000000000000".into(),
            name: "orders".parse().unwrap(),
            mode: catalog::StreamMode::Provisioned,
            shard_count: Some(shard_count),
            max_record_size_kib: Some(2048),
            tags: BTreeMap::from([("by".into(), "api".into())]),
        }
    }

    fn fields(result: Result<Entry, Vec<Violation>>) -> Vec<String> {
        result.unwrap_err().into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn manifest_makes_an_active_stream_with_all_shards_in_one_log() {
        let stream =
            made("{name: Orders_V2, shardCount: 20, shardsPerGroup: 2, retentionPeriodHours: 48}").stream;
        assert_eq!((stream.name.as_str(), stream.status), ("Orders_V2", StreamStatus::Active));
        assert_eq!((stream.shards.len(), stream.retention_period_hours), (20, 48));
        assert!(stream.shards.iter().all(|shard| shard.log == "g0" && shard.state == ShardState::Open));
        assert_eq!(stream.shards[0].create_seconds, 1_700_000_000);
    }

    #[test]
    fn manifest_that_breaks_a_rule_names_the_field() {
        let broken = Entry::of_manifest(&manifest("{retentionPeriodHours: 5}"), "000000000000", birth());
        assert_eq!(fields(broken), ["spec.retentionPeriodHours"]);
    }

    #[test]
    fn call_keeps_the_rules_of_manifests() {
        assert_eq!(fields(Entry::of_call(call(10_001), birth())), ["spec.shardCount"]);
        let tags = BTreeMap::from([("aws:by".into(), "api".into())]);
        assert_eq!(fields(Entry::of_call(CreateStream { tags, ..call(1) }, birth())), ["spec.tags"]);
    }

    #[test]
    fn same_manifest_changes_nothing() {
        let yaml = "{shardCount: 2, tags: {team: payments}}";
        let entry = made(yaml);
        assert_eq!(entry.updated(&manifest(yaml)), Ok(entry));
    }

    #[test]
    fn change_moves_the_version_and_default_comes_back_for_what_is_taken_out() {
        let entry =
            made("{}").updated(&manifest("{retentionPeriodHours: 48, maxRecordSizeKiB: 2048}")).unwrap();
        assert_eq!((entry.stream.retention_period_hours, entry.stream.max_record_size_kib), (48, 2048));
        assert_eq!(entry.stream.map_version, 2);
        let entry = entry.updated(&manifest("{}")).unwrap();
        assert_eq!((entry.stream.retention_period_hours, entry.stream.map_version), (24, 3));
    }

    #[test]
    fn what_the_api_set_and_no_manifest_names_stays() {
        let entry =
            Entry::of_call(call(2), birth()).unwrap().updated(&manifest("{tags: {team: payments}}")).unwrap();
        assert_eq!(entry.stream.max_record_size_kib, 2048);
        assert_eq!(entry.tags.len(), 2);
        let entry = entry.updated(&manifest("{}")).unwrap();
        assert_eq!(entry.tags.keys().collect::<Vec<_>>(), ["by"]);
    }

    #[test]
    fn change_that_cannot_be_made_names_the_field() {
        assert_eq!(fields(made("{}").updated(&manifest("{shardCount: 5}"))), ["spec.shardCount"]);
        assert_eq!(fields(made("{}").updated(&manifest("{name: Other}"))), ["spec.name"]);
    }
}
