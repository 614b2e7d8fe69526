//! One look at one stream: observe, decide, act.

use std::sync::Arc;

use catalog::resource::DataStream;
use kube::runtime::controller::Action;

use super::act::{Outcome, carry_out, delete};
use super::context::Context;
use super::decide::{Next, after_refusal, decide};
use super::error::Error;
use super::observe::{Known, ask, observe};

/// How often it is decided in one look: a new stream takes the finalizer, the first status and the rest; a refused
/// growth one more.
const MOST_DECISIONS: usize = 4;

/// Looks at one stream and takes the steps that are due.
///
/// # Errors
/// If a step fails; what was done before it stays done, and the next look goes on from there.
pub async fn reconcile(stream: Arc<DataStream>, context: Arc<Context>) -> Result<Action, Error> {
    let Some(mut known) = observe(&context, stream) else { return Ok(Action::await_change()) };
    let outcome = steps(&context, &mut known).await;
    if outcome.is_err() && known.reports_foreign {
        context.names.not_reported(&known.stream);
    }
    // Under the version that is known: where a status was written before the step that failed, the next look reports it.
    if let Some(message) = outcome.as_ref().err().and_then(Error::refusal)
        && let Some(status) = after_refusal(&known, message, &context.settings)
        && let Err(error) = carry_out(&context, &known, vec![status]).await
    {
        tracing::debug!(%error, "the refusal was not written down");
    }
    outcome
}

async fn steps(context: &Context, known: &mut Known) -> Result<Action, Error> {
    ask(context, known).await?;
    for _ in 0..MOST_DECISIONS {
        let decision = decide(known, &context.settings)?;
        for (pod, instruction) in decision.instructions {
            context.prober.instruct(&pod, instruction);
        }
        let outcome = match carry_out(context, known, decision.commands).await {
            // A stream whose status the API server does not take any more goes all the same.
            Err(error) if decision.next == Next::Delete && !error.is_conflict() => {
                tracing::warn!(%error, name = known.names.stream, "the status of a deleted stream was not written");
                Outcome::Done(Arc::clone(&known.stream))
            }
            outcome => outcome?,
        };
        match outcome {
            Outcome::Done(stream) => known.stream = stream,
            Outcome::GrowthRefused { claim, message } => {
                known.growth_refusals.insert(claim, message);
                continue;
            }
        }
        match decision.next {
            Next::DecideAgain => {}
            Next::Look(pause) => return Ok(Action::requeue(pause)),
            Next::AwaitChange => return Ok(Action::await_change()),
            Next::Delete => return delete(context, &known.stream, &known.names).await,
        }
    }
    Ok(Action::requeue(context.settings.requeue()))
}
