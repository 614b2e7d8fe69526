//! Looks at the pods of a stream, begins groups on empty volumes, and opens shards.

use std::collections::BTreeMap;

use catalog::ShardState;
use catalog::member::{Bootstrap, MemberPhase, MemberStatus, OpenShard};
use catalog::resource::Shard;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;

use super::context::Context;
use super::error::Error;
use super::health::{Health, Sight, health, is_ready, is_running};
use super::{patch, storage};
use crate::names::{Names, claim, pod as pod_name};
use crate::objects::Group;
use crate::world::Observed;

/// How many pods are asked, or shards written, at a time.
const AT_A_TIME: usize = 8;

/// A group after it was looked at.
pub struct Examined {
    /// The group, its shards as they are now.
    pub group: Group,
    /// How it is.
    pub health: Health,
    /// Whether its pod runs and is about to be told to begin, or about to say that it did: worth asking soon.
    pub soon: bool,
}

/// Looks at every group. Pods that serve as they should are not asked.
pub async fn examine(
    context: &Context,
    names: &Names,
    groups: Vec<Group>,
    observed: &Observed,
) -> Result<Vec<Examined>, Error> {
    let storage_class = storage::missing_class(context, &groups, observed).await?;
    stream::iter(groups)
        .map(|group| async {
            let pod = observed.pods.get(&pod_name(&group.name)).map(|pod| &**pod);
            let asked = match pod.filter(|pod| is_running(pod) && !(is_ready(pod) && group.is_open())) {
                Some(pod) => ask(context, names, &group, pod).await?,
                None => None,
            };
            let group =
                open(context, names, group, asked.as_ref().and_then(|said| said.as_ref().ok())).await?;
            let said = asked.as_ref().map(|said| said.as_ref().map_err(String::as_str));
            let sight = Sight {
                pod,
                claim: observed.claims.get(&claim(&group.name)).map(|claim| &**claim),
                said,
                storage_class: storage_class.as_deref(),
            };
            let health = health(&group, sight);
            let soon = asked.is_some() && !group.is_open();
            Ok(Examined { group, health, soon })
        })
        .buffered(AT_A_TIME)
        .try_collect()
        .await
}

type Answer = Result<MemberStatus, String>;

/// Asks a pod how it is, and tells it to begin if that is due.
async fn ask(context: &Context, names: &Names, group: &Group, pod: &Pod) -> Result<Option<Answer>, Error> {
    let Some(ip) = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref()) else { return Ok(None) };
    let answer = from_the_right_pod(context.members.status(ip).await, names, group);
    let due = matches!(&answer, Ok(member) if member.phase == MemberPhase::AwaitingBootstrap)
        && !group.was_opened();
    if !due || was_opened_after_all(context, names, group).await? {
        return Ok(Some(answer));
    }
    tracing::info!(stream = names.stream, group = group.name, "begins on an empty volume");
    let answer = context.members.bootstrap(ip, &bootstrap(names, group)).await;
    let answer = from_the_right_pod(answer, names, group);
    if let Err(error) = &answer {
        tracing::warn!(stream = names.stream, group = group.name, error, "did not begin; asked again");
    }
    Ok(Some(answer))
}

/// Asks the API server itself before a pod begins on an empty volume: a late copy must not make a lost volume
/// look like a new one.
async fn was_opened_after_all(context: &Context, names: &Names, group: &Group) -> Result<bool, Error> {
    let shards = patch::list::<Shard>(&context.client, &names.namespace, &names.selector()).await?;
    Ok(shards.iter().any(|shard| shard.spec.log == group.log && shard.state() != ShardState::Pending))
}

fn bootstrap(names: &Names, group: &Group) -> Bootstrap {
    Bootstrap {
        stream_uid: names.uid.clone(),
        group: group.name.clone(),
        log: group.log.clone(),
        shards: group
            .shards
            .iter()
            .map(|shard| OpenShard {
                id: shard.id,
                range: shard.range,
                parents: shard.parents.clone(),
                create_seconds: shard.create_seconds,
            })
            .collect(),
    }
}

/// Writes down which shards take records, as the log itself says.
async fn open(
    context: &Context,
    names: &Names,
    mut group: Group,
    member: Option<&MemberStatus>,
) -> Result<Group, Error> {
    let Some(member) = member.filter(|member| member.phase == MemberPhase::Serving) else { return Ok(group) };
    let log = member.logs.iter().find(|log| log.name == group.log);
    let served: BTreeMap<_, _> =
        log.iter().flat_map(|log| &log.shards).map(|shard| (shard.id, shard.next_offset)).collect();
    let opening: Vec<_> = group
        .shards
        .iter()
        .filter(|shard| shard.state == ShardState::Pending && served.contains_key(&shard.id))
        .map(|shard| names.shard(shard.id.index()))
        .collect();
    stream::iter(opening)
        .map(|name| async move { patch::shard_is_open(&context.client, &names.namespace, &name).await })
        .buffer_unordered(AT_A_TIME)
        .try_collect::<Vec<()>>()
        .await?;
    for shard in group.shards.iter_mut().filter(|shard| served.contains_key(&shard.id)) {
        shard.state = shard.state.max(ShardState::Open);
    }
    Ok(group)
}

/// An answer counts only if the pod that was meant gave it: an IP may be another pod's by now.
fn from_the_right_pod(
    answer: Result<MemberStatus, crate::members::Error>,
    names: &Names,
    group: &Group,
) -> Answer {
    let member = answer.map_err(|error| error.to_string())?;
    if member.stream_uid == names.uid && member.group == group.name {
        Ok(member)
    } else {
        Err(format!("a pod of stream {} answered, group {}", member.stream_uid, member.group))
    }
}
