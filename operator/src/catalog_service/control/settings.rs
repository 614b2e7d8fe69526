//! The call that changes a setting of a stream.

use catalog::control::{ChangeStream, Refusal, SettingsChange};
use catalog::{Stream, StreamMode};
use serde_json::Value;

use super::Control;
use super::ownership::FieldChange;
use crate::catalog_service::entry::desired;

impl Control {
    /// Changes a setting in the spec of a stream, and waits until it is in force.
    ///
    /// # Errors
    /// If the stream does not exist, a manifest sets the field, the change breaks a rule, or the API server does not do it.
    pub(super) async fn change_stream(&self, call: &ChangeStream) -> Result<SettingsChange, Refusal> {
        let commitment = call.change.warms() && self.has_commitment().await?;
        let (account_id, defaults) = (&self.settings.account_id, self.settings.defaults());
        let judged = self.change_spec(&call.stream, |stream| {
            let before = desired(stream, account_id, &defaults).ok_or_else(|| call.stream.not_found())?;
            let after = call.change.applied_to(&before, commitment)?;
            Ok((changes(&before, &after), (before, after)))
        });
        let ((before, after), is_written) = judged.await?;
        if is_written {
            self.told(|published| published.get(&after.uid).is_none_or(|shown| shows(&shown, &after))).await;
        }
        Ok(SettingsChange { before: before.settings, after: after.settings })
    }
}

/// The fields of a spec that turn one stream into another.
fn changes(before: &Stream, after: &Stream) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    if after.mode != before.mode {
        changes.push(FieldChange::new(&["streamModeDetails", "streamMode"], mode_text(after.mode)));
    }
    if after.retention_period_hours != before.retention_period_hours {
        changes.push(FieldChange::new(&["retentionPeriodHours"], after.retention_period_hours));
    }
    if after.max_record_size_kib != before.max_record_size_kib {
        changes.push(FieldChange::new(&["maxRecordSizeKiB"], after.max_record_size_kib));
    }
    if after.settings.warm_throughput_mibps != before.settings.warm_throughput_mibps {
        changes.push(FieldChange::new(&["warmThroughputMiBps"], after.settings.warm_throughput_mibps));
    }
    let metrics = &after.settings.shard_level_metrics;
    if *metrics != before.settings.shard_level_metrics {
        let names: Vec<_> = metrics.iter().map(|metric| metric.as_str()).collect();
        let value = if names.is_empty() { Value::Null } else { names.into() };
        changes.push(FieldChange::new(&["shardLevelMetrics"], value));
    }
    changes
}

/// A mode as a spec has it.
pub(super) fn mode_text(mode: StreamMode) -> &'static str {
    match mode {
        StreamMode::Provisioned => "PROVISIONED",
        StreamMode::OnDemand => "ON_DEMAND",
    }
}

/// Whether an entry of the catalog has the settings of a spec.
fn shows(entry: &Stream, spec: &Stream) -> bool {
    changes(entry, spec).is_empty()
}

#[cfg(test)]
mod tests {
    use catalog::control::StreamChange;
    use catalog::{ShardLevelMetric, StreamSettings};
    use serde_json::json;

    use super::*;
    use crate::catalog_service::testing::stream;

    #[test]
    fn a_change_is_the_fields_that_differ() {
        let provisioned = stream("uid", 1);
        let to = |change: StreamChange| {
            let after = change.applied_to(&provisioned, true).unwrap();
            assert_eq!(shows(&provisioned, &after), provisioned == after);
            changes(&provisioned, &after)
        };
        assert_eq!(to(StreamChange::IncreaseRetention(24)), []);
        assert_eq!(
            to(StreamChange::IncreaseRetention(48)),
            [FieldChange::new(&["retentionPeriodHours"], 48)]
        );
        assert_eq!(to(StreamChange::MaxRecordSize(2048)), [FieldChange::new(&["maxRecordSizeKiB"], 2048)]);
        let enable = StreamChange::EnableMetrics(vec![ShardLevelMetric::IncomingBytes]);
        assert_eq!(to(enable), [FieldChange::new(&["shardLevelMetrics"], json!(["IncomingBytes"]))]);
        assert_eq!(
            to(StreamChange::Mode { mode: StreamMode::OnDemand, warm_throughput_mibps: Some(16) }),
            [
                FieldChange::new(&["streamModeDetails", "streamMode"], "ON_DEMAND"),
                FieldChange::new(&["warmThroughputMiBps"], 16),
            ]
        );
    }

    #[test]
    fn what_goes_with_a_change_is_removed() {
        let settings = StreamSettings {
            shard_level_metrics: [ShardLevelMetric::IncomingBytes].into(),
            warm_throughput_mibps: Some(16),
            consumer_count: 3,
        };
        let warm = Stream { mode: StreamMode::OnDemand, settings, ..stream("uid", 1) };
        let disable = StreamChange::DisableMetrics(ShardLevelMetric::ALL.into());
        assert_eq!(
            changes(&warm, &disable.applied_to(&warm, false).unwrap()),
            [FieldChange::new(&["shardLevelMetrics"], Value::Null)]
        );
        let provisioned = StreamChange::Mode { mode: StreamMode::Provisioned, warm_throughput_mibps: None };
        assert_eq!(
            changes(&warm, &provisioned.applied_to(&warm, false).unwrap()),
            [
                FieldChange::new(&["streamModeDetails", "streamMode"], "PROVISIONED"),
                FieldChange::new(&["warmThroughputMiBps"], Value::Null),
            ]
        );
    }
}
