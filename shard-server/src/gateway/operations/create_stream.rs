//! CreateStream.

use catalog::StreamMode;
use catalog::control::{CreateStream, StreamKey};
use kinesis_wire::request::{self, RecordDistributionStrategy};
use kinesis_wire::{Error, ErrorCode};

use super::Answer;
use crate::gateway::{Call, Endpoint};

pub async fn answer(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::CreateStream<'_>,
) -> Result<Answer, Error> {
    let create = create_of(request, call)?;
    let name = create.name.clone();
    endpoint.change(call, &name, create).await?;
    Ok(Vec::new().into())
}

/// The control call for a request. The catalog service validates its values.
fn create_of(request: request::CreateStream<'_>, call: &Call<'_>) -> Result<CreateStream, Error> {
    let invalid = |message: &'static str| Err(Error::new(ErrorCode::InvalidArgumentException, message));
    let (mode, shard_count) = match request.stream_mode {
        // The load decides the number of shards. AWS ignores a count here, too.
        Some(request::StreamMode::OnDemand) => (StreamMode::OnDemand, None),
        Some(request::StreamMode::Provisioned) | None => (StreamMode::Provisioned, request.shard_count),
    };
    if request.record_distribution_strategy == Some(RecordDistributionStrategy::Auto) {
        return invalid("RecordDistributionStrategy AUTO is not served yet.");
    }
    let name = request.stream_name.parse();
    let name =
        name.map_err(|_| Error::new(ErrorCode::InvalidArgumentException, "StreamName is not valid."))?;
    let StreamKey { account_id, region, name } = call.key(&name);
    let tags = request.tags.into_iter().map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
    Ok(CreateStream {
        account_id,
        region,
        name,
        mode,
        shard_count,
        max_record_size_kib: request.max_record_size_kib,
        warm_throughput_mibps: request.warm_throughput_mibps.filter(|mibps| *mibps > 0),
        tags,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Instant;

    use kinesis_wire::{Encoding, Operation};

    use super::*;
    use crate::gateway::{Identity, Regions};

    fn request() -> request::CreateStream<'static> {
        request::CreateStream {
            stream_name: "orders".into(),
            shard_count: None,
            stream_mode: None,
            tags: BTreeMap::new(),
            warm_throughput_mibps: None,
            max_record_size_kib: None,
            record_distribution_strategy: None,
        }
    }

    fn create(request: request::CreateStream<'_>) -> Result<CreateStream, Error> {
        let identity =
            Identity { account_id: "000000000000".into(), region: "us-east-1".into(), regions: Regions::Own };
        create_of(request, &identity.call(Operation::CreateStream, Encoding::Json, None, Instant::now()))
    }

    #[test]
    fn request_without_mode_and_count_leaves_the_count_to_the_catalog() {
        let create = create(request()).unwrap();
        assert_eq!((create.mode, create.shard_count), (StreamMode::Provisioned, None));
    }

    #[test]
    fn on_demand_stream_ignores_a_shard_count() {
        let mode = Some(request::StreamMode::OnDemand);
        let counted = request::CreateStream { stream_mode: mode, shard_count: Some(2), ..request() };
        let create = create(counted).unwrap();
        assert_eq!((create.mode, create.shard_count), (StreamMode::OnDemand, None));
    }

    #[test]
    fn distribution_that_is_not_served_yet_is_refused() {
        let record_distribution_strategy = Some(RecordDistributionStrategy::Auto);
        assert!(create(request::CreateStream { record_distribution_strategy, ..request() }).is_err());
    }
}
