//! Settings of streams as the API shows them: the answers to those who change some, and what descriptions have of them.

use super::Body;
use crate::words::{EncryptionType, ShardLevelMetric, StreamMode};
use crate::writer::Writer;

/// The throughput that an on-demand stream is kept ready for, in MiB/s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarmThroughput {
    /// TargetMiBps.
    pub target_mibps: u32,
    /// CurrentMiBps.
    pub current_mibps: u32,
}

/// The answer to UpdateStreamWarmThroughput.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateStreamWarmThroughput {
    /// StreamARN.
    pub stream_arn: String,
    /// StreamName.
    pub stream_name: String,
    /// WarmThroughput.
    pub warm_throughput: WarmThroughput,
}

/// The answer to EnableEnhancedMonitoring and to DisableEnhancedMonitoring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnhancedMonitoring {
    /// StreamName.
    pub stream_name: String,
    /// StreamARN.
    pub stream_arn: String,
    /// CurrentShardLevelMetrics: what was on before.
    pub current: Vec<ShardLevelMetric>,
    /// DesiredShardLevelMetrics: what is on from now.
    pub desired: Vec<ShardLevelMetric>,
}

impl Body for UpdateStreamWarmThroughput {
    fn write(&self, writer: &mut impl Writer) {
        writer.map(|writer| {
            writer.text_member("StreamARN", &self.stream_arn);
            writer.text_member("StreamName", &self.stream_name);
            self.warm_throughput.write(writer);
        });
    }
}

impl Body for EnhancedMonitoring {
    fn write(&self, writer: &mut impl Writer) {
        writer.map(|writer| {
            writer.text_member("StreamName", &self.stream_name);
            write_metrics("CurrentShardLevelMetrics", &self.current, writer);
            write_metrics("DesiredShardLevelMetrics", &self.desired, writer);
            writer.text_member("StreamARN", &self.stream_arn);
        });
    }
}

impl WarmThroughput {
    /// The member WarmThroughput.
    pub(super) fn write(self, writer: &mut impl Writer) {
        writer.map_member("WarmThroughput", |writer| {
            writer.integer_member("TargetMiBps", self.target_mibps);
            writer.integer_member("CurrentMiBps", self.current_mibps);
        });
    }
}

/// The member StreamModeDetails.
pub(super) fn write_mode(mode: StreamMode, writer: &mut impl Writer) {
    writer.map_member("StreamModeDetails", |writer| writer.text_member("StreamMode", mode.name()));
}

/// The member EnhancedMonitoring: one element, whose list is empty where nothing is on.
pub(super) fn write_monitoring(metrics: &[ShardLevelMetric], writer: &mut impl Writer) {
    writer.list_member("EnhancedMonitoring", [metrics], |writer, metrics| {
        writer.map(|writer| write_metrics("ShardLevelMetrics", metrics, writer));
    });
}

/// The members EncryptionType and KeyId.
pub(super) fn write_encryption(
    encryption_type: EncryptionType,
    key_id: Option<&str>,
    writer: &mut impl Writer,
) {
    writer.text_member("EncryptionType", encryption_type.name());
    writer.optional_text_member("KeyId", key_id);
}

fn write_metrics(name: &'static str, metrics: &[ShardLevelMetric], writer: &mut impl Writer) {
    writer.list_member(name, metrics, |writer, metric| writer.text(metric.name()));
}
