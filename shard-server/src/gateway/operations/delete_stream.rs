//! DeleteStream.

use catalog::control::{DeleteStream, StreamKey};
use kinesis_wire::{Error, request};

use super::Answer;
use crate::gateway::{Call, Endpoint};

pub async fn answer(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::DeleteStream<'_>,
) -> Result<Answer, Error> {
    let name = call.required_name_of(&request.stream)?;
    let StreamKey { account_id, region, name } = call.key(&name);
    let enforce_consumer_deletion = request.enforce_consumer_deletion;
    let delete = DeleteStream { account_id, region, name: name.clone(), enforce_consumer_deletion };
    endpoint.change(call, &name, delete).await?;
    Ok(Vec::new().into())
}
