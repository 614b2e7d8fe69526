//! The custom resources of `kinetes.dev/v1alpha1`, and the rules that a manifest must keep.
//!
//! The operator, `shard-server local -f` and the generated CRDs use the same types. Every rule is defined once, in
//! `rules`, as CEL for the API server and as a function for everybody else; one table of cases
//! (`catalog/tests/manifest_cases.yaml`) checks that the two agree.

mod crd;
mod data_stream;
mod pod_template;
mod quantity;
mod recorded_map;
mod resolve;
mod rules;
mod shard;
mod stream_consumer;
mod validate;

pub use crd::crds;
pub use data_stream::{DataStream, DataStreamSpec, DataStreamStatus, Storage, StreamModeDetails};
pub use pod_template::{PodTemplate, Resources};
pub use quantity::{quantity_bytes, quantity_nanos};
pub use recorded_map::RecordedMap;
pub use resolve::{Defaults, Resolved};
pub use shard::{HashKeyRange, InvalidShard, Shard, ShardSpec, ShardStatus};
pub use stream_consumer::{StreamConsumer, StreamConsumerSpec};
pub use validate::{Judgement, Violation};

/// The API group of all resources.
pub const GROUP: &str = "kinetes.dev";
