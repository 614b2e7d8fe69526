//! Carries out what was decided: calls to the API server, in order, and nothing that decides.

mod deletion;
mod events;
mod patch;

use std::sync::Arc;

use catalog::resource::{DataStream, DataStreamStatus, Shard};
use futures::{StreamExt, TryStreamExt, stream as streams};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

pub use deletion::delete;
pub use patch::list;

use super::context::Context;
use super::decide::{Command, Desired, SERVICE, STATEFUL_SET, ShardWrite};
use super::error::{Error, is_refusal, text};
use super::observe::Known;
use super::status::{condition, news};
use crate::names::Names;
use crate::signals::ConditionType;

/// How many objects of one kind are written at a time.
const CONCURRENT_WRITES: usize = 8;

/// What became of the commands.
#[derive(Debug)]
pub enum Outcome {
    /// All are carried out; the stream as it is now.
    Done(Arc<DataStream>),
    /// The API server refuses that a volume grows; what comes after it was not done.
    GrowthRefused {
        /// The claim's name.
        claim: String,
        /// The answer.
        message: String,
    },
}

/// Carries out commands, in order.
///
/// # Errors
/// Of the first command that fails; what was done before it stays done.
pub async fn carry_out(context: &Context, known: &Known, commands: Vec<Command>) -> Result<Outcome, Error> {
    let (client, names) = (&context.client, &known.names);
    let namespace = names.namespace.as_str();
    let mut stream = Arc::clone(&known.stream);
    for command in commands {
        match command {
            Command::AddFinalizer => stream = Arc::new(patch::add_finalizer(client, &stream).await?),
            Command::Apply(desired) => apply(context, names, &desired).await?,
            Command::WriteShards(writes) => write_shards(context, names, writes).await?,
            Command::GrowClaim { name, size } => {
                match patch::grow_claim(client, namespace, &name, &size).await {
                    Ok(()) => tracing::info!(namespace, claim = name, size, "volume grows"),
                    Err(error) if is_refusal(&error) => {
                        return Ok(Outcome::GrowthRefused { claim: name, message: text(&error) });
                    }
                    Err(error) => return Err(Error::api("grow a volume")(error)),
                }
            }
            Command::WriteStatus(status) => {
                stream = write_status(context, &stream, &status, known.now).await?;
            }
        }
    }
    Ok(Outcome::Done(stream))
}

async fn apply(context: &Context, names: &Names, desired: &Desired) -> Result<(), Error> {
    let (client, namespace) = (&context.client, names.namespace.as_str());
    let ((kind, name), object) = (&desired.key, &desired.object);
    let answer = match *kind {
        SERVICE => desired.answered(&patch::apply::<Service>(client, namespace, name, object).await?),
        STATEFUL_SET => {
            desired.answered(&patch::apply::<StatefulSet>(client, namespace, name, object).await?)
        }
        _ => desired.answered(&patch::apply::<Shard>(client, namespace, name, object).await?),
    };
    context.memory.remember(&names.uid, desired.key.clone(), answer);
    tracing::info!(kind, namespace, name, "applied");
    Ok(())
}

async fn write_shards(context: &Context, names: &Names, writes: Vec<ShardWrite>) -> Result<(), Error> {
    let (client, namespace) = (&context.client, names.namespace.as_str());
    let write = |write: ShardWrite| async move {
        match write {
            ShardWrite::Create(desired) => {
                let (_, name) = &desired.key;
                patch::apply::<Shard>(client, namespace, name, &desired.object).await.map(drop)
            }
            ShardWrite::Open(name) => patch::shard_is_open(client, namespace, &name).await,
        }
    };
    streams::iter(writes)
        .map(write)
        .buffer_unordered(CONCURRENT_WRITES)
        .try_collect::<Vec<()>>()
        .await
        .map(drop)
}

/// The one place that writes a stream's status; events and a log line show what changed.
async fn write_status(
    context: &Context,
    stream: &Arc<DataStream>,
    after: &DataStreamStatus,
    now: Timestamp,
) -> Result<Arc<DataStream>, Error> {
    let before = stream.status.clone().unwrap_or_default();
    let written = patch::status(&context.client, stream, after).await?;
    log_change(stream, &before, after);
    events::publish(&context.client, stream, &news(&before, after), now).await;
    Ok(Arc::new(written))
}

fn log_change(stream: &DataStream, before: &DataStreamStatus, after: &DataStreamStatus) {
    let ready = |status: &DataStreamStatus| {
        condition(&status.conditions, ConditionType::Ready)
            .map(|ready| (ready.status.clone(), ready.reason.clone()))
            .unwrap_or_default()
    };
    let ((_, old_reason), (ready_now, reason)) = (ready(before), ready(after));
    let stream_status = after.stream_status.as_deref().unwrap_or_default();
    if before.stream_status != after.stream_status || old_reason != reason {
        let (namespace, name) = (stream.namespace().unwrap_or_default(), stream.name_any());
        tracing::info!(namespace, name, stream_status, ready = ready_now, reason, "stream");
    }
}
