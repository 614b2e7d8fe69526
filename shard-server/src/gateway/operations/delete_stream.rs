//! DeleteStream.

use catalog::control::DeleteStream;
use kinesis_wire::{Error, request};

use super::{Answer, create_stream::refused};
use crate::gateway::Endpoint;

/// EnforceConsumerDeletion has no effect: consumers are not served yet.
pub async fn answer(endpoint: &Endpoint, request: request::DeleteStream<'_>) -> Result<Answer, Error> {
    let name = endpoint.required_name_of(&request.stream)?;
    let call = DeleteStream { account_id: endpoint.account_id().into(), name: name.clone() };
    endpoint.catalog().delete_stream(call).await.map_err(refused)?;
    tracing::info!(stream = %name, "deleted by the API");
    Ok(Vec::new().into())
}
