//! The loop: looks at streams when something of them changed, and once in a while.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::resource::DataStream;
use futures::{Stream, StreamExt, stream};
use kube::ResourceExt;
use kube::runtime::applier;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::ObjectRef;
use tokio_stream::wrappers::BroadcastStream;

use super::context::Context;
use super::error::Error;
use super::reconcile::reconcile;
use crate::admin::Outcome;
use crate::world::{Scope, Wake};

/// How many streams are looked at at a time in one scope.
const CONCURRENT_LOOKS: u16 = 16;
/// How long news of one stream gather before it is looked at.
const GATHER: Duration = Duration::from_millis(20);

/// Looks at the streams of every scope, for as long as it is polled. Only who holds the lease may.
pub async fn run(context: Arc<Context>) {
    let scopes = context.world.scopes().to_vec();
    futures::future::join_all(scopes.into_iter().map(|scope| run_scope(Arc::clone(&context), scope))).await;
}

async fn run_scope(context: Arc<Context>, scope: Arc<Scope>) {
    let config = Config::default().concurrency(CONCURRENT_LOOKS).debounce(GATHER);
    let queue = queue(Arc::clone(&context), Arc::clone(&scope));
    applier(measured, after_error, context, scope.streams.clone(), queue.map(Ok::<_, Infallible>), config)
        // `measured` has counted and logged it; a stream that is gone needs no look.
        .for_each(|_| std::future::ready(()))
        .await;
}

/// The streams to look at: all of them first, then those of which there is news.
fn queue(context: Arc<Context>, scope: Arc<Scope>) -> impl Stream<Item = ObjectRef<DataStream>> {
    let news = BroadcastStream::new(context.world.wakes());
    let first = stream::once(async { Ok(Wake::All) });
    first.chain(news).flat_map(move |wake| {
        stream::iter(match wake {
            Ok(Wake::Stream(stream)) => vec![stream],
            // Who missed news looks at everything. So does everybody when a stream is gone.
            Ok(Wake::All) | Err(_) => {
                let there: HashSet<_> =
                    context.world.streams().iter().filter_map(|stream| stream.uid()).collect();
                context.memory.keep(|uid| there.contains(uid));
                scope.streams.state().iter().map(|stream| ObjectRef::from_obj(&**stream)).collect()
            }
        })
    })
}

/// A look, counted and logged. It is boxed: the loop holds many of them.
fn measured(
    stream: Arc<DataStream>,
    context: Arc<Context>,
) -> futures::future::BoxFuture<'static, Result<Action, Error>> {
    Box::pin(async move {
        let started = Instant::now();
        let outcome = reconcile(Arc::clone(&stream), Arc::clone(&context)).await;
        context.metrics.reconciled(
            started.elapsed(),
            match &outcome {
                Ok(_) => Outcome::Succeeded,
                Err(error) if error.is_conflict() => Outcome::Conflicted,
                Err(_) => Outcome::Failed,
            },
        );
        if outcome.is_ok() {
            context.memory.succeeded(&stream.uid().unwrap_or_default());
        }
        outcome
    })
}

fn after_error(stream: Arc<DataStream>, error: &Error, context: Arc<Context>) -> Action {
    let (namespace, name) = (stream.namespace().unwrap_or_default(), stream.name_any());
    if error.is_conflict() {
        tracing::debug!(namespace, name, %error, "somebody else wrote first; looking again");
    } else {
        tracing::warn!(namespace, name, %error, "a step failed; retrying");
    }
    let failures = context.memory.failed(&stream.uid().unwrap_or_default());
    Action::requeue(error.retry_after(failures))
}
