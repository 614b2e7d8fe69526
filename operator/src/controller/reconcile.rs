//! One look at one stream.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use catalog::map::Map;
use catalog::resource::{DataStream, Judgement, Resolved, Shard};
use futures::{StreamExt, TryStreamExt, stream as streams};
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::apply::apply;
use super::context::Context;
use super::error::Error;
use super::examine::{Examined, Wish, examine};
use super::health::{Health, Trouble};
use super::name::{foreign_manager, is_handed_to, is_ours, name_held_since, owns_name};
use super::report::report;
use super::said::Said;
use super::status::{Finding, Live};
use super::{delete, map, patch, storage};
use crate::names::{ACCEPT_LOSS, FINALIZER, Names, pod as pod_name};
use crate::objects::{self, Group};
use crate::world::Observed;

/// How soon a pod that is about to begin is asked again.
const SOON: Duration = Duration::from_millis(300);
/// How often pods are asked at least: so late a full or damaged volume is told of.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How many shards are written at a time.
const AT_A_TIME: usize = 8;

/// Looks at one stream and takes the steps that are due.
///
/// # Errors
/// If a step fails; what was done before it stays done, and the next look goes on from there.
pub async fn reconcile(stream: Arc<DataStream>, context: Arc<Context>) -> Result<Action, Error> {
    let outcome = steps(Arc::clone(&stream), &context).await;
    if let Some(message) = outcome.as_ref().err().and_then(Error::refusal) {
        // Under the version that this look began with: if it wrote a status before it failed, the next look tells.
        if let Err(error) = report(&context, &stream, &Finding::Refused { message }).await {
            tracing::debug!(%error, "the refusal was not written down");
        }
    }
    outcome
}

async fn steps(stream: Arc<DataStream>, context: &Context) -> Result<Action, Error> {
    let installation = context.settings.installation();
    let names = Names::of(&stream);
    let Some(scope) = context.scope(&names.namespace) else { return Ok(Action::await_change()) };
    if !is_ours(&stream, &installation) && !is_handed_to(&stream, &installation) {
        return tell_of_foreign(context, &stream, &installation).await;
    }
    if stream.metadata.deletion_timestamp.is_some() {
        return delete::delete(&stream, &names, context).await;
    }
    let Judgement { invalid, refused } = stream.judge();
    if !invalid.is_empty() {
        report(context, &stream, &Finding::Invalid(invalid)).await?;
        return Ok(Action::requeue(context.settings.requeue()));
    }
    if let Err(owner) = get_name(context, &stream, &installation) {
        let owner = format!("{}/{}", owner.namespace().unwrap_or_default(), owner.name_any());
        report(context, &stream, &Finding::NameTaken { owner }).await?;
        return Ok(Action::requeue(context.settings.requeue()));
    }

    let observed = Observed::of(scope, &names.uid);
    let resolved = stream.resolve(&context.settings.defaults());
    let map = map::map(context, &stream, &names, &resolved, &observed.shards).await?;
    let groups = objects::groups(&names, map.shards(), &observed.shards);

    let stream = claim(context, stream, &resolved, &map, &groups).await?;
    create_shards(context, &stream, &names, &groups, &observed).await?;
    apply_objects(context, &stream, &names, &resolved, &groups, &observed).await?;
    let storage = storage::grow(context, &stream, &names, &resolved, &observed).await?;
    let wish = Wish {
        retention_hours: resolved.retention_period_hours.cast_unsigned(),
        accepted_loss: stream.annotations().get(ACCEPT_LOSS).map(String::as_str),
    };
    let examined = examine(context, &names, wish, groups, &observed).await?;

    let soon = examined.iter().any(|examined| examined.soon);
    let outdated_pods = outdated_pods(&examined, &observed);
    let logs =
        examined.iter().map(|examined| Said::of(&examined.group, examined.storage.as_deref())).collect();
    let map = map::opened(map, examined.iter().map(|examined| &examined.group))?;
    let groups = examined.into_iter().map(|Examined { group, health, .. }| (group, health)).collect();
    let finding =
        Finding::Live(Box::new(Live { resolved, refused, map, groups, outdated_pods, storage, logs }));
    report(context, &stream, &finding).await?;
    Ok(Action::requeue(if soon { SOON } else { context.settings.requeue().min(LOOK_EVERY) }))
}

/// Says of a stream that another installation manages it, and how it is handed over; once in the life of this process,
/// because that installation may be alive and write back.
async fn tell_of_foreign(
    context: &Context,
    stream: &Arc<DataStream>,
    installation: &str,
) -> Result<Action, Error> {
    if let Some(manager) = foreign_manager(stream, installation)
        && context.names.tells(stream)
    {
        tracing::warn!(name = stream.name_any(), manager, "a stream of another installation is left alone");
        let manager = manager.to_owned();
        if let Err(error) = report(context, stream, &Finding::Foreign { manager }).await {
            context.names.not_told(stream);
            return Err(error);
        }
    }
    Ok(Action::await_change())
}

/// Sees to it that the stream has its name, or says which stream has it.
fn get_name(context: &Context, stream: &DataStream, installation: &str) -> Result<(), Arc<DataStream>> {
    let streams = context.world.streams();
    owns_name(stream, &streams, installation)?;
    match name_held_since(stream, installation) {
        Some(_) => Ok(()),
        None => context.names.grant(stream, &streams),
    }
}

/// Makes a stream ours before anything is made for it: the finalizer, then a status that says so and records its name
/// and its map, under the resource version that we saw.
async fn claim(
    context: &Context,
    mut stream: Arc<DataStream>,
    resolved: &Resolved,
    map: &Map,
    groups: &[Group],
) -> Result<Arc<DataStream>, Error> {
    if !stream.finalizers().iter().any(|name| name == FINALIZER) {
        stream = Arc::new(patch::add_finalizer(&context.client, &stream).await?);
    }
    if stream.resolved().is_none() {
        let made = |group: &Group| Trouble {
            reason: "PodMissing".into(),
            message: format!("waits for pod {} to be made", pod_name(&group.name)),
        };
        let groups = groups.iter().map(|group| (group.clone(), Health::Waiting(made(group)))).collect();
        let live = Live {
            resolved: resolved.clone(),
            refused: Vec::new(),
            map: map.clone(),
            groups,
            outdated_pods: Vec::new(),
            storage: None,
            logs: Vec::new(),
        };
        stream = report(context, &stream, &Finding::Live(Box::new(live))).await?;
    } else if !is_recorded(&stream, &context.settings.installation()) {
        stream = report(context, &stream, &Finding::Recorded(map.clone())).await?;
    }
    Ok(stream)
}

/// Whether a stream's status says that it is this installation's, that it has its name, and what its map is.
fn is_recorded(stream: &DataStream, installation: &str) -> bool {
    stream.status.as_ref().is_some_and(|status| {
        status.map.is_some()
            && status.name_held_since.is_some()
            && status.installation.as_deref() == Some(installation)
    })
}

/// Creates the shard objects that are not there. Each is Pending until its log says that it is open, also one that was
/// there before and was lost.
async fn create_shards(
    context: &Context,
    stream: &DataStream,
    names: &Names,
    groups: &[Group],
    observed: &Observed,
) -> Result<(), Error> {
    let existing: BTreeSet<_> = observed.shards.iter().map(|object| object.name_any()).collect();
    let shards = groups.iter().flat_map(|group| group.shards.iter().map(move |shard| (group, shard)));
    let missing: Vec<_> = shards
        .filter(|(_, shard)| !existing.contains(&names.shard(shard.id.index())))
        .map(|(group, shard)| objects::shard(stream, names, &group.name, shard))
        .collect();
    let (client, namespace) = (&context.client, &names.namespace);
    let write = |object: Shard| async move {
        apply::<Shard>(client, namespace, &object.name_any(), &object, None).await.map(drop)
    };
    streams::iter(missing).map(write).buffer_unordered(AT_A_TIME).try_collect::<Vec<()>>().await.map(drop)
}

/// Applies the Service and the StatefulSets where they differ from what they should be.
async fn apply_objects(
    context: &Context,
    stream: &DataStream,
    names: &Names,
    resolved: &Resolved,
    groups: &[Group],
    observed: &Observed,
) -> Result<(), Error> {
    let (client, namespace) = (&context.client, &names.namespace);
    let service = objects::service(stream, names);
    let live = observed.services.get(names.service()).map(|live| &**live);
    apply(client, namespace, names.service(), &service, live).await?;
    for group in groups {
        let live = observed.stateful_sets.get(&group.name).map(|live| &**live);
        let desired = objects::stateful_set(stream, names, resolved, group, &context.settings, live);
        apply(client, namespace, &group.name, &desired, live).await?;
    }
    Ok(())
}

/// Pods that run an older template than their StatefulSet has. They are replaced when somebody deletes them.
fn outdated_pods(examined: &[Examined], observed: &Observed) -> Vec<String> {
    let outdated = |name: &str| {
        let set = observed.stateful_sets.get(name)?;
        let status = set.status.as_ref()?;
        let settled = status.observed_generation == set.metadata.generation;
        let wanted = status.update_revision.as_ref()?;
        let pod = observed.pods.get(&pod_name(name))?;
        let has = pod.labels().get("controller-revision-hash")?;
        (settled && has != wanted).then(|| pod.name_any())
    };
    examined.iter().filter_map(|examined| outdated(&examined.group.name)).collect()
}
