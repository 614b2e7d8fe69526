//! CreateStream.

use catalog::StreamMode;
use catalog::control::{CreateStream, Refusal, RefusalCode};
use kinesis_wire::request::{self, RecordDistributionStrategy};
use kinesis_wire::{Error, ErrorCode};

use super::Answer;
use crate::gateway::Endpoint;

pub async fn answer(endpoint: &Endpoint, request: request::CreateStream<'_>) -> Result<Answer, Error> {
    let call = call_of(request, endpoint.account_id())?;
    let name = call.name.to_string();
    endpoint.catalog().create_stream(call).await.map_err(refused)?;
    tracing::info!(stream = name, "created by the API");
    Ok(Vec::new().into())
}

/// The control call for a request. The catalog service validates its values.
fn call_of(request: request::CreateStream<'_>, account_id: &str) -> Result<CreateStream, Error> {
    let invalid = |message: &'static str| Err(Error::new(ErrorCode::InvalidArgumentException, message));
    let (mode, shard_count) = match request.stream_mode {
        // The load decides the number of shards. AWS ignores a count here, too.
        Some(request::StreamMode::OnDemand) => (StreamMode::OnDemand, None),
        Some(request::StreamMode::Provisioned) | None => (StreamMode::Provisioned, request.shard_count),
    };
    if request.warm_throughput_mibps.is_some_and(|mibps| mibps > 0) {
        return invalid("WarmThroughputMiBps is not served yet.");
    }
    if request.record_distribution_strategy == Some(RecordDistributionStrategy::Auto) {
        return invalid("RecordDistributionStrategy AUTO is not served yet.");
    }
    let name = request.stream_name.parse();
    let name =
        name.map_err(|_| Error::new(ErrorCode::InvalidArgumentException, "StreamName is not valid."))?;
    let tags = request.tags.into_iter().map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
    Ok(CreateStream {
        account_id: account_id.into(),
        name,
        mode,
        shard_count,
        max_record_size_kib: request.max_record_size_kib,
        tags,
    })
}

/// The error for the client of a refused control call.
pub(super) fn refused(refusal: Refusal) -> Error {
    let code = match refusal.code {
        RefusalCode::ResourceInUse => ErrorCode::ResourceInUseException,
        RefusalCode::ResourceNotFound => ErrorCode::ResourceNotFoundException,
        RefusalCode::InvalidArgument => ErrorCode::InvalidArgumentException,
        RefusalCode::LimitExceeded => ErrorCode::LimitExceededException,
        RefusalCode::Unavailable => {
            tracing::warn!(reason = refusal.message, "the catalog service did not do a control call");
            return Error::bare(ErrorCode::InternalFailure);
        }
    };
    Error::new(code, refusal.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

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

    #[test]
    fn request_without_mode_and_count_leaves_the_count_to_the_catalog() {
        let call = call_of(request(), "000000000000").unwrap();
        assert_eq!((call.mode, call.shard_count), (StreamMode::Provisioned, None));
    }

    #[test]
    fn on_demand_stream_ignores_a_shard_count() {
        let mode = Some(request::StreamMode::OnDemand);
        let counted = request::CreateStream { stream_mode: mode, shard_count: Some(2), ..request() };
        let call = call_of(counted, "000000000000").unwrap();
        assert_eq!((call.mode, call.shard_count), (StreamMode::OnDemand, None));
    }

    #[test]
    fn settings_that_are_not_served_yet_are_refused() {
        for request in [
            request::CreateStream { warm_throughput_mibps: Some(10), ..request() },
            request::CreateStream {
                record_distribution_strategy: Some(RecordDistributionStrategy::Auto),
                ..request()
            },
        ] {
            assert!(call_of(request, "000000000000").is_err());
        }
    }

    #[test]
    fn unavailable_service_is_an_internal_failure_without_a_message() {
        let refusal = Refusal { code: RefusalCode::Unavailable, message: "connection refused".into() };
        assert_eq!(refused(refusal), Error::bare(ErrorCode::InternalFailure));
    }
}
