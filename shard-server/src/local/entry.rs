//! A stream in the catalog of `local`: how manifests and calls create and change it. Pure.

use catalog::control::{CreateStream, Tags};
use catalog::map::{DEFAULT_SHARD_COUNT, Genesis, log_name};
use catalog::resource::{DataStream, DataStreamSpec, DataStreamStatus, Defaults, Resolved, Violation};
use catalog::{
    Group, LogPlacement, Shard, ShardState, Stream, StreamMode, StreamName, StreamSettings, StreamStatus,
};
use serde::{Deserialize, Serialize};

use super::consumers::Consumers;
use super::reshards::Reshards;

/// A stream, and the fields that are not in the catalog's feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The stream.
    pub stream: Stream,
    /// Its tags.
    #[serde(default)]
    pub tags: Tags,
    /// Its registered consumers.
    #[serde(default, skip_serializing_if = "Consumers::are_none")]
    pub consumers: Consumers,
    /// The manifest that was last applied; `None` if the API created the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Applied>,
    /// Its splits and merges.
    #[serde(default)]
    pub reshards: Reshards,
}

/// A manifest as it was applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The object that it describes: `namespace/name`, or the name if it has no namespace.
    pub object: String,
    /// Its spec.
    pub spec: DataStreamSpec,
}

impl Applied {
    /// Whether it sets a field, such as `spec.retentionPeriodHours`.
    pub fn sets(&self, field: &str) -> bool {
        let spec = serde_json::to_value(&self.spec).unwrap_or_default();
        field.strip_prefix("spec.").is_some_and(|field| spec.get(field).is_some())
    }
}

/// The UID and creation time of a new stream, which come from outside.
#[derive(Clone, Debug)]
pub struct Creation {
    /// Its UID.
    pub uid: String,
    /// When it is created, in milliseconds since 1970.
    pub created_ms: i64,
}

/// The settings of a new stream.
struct Settings {
    account_id: String,
    region: Option<String>,
    name: StreamName,
    mode: StreamMode,
    shard_count: u32,
    retention_period_hours: u32,
    max_record_size_kib: u32,
    settings: StreamSettings,
}

/// The object that a manifest describes.
pub fn object_of(manifest: &DataStream) -> String {
    let name = manifest.metadata.name.as_deref().unwrap_or_default();
    match &manifest.metadata.namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.into(),
    }
}

/// The defaults of fields that a manifest leaves out. `local` does not use the fields for volumes and groups, but
/// validates them, so that it refuses what kubectl would refuse.
fn defaults() -> Defaults {
    Defaults { storage_size: String::new(), storage_class_name: None, shards_per_group: 16 }
}

impl Entry {
    /// A stream created by a call, which must keep the rules of manifests.
    ///
    /// # Errors
    /// Every rule that it breaks.
    pub fn of_call(call: CreateStream, creation: Creation) -> Result<Self, Vec<Violation>> {
        let spec = DataStreamSpec {
            name: Some(call.name.to_string()),
            shard_count: call.shard_count.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
            max_record_size_kib: call.max_record_size_kib.map(|kib| i32::try_from(kib).unwrap_or(i32::MAX)),
            tags: call.tags.clone(),
            ..DataStreamSpec::default()
        };
        // Any valid object name will do: there is no object.
        DataStream::new("stream", spec).validate()?;
        let settings = Settings {
            account_id: call.account_id,
            region: call.region,
            name: call.name,
            mode: call.mode,
            shard_count: call.shard_count.unwrap_or(DEFAULT_SHARD_COUNT),
            retention_period_hours: 24,
            max_record_size_kib: call.max_record_size_kib.unwrap_or(1024),
            settings: StreamSettings {
                warm_throughput_mibps: call.warm_throughput_mibps,
                ..StreamSettings::default()
            },
        };
        let (stream, consumers) = (new_stream(settings, creation), Consumers::default());
        let reshards = Reshards::default();
        Ok(Self { stream, tags: call.tags, consumers, manifest: None, reshards })
    }

    /// A stream created by a manifest.
    ///
    /// # Errors
    /// Every rule that the manifest breaks.
    pub fn of_manifest(
        manifest: &DataStream,
        account_id: &str,
        region: &str,
        creation: Creation,
    ) -> Result<Self, Vec<Violation>> {
        manifest.validate()?;
        let resolved = manifest.resolve(&defaults());
        let settings = Settings {
            account_id: account_id.into(),
            region: Some(region.into()),
            name: name_of(&resolved)?,
            mode: resolved.mode(),
            shard_count: resolved.shard_count.cast_unsigned(),
            retention_period_hours: resolved.retention_period_hours.cast_unsigned(),
            max_record_size_kib: resolved.max_record_size_kib.cast_unsigned(),
            settings: resolved.settings(),
        };
        let applied = Applied { object: object_of(manifest), spec: manifest.spec.clone() };
        Ok(Self {
            stream: new_stream(settings, creation),
            tags: manifest.spec.tags.clone(),
            consumers: Consumers::default(),
            manifest: Some(applied),
            reshards: Reshards::default(),
        })
    }

    /// This stream with a manifest applied; the same entry if that changes nothing.
    ///
    /// A field that the manifest leaves out keeps its value, unless the previous manifest had it: then it returns to
    /// its default.
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
        let settings = resolved.settings();
        if !manifest.spec.shard_level_metrics.is_empty()
            || before.is_some_and(|before| !before.shard_level_metrics.is_empty())
        {
            stream.settings.shard_level_metrics = settings.shard_level_metrics;
        }
        if manifest.spec.warm_throughput_mibps.is_some()
            || before.is_some_and(|before| before.warm_throughput_mibps.is_some())
            || stream.mode == StreamMode::Provisioned
        {
            stream.settings.warm_throughput_mibps = settings.warm_throughput_mibps;
        }
        let dropped = before.map(|before| &before.tags);
        entry.tags.retain(|key, _| dropped.is_none_or(|dropped| !dropped.contains_key(key)));
        entry.tags.extend(manifest.spec.tags.clone());
        entry.manifest = Some(Applied { object: object_of(manifest), spec: manifest.spec.clone() });
        Ok(entry)
    }

    /// This entry with the number of its consumers in its settings.
    pub fn with_its_consumers_counted(mut self) -> Self {
        let count = u32::try_from(self.consumers.count()).unwrap_or(u32::MAX);
        self.stream.settings.consumer_count = count;
        self
    }

    /// This stream as a manifest, against which a change is validated.
    fn as_manifest(&self, like: &DataStream) -> DataStream {
        let spec = match &self.manifest {
            Some(applied) => applied.spec.clone(),
            None => DataStreamSpec { name: Some(self.stream.name.to_string()), ..DataStreamSpec::default() },
        };
        let mut manifest = DataStream::new(like.metadata.name.as_deref().unwrap_or_default(), spec);
        let open = self.stream.shards.iter().filter(|shard| shard.state == ShardState::Open).count();
        let shard_count = i32::try_from(open).unwrap_or(i32::MAX);
        let resolved = Resolved { shard_count, ..manifest.resolve(&defaults()) };
        manifest.status = Some(DataStreamStatus { resolved: Some(resolved), ..DataStreamStatus::default() });
        manifest
    }
}

fn name_of(resolved: &Resolved) -> Result<StreamName, Vec<Violation>> {
    let invalid = || Violation { field: "spec.name".into(), message: "is not a stream name".into() };
    resolved.stream_name().ok_or_else(|| vec![invalid()])
}

/// A new stream, ACTIVE at once, with all shards in one log.
fn new_stream(settings: Settings, creation: Creation) -> Stream {
    let create_seconds = u64::try_from(creation.created_ms / 1_000).unwrap_or(0);
    let planned = Genesis::new(settings.shard_count, settings.shard_count, create_seconds).shards();
    let log = log_name(0);
    Stream {
        uid: creation.uid,
        map_version: 1,
        map_digest: None,
        account_id: settings.account_id,
        region: settings.region,
        name: settings.name,
        status: StreamStatus::Active,
        mode: settings.mode,
        retention_period_hours: settings.retention_period_hours,
        max_record_size_kib: settings.max_record_size_kib,
        created_ms: creation.created_ms,
        settings: settings.settings,
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

    fn creation() -> Creation {
        Creation { uid: "uid".into(), created_ms: 1_700_000_000_500 }
    }

    fn made(yaml: &str) -> Entry {
        Entry::of_manifest(&manifest(yaml), "000000000000", "us-east-1", creation()).unwrap()
    }

    fn call(shard_count: u32) -> CreateStream {
        CreateStream {
            account_id: "000000000000".into(),
            region: Some("us-east-1".into()),
            name: "orders".parse().unwrap(),
            mode: StreamMode::Provisioned,
            shard_count: Some(shard_count),
            max_record_size_kib: Some(2048),
            warm_throughput_mibps: None,
            tags: Tags::from([("by".into(), "api".into())]),
        }
    }

    fn fields(result: Result<Entry, Vec<Violation>>) -> Vec<String> {
        result.unwrap_err().into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn manifest_creates_an_active_stream_with_all_shards_in_one_log() {
        let stream =
            made("{name: Orders_V2, shardCount: 20, shardsPerGroup: 2, retentionPeriodHours: 48}").stream;
        assert_eq!((stream.name.as_str(), stream.status), ("Orders_V2", StreamStatus::Active));
        assert_eq!((stream.shards.len(), stream.retention_period_hours), (20, 48));
        assert!(stream.shards.iter().all(|shard| shard.log == "g0" && shard.state == ShardState::Open));
        assert_eq!(stream.shards[0].create_seconds, 1_700_000_000);
    }

    #[test]
    fn manifest_that_breaks_a_rule_names_the_field() {
        let manifest = manifest("{retentionPeriodHours: 5}");
        let broken = Entry::of_manifest(&manifest, "000000000000", "us-east-1", creation());
        assert_eq!(fields(broken), ["spec.retentionPeriodHours"]);
    }

    #[test]
    fn call_must_keep_the_rules_of_manifests() {
        assert_eq!(fields(Entry::of_call(call(10_001), creation())), ["spec.shardCount"]);
        let tags = Tags::from([("aws:by".into(), "api".into())]);
        assert_eq!(fields(Entry::of_call(CreateStream { tags, ..call(1) }, creation())), ["spec.tags"]);
    }

    #[test]
    fn same_manifest_changes_nothing() {
        let yaml = "{shardCount: 2, tags: {team: payments}}";
        let entry = made(yaml);
        assert_eq!(entry.updated(&manifest(yaml)), Ok(entry));
    }

    #[test]
    fn removed_field_returns_to_its_default() {
        let entry =
            made("{}").updated(&manifest("{retentionPeriodHours: 48, maxRecordSizeKiB: 2048}")).unwrap();
        assert_eq!((entry.stream.retention_period_hours, entry.stream.max_record_size_kib), (48, 2048));
        let entry = entry.updated(&manifest("{}")).unwrap();
        assert_eq!(entry.stream.retention_period_hours, 24);
    }

    #[test]
    fn settings_of_the_api_may_be_set_and_unset_by_a_manifest() {
        let on_demand = "streamModeDetails: {streamMode: ON_DEMAND}";
        let all = format!("{{{on_demand}, warmThroughputMiBps: 16, shardLevelMetrics: [OutgoingBytes]}}");
        let settings = StreamSettings {
            shard_level_metrics: [catalog::ShardLevelMetric::OutgoingBytes].into(),
            warm_throughput_mibps: Some(16),
            consumer_count: 0,
        };
        let entry = made(&all);
        assert_eq!(entry.stream.settings, settings);
        assert_eq!(made("{}").updated(&manifest(&all)).unwrap().stream.settings, settings);
        for without in [format!("{{{on_demand}}}"), "{}".into()] {
            let entry = entry.updated(&manifest(&without)).unwrap();
            assert_eq!(entry.stream.settings, StreamSettings::default());
        }
    }

    #[test]
    fn setting_of_the_api_that_no_manifest_names_is_kept() {
        let entry = Entry::of_call(call(2), creation())
            .unwrap()
            .updated(&manifest("{tags: {team: payments}}"))
            .unwrap();
        assert_eq!(entry.stream.max_record_size_kib, 2048);
        assert_eq!(entry.tags.len(), 2);
        let entry = entry.updated(&manifest("{}")).unwrap();
        assert_eq!(entry.tags.keys().collect::<Vec<_>>(), ["by"]);
    }

    #[test]
    fn forbidden_change_names_the_field() {
        assert_eq!(fields(made("{}").updated(&manifest("{shardCount: 5}"))), ["spec.shardCount"]);
        assert_eq!(fields(made("{}").updated(&manifest("{name: Other}"))), ["spec.name"]);
    }
}
