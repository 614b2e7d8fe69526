//! The words of the API: values that are one of a few.

macro_rules! words {
    ($($(#[$doc:meta])* $type:ident { $($variant:ident $name:literal)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            #[allow(missing_docs, reason = "the words are those of the AWS API reference")]
            pub enum $type {
                $($variant,)*
            }

            impl $type {
                /// Every word.
                pub const ALL: &[Self] = &[$(Self::$variant,)*];

                /// Every word as the API writes it.
                pub const NAMES: &[&str] = &[$($name,)*];

                /// The word as the API writes it.
                #[must_use]
                pub fn name(self) -> &'static str {
                    match self {
                        $(Self::$variant => $name,)*
                    }
                }

                /// The word that is written so. Case counts.
                #[must_use]
                pub fn from_name(name: &str) -> Option<Self> {
                    Self::ALL.iter().copied().find(|word| word.name() == name)
                }
            }
        )*
    };
}

words! {
    /// Who decides the number of a stream's shards.
    StreamMode { Provisioned "PROVISIONED" OnDemand "ON_DEMAND" }

    /// How records find their shards: evenly, whatever their keys say, or by partition key.
    RecordDistributionStrategy { Auto "AUTO" UserPartitionKey "USER_PARTITION_KEY" }

    /// How a stream's records are kept.
    EncryptionType { None "NONE" Kms "KMS" }

    /// What a stream is about.
    StreamStatus { Creating "CREATING" Deleting "DELETING" Active "ACTIVE" Updating "UPDATING" }

    /// What a consumer is about.
    ConsumerStatus { Creating "CREATING" Deleting "DELETING" Active "ACTIVE" }

    /// What an account asks for: a minimum of throughput that is billed, or none.
    CommitmentRequest { Enabled "ENABLED" Disabled "DISABLED" }

    /// Whether an account has committed to a minimum of throughput.
    CommitmentStatus {
        Enabled "ENABLED"
        Disabled "DISABLED"
        EnabledUntilEarliestAllowedEnd "ENABLED_UNTIL_EARLIEST_ALLOWED_END"
    }

    /// A metric that can be had shard by shard.
    ShardLevelMetric {
        IncomingBytes "IncomingBytes"
        IncomingRecords "IncomingRecords"
        OutgoingBytes "OutgoingBytes"
        OutgoingRecords "OutgoingRecords"
        WriteProvisionedThroughputExceeded "WriteProvisionedThroughputExceeded"
        ReadProvisionedThroughputExceeded "ReadProvisionedThroughputExceeded"
        IteratorAgeMilliseconds "IteratorAgeMilliseconds"
    }
}

/// The word that stands for every [`ShardLevelMetric`] in a request. No answer has it.
pub(crate) const ALL_METRICS: &str = "ALL";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_by_its_name() {
        assert!(StreamMode::ALL.iter().all(|&word| StreamMode::from_name(word.name()) == Some(word)));
        assert_eq!(StreamMode::from_name("on_demand"), None);
        assert_eq!(ShardLevelMetric::from_name(ALL_METRICS), None);
    }
}
