//! Changes of a stream's settings, and their rules (AWS API reference).

use serde::{Deserialize, Serialize};

use super::{Refusal, RefusalCode};
use crate::{ShardLevelMetric, Stream, StreamMode, StreamStatus};

/// The shortest and the longest retention, in hours.
const RETENTION_HOURS: std::ops::RangeInclusive<i32> = 24..=8_760;

/// The highest warm throughput, in MiB per second: 10 GiB.
pub const MAX_WARM_THROUGHPUT_MIBPS: u32 = 10 << 10;

/// A change of one setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StreamChange {
    /// A longer retention, in hours.
    IncreaseRetention(i32),
    /// A shorter retention, in hours.
    DecreaseRetention(i32),
    /// Shard-level metrics that are added.
    EnableMetrics(Vec<ShardLevelMetric>),
    /// Shard-level metrics that are taken away.
    DisableMetrics(Vec<ShardLevelMetric>),
    /// Another mode.
    #[serde(rename_all = "camelCase")]
    Mode {
        /// The mode.
        mode: StreamMode,
        /// The warm throughput of an on-demand stream, in MiB per second.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        warm_throughput_mibps: Option<u32>,
    },
    /// Another limit of the size of a record, in KiB: 1024 to 10240.
    MaxRecordSize(u32),
    /// Another warm throughput of an on-demand stream, in MiB per second.
    WarmThroughput(u32),
}

impl StreamChange {
    /// The fields of a manifest that it sets.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::IncreaseRetention(_) | Self::DecreaseRetention(_) => "spec.retentionPeriodHours",
            Self::EnableMetrics(_) | Self::DisableMetrics(_) => "spec.shardLevelMetrics",
            Self::Mode { .. } => "spec.streamModeDetails",
            Self::MaxRecordSize(_) => "spec.maxRecordSizeKiB",
            Self::WarmThroughput(_) => "spec.warmThroughputMiBps",
        }
    }

    /// Whether it sets a warm throughput, which needs the commitment of the account.
    #[must_use]
    pub fn warms(&self) -> bool {
        matches!(self, Self::WarmThroughput(_) | Self::Mode { warm_throughput_mibps: Some(_), .. })
    }

    /// The stream with this change, under an unchanged version. `commitment`: whether its account has the minimum
    /// throughput billing commitment.
    ///
    /// # Errors
    /// If the stream is not ACTIVE, or the change breaks a rule.
    pub fn applied_to(&self, stream: &Stream, commitment: bool) -> Result<Stream, Refusal> {
        check_active(stream)?;
        let mut changed = stream.clone();
        let settings = &mut changed.settings;
        match self {
            Self::IncreaseRetention(hours) => {
                let (hours, current) = (in_range(*hours)?, stream.retention_period_hours);
                if hours < current {
                    return Err(invalid(format!(
                        "Requested retention period ({hours} hours) for stream {} can not be shorter than existing \
                         retention period ({current} hours). Use DecreaseRetentionPeriod API.",
                        stream.name
                    )));
                }
                changed.retention_period_hours = hours;
            }
            Self::DecreaseRetention(hours) => {
                let (hours, current) = (in_range(*hours)?, stream.retention_period_hours);
                if hours > current {
                    return Err(invalid(format!(
                        "Requested retention period ({hours} hours) for stream {} can not be longer than existing \
                         retention period ({current} hours). Use IncreaseRetentionPeriod API.",
                        stream.name
                    )));
                }
                changed.retention_period_hours = hours;
            }
            Self::EnableMetrics(metrics) => settings.shard_level_metrics.extend(metrics),
            Self::DisableMetrics(metrics) => {
                settings.shard_level_metrics.retain(|metric| !metrics.contains(metric));
            }
            Self::Mode { mode, warm_throughput_mibps } => {
                changed.mode = *mode;
                settings.warm_throughput_mibps = match mode {
                    StreamMode::OnDemand => settings.warm_throughput_mibps,
                    StreamMode::Provisioned => None,
                };
                if let Some(mibps) = warm_throughput_mibps {
                    check_warm_throughput(*mibps, *mode, commitment)?;
                    settings.warm_throughput_mibps = Some(*mibps);
                }
            }
            Self::MaxRecordSize(kib) => changed.max_record_size_kib = *kib,
            Self::WarmThroughput(mibps) => {
                check_warm_throughput(*mibps, stream.mode, commitment)?;
                settings.warm_throughput_mibps = Some(*mibps);
            }
        }
        Ok(changed)
    }
}

/// Checks the warm throughput of a stream.
///
/// # Errors
/// If it is too high, or streams of this mode and account have none.
pub(super) fn check_warm_throughput(mibps: u32, mode: StreamMode, commitment: bool) -> Result<(), Refusal> {
    if mode == StreamMode::Provisioned {
        return Err(invalid("WarmThroughputMiBps is for streams in On-Demand mode."));
    }
    if !commitment {
        return Err(invalid(
            "WarmThroughputMiBps needs MinimumThroughputBillingCommitment: enable it with UpdateAccountSettings.",
        ));
    }
    if mibps > MAX_WARM_THROUGHPUT_MIBPS {
        let message = format!(
            "WarmThroughputMiBps {mibps} is above the limit of {MAX_WARM_THROUGHPUT_MIBPS} MiB per second."
        );
        return Err(Refusal::new(RefusalCode::LimitExceeded, message));
    }
    Ok(())
}

impl super::CreateStream {
    /// Checks the warm throughput of a new stream.
    ///
    /// # Errors
    /// If it is too high, or streams of this mode and account have none.
    pub fn check_warm_throughput(&self, commitment: bool) -> Result<(), Refusal> {
        match self.warm_throughput_mibps {
            None => Ok(()),
            Some(mibps) => check_warm_throughput(mibps, self.mode, commitment),
        }
    }
}

fn check_active(stream: &Stream) -> Result<(), Refusal> {
    if stream.status == StreamStatus::Active { Ok(()) } else { Err(stream.not_active()) }
}

impl Stream {
    /// The refusal of a call that needs the stream to be in another state than it is.
    #[must_use]
    pub fn not_active(&self) -> Refusal {
        let state = match self.status {
            StreamStatus::Active => "ACTIVE",
            StreamStatus::Creating => "CREATING",
            StreamStatus::Updating => "UPDATING",
            StreamStatus::Deleting => "DELETING",
        };
        let message = format!(
            "Stream {} under account {} not ACTIVE, instead in state {state}",
            self.name, self.account_id
        );
        Refusal::new(RefusalCode::ResourceInUse, message)
    }
}

fn in_range(hours: i32) -> Result<u32, Refusal> {
    let (min, max) = (RETENTION_HOURS.start(), RETENTION_HOURS.end());
    if hours < *min {
        return Err(invalid(format!(
            "Minimum allowed retention period is {min} hours. Requested retention period ({hours} hours) is too short."
        )));
    }
    if hours > *max {
        return Err(invalid(format!(
            "Maximum allowed retention period is {max} hours. Requested retention period ({hours} hours) is too long."
        )));
    }
    Ok(hours.cast_unsigned())
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(RefusalCode::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StreamSettings;

    fn stream(mode: StreamMode) -> Stream {
        Stream {
            uid: "uid".into(),
            map_version: 1,
            map_digest: None,
            account_id: "000000000000".into(),
            region: None,
            name: "orders".parse().unwrap(),
            status: StreamStatus::Active,
            mode,
            retention_period_hours: 48,
            max_record_size_kib: 1024,
            created_ms: 1_700_000_000_000,
            settings: StreamSettings::default(),
            shards: Vec::new(),
            logs: Vec::new(),
            groups: Vec::new(),
        }
    }

    fn message(change: StreamChange) -> String {
        change.applied_to(&stream(StreamMode::Provisioned), false).unwrap_err().message
    }

    #[test]
    fn retention_moves_in_one_direction_a_call_and_the_current_one_is_no_error() {
        use StreamChange::{DecreaseRetention, IncreaseRetention};
        let hours = |change: StreamChange| {
            change.applied_to(&stream(StreamMode::Provisioned), false).unwrap().retention_period_hours
        };
        assert_eq!([IncreaseRetention(48), IncreaseRetention(8_760)].map(hours), [48, 8_760]);
        assert_eq!([DecreaseRetention(48), DecreaseRetention(24)].map(hours), [48, 24]);
        assert_eq!(
            message(IncreaseRetention(47)),
            "Requested retention period (47 hours) for stream orders can not be shorter than existing retention period \
             (48 hours). Use DecreaseRetentionPeriod API."
        );
        assert_eq!(
            message(DecreaseRetention(49)),
            "Requested retention period (49 hours) for stream orders can not be longer than existing retention period \
             (48 hours). Use IncreaseRetentionPeriod API."
        );
        assert_eq!(
            message(DecreaseRetention(23)),
            "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short."
        );
        assert_eq!(
            message(IncreaseRetention(8_761)),
            "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long."
        );
    }

    #[test]
    fn stream_that_is_not_active_is_not_changed() {
        let updating = Stream { status: StreamStatus::Updating, ..stream(StreamMode::Provisioned) };
        let refusal = StreamChange::MaxRecordSize(2048).applied_to(&updating, false).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::ResourceInUse);
        let expected = "Stream orders under account 000000000000 not ACTIVE, instead in state UPDATING";
        assert_eq!(refusal.message, expected);
    }

    #[test]
    fn metrics_are_added_and_taken_away() {
        use ShardLevelMetric::{IncomingBytes, OutgoingBytes, OutgoingRecords};
        let enable = StreamChange::EnableMetrics(vec![OutgoingRecords, IncomingBytes]);
        let enabled = enable.applied_to(&stream(StreamMode::Provisioned), false).unwrap();
        let disable = StreamChange::DisableMetrics(vec![OutgoingBytes, IncomingBytes]);
        let left = disable.applied_to(&enabled, false).unwrap().settings.shard_level_metrics;
        assert_eq!(left.into_iter().collect::<Vec<_>>(), [OutgoingRecords]);
    }

    #[test]
    fn warm_throughput_needs_on_demand_mode_and_the_commitment_and_goes_with_the_mode() {
        let warm = StreamChange::WarmThroughput(100);
        assert!(warm.applied_to(&stream(StreamMode::Provisioned), true).is_err());
        assert!(warm.applied_to(&stream(StreamMode::OnDemand), false).is_err());
        let too_high = StreamChange::WarmThroughput(MAX_WARM_THROUGHPUT_MIBPS + 1);
        let refusal = too_high.applied_to(&stream(StreamMode::OnDemand), true).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::LimitExceeded);
        let warmed = warm.applied_to(&stream(StreamMode::OnDemand), true).unwrap();
        assert_eq!(warmed.settings.warm_throughput_mibps, Some(100));
        let provisioned = StreamChange::Mode { mode: StreamMode::Provisioned, warm_throughput_mibps: None };
        let provisioned = provisioned.applied_to(&warmed, true).unwrap();
        assert_eq!(
            (provisioned.mode, provisioned.settings.warm_throughput_mibps),
            (StreamMode::Provisioned, None)
        );
        let on_demand = StreamChange::Mode { mode: StreamMode::OnDemand, warm_throughput_mibps: Some(7) };
        let on_demand = on_demand.applied_to(&provisioned, true).unwrap();
        assert_eq!(on_demand.settings.warm_throughput_mibps, Some(7));
    }
}
