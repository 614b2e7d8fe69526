//! Looks at the pods of a stream, begins groups on empty volumes, and opens shards.

use std::collections::{BTreeMap, HashSet};

use catalog::ShardState;
use catalog::member::{
    AcceptLoss, Bootstrap, LogCondition, LogConditionKind, LogStatus, MemberPhase, MemberStatus, OpenShard,
    SetRetention,
};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::context::Context;
use super::error::Error;
use super::health::{Health, Sight, health, is_running};
use super::{patch, storage};
use crate::names::{Names, claim, pod as pod_name};
use crate::objects::Group;
use crate::world::Observed;

/// How many pods are asked, or shards written, at a time.
const AT_A_TIME: usize = 8;

/// What the logs of a stream should do.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// How long they keep records.
    pub retention_hours: u32,
    /// The damage that somebody gave up: `LOG:FILE:POSITION`, as the condition names it.
    pub accepted_loss: Option<&'a str>,
}

/// A group after it was looked at.
pub struct Examined {
    /// The group, its shards as they are now.
    pub group: Group,
    /// How it is.
    pub health: Health,
    /// What its pod says of its storage; nothing where it was not heard.
    pub storage: Option<Vec<LogCondition>>,
    /// Whether its pod runs and is about to be told to begin, or about to say that it did: worth asking soon.
    pub soon: bool,
}

/// Looks at every group, asks its pod, and tells it what is due.
pub async fn examine(
    context: &Context,
    names: &Names,
    wish: Wish<'_>,
    groups: Vec<Group>,
    observed: &Observed,
) -> Result<Vec<Examined>, Error> {
    let storage_class = storage::missing_class(context, &groups, observed).await?;
    let opened = observed.shards.iter().filter(|shard| shard.state() != ShardState::Pending);
    let mirrored: HashSet<_> = opened.filter_map(|shard| shard.metadata.name.as_deref()).collect();
    stream::iter(groups)
        .map(|group| async {
            let pod = observed.pods.get(&pod_name(&group.name)).map(|pod| &**pod);
            let asked = match pod.filter(|pod| is_running(pod)) {
                Some(pod) => ask(context, names, wish, &group, pod).await?,
                None => None,
            };
            let member = asked.as_ref().and_then(|said| said.as_ref().ok());
            let group = open(context, names, group, member, &mirrored).await?;
            let said = asked.as_ref().map(|said| said.as_ref().map_err(String::as_str));
            let sight = Sight {
                pod,
                claim: observed.claims.get(&claim(&group.name)).map(|claim| &**claim),
                said,
                storage_class: storage_class.as_deref(),
                stream: &names.stream,
            };
            let health = health(&group, sight);
            let soon = asked.is_some() && !group.is_open();
            let storage = asked.as_ref().and_then(|said| storage_of(said.as_ref().ok()?, &group));
            Ok(Examined { group, health, storage, soon })
        })
        .buffered(AT_A_TIME)
        .try_collect()
        .await
}

type Answer = Result<MemberStatus, String>;

/// Asks a pod how it is, and tells it to begin, or what has changed for it, if that is due.
async fn ask(
    context: &Context,
    names: &Names,
    wish: Wish<'_>,
    group: &Group,
    pod: &Pod,
) -> Result<Option<Answer>, Error> {
    let Some(ip) = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref()) else { return Ok(None) };
    let answer = from_the_right_pod(context.members.status(ip).await, names, group);
    let due = matches!(&answer, Ok(member) if member.phase == MemberPhase::AwaitingBootstrap)
        && !group.was_opened();
    if !due || !may_begin(context, names, group).await? {
        return Ok(Some(tell(context, names, wish, group, ip, answer).await));
    }
    tracing::info!(stream = names.stream, group = group.name, "begins on an empty volume");
    let answer = context.members.bootstrap(ip, &bootstrap(names, group, wish.retention_hours)).await;
    let answer = from_the_right_pod(answer, names, group);
    if let Err(error) = &answer {
        tracing::warn!(stream = names.stream, group = group.name, error, "did not begin; asked again");
    }
    Ok(Some(answer))
}

/// Whether the log of a group is recorded as not opened yet. The API server itself is asked before a pod begins on an
/// empty volume: a late copy must not make a lost volume look like a new one.
///
/// The record says so until the write by which gateways may hear of an open shard: nobody can have written a record
/// before.
async fn may_begin(context: &Context, names: &Names, group: &Group) -> Result<bool, Error> {
    let stream = patch::stream(&context.client, &names.namespace, &names.stream).await?;
    Ok(stream.is_some_and(|stream| {
        stream.uid().as_ref() == Some(&names.uid)
            && stream.recorded_map().is_some_and(|map| map.logs_to_open.contains(&group.log))
    }))
}

fn bootstrap(names: &Names, group: &Group, retention_period_hours: u32) -> Bootstrap {
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
        retention_period_hours,
    }
}

/// Tells a pod that has its log what it should do and does not; what it answers then. Refusals are no news: the next
/// look tells it again.
async fn tell(
    context: &Context,
    names: &Names,
    wish: Wish<'_>,
    group: &Group,
    ip: &str,
    answer: Answer,
) -> Answer {
    let Ok(member) = &answer else { return answer };
    let Some(log) = log_of(member, group) else { return answer };
    let told = match due(log, member.phase, wish) {
        None => return answer,
        Some(Due::Retention) => {
            let (stream_uid, log) = (names.uid.clone(), group.log.clone());
            let call = SetRetention { stream_uid, log, retention_period_hours: wish.retention_hours };
            context.members.set_retention(ip, &call).await
        }
        Some(Due::AcceptLoss(place)) => {
            tracing::warn!(
                stream = names.stream,
                group = group.name,
                place,
                "the loss of damaged records is accepted"
            );
            let (stream_uid, log) = (names.uid.clone(), group.log.clone());
            let call = AcceptLoss { stream_uid, log, place: place.into() };
            context.members.accept_loss(ip, &call).await
        }
    };
    from_the_right_pod(told, names, group).or_else(|error| {
        tracing::warn!(
            stream = names.stream,
            group = group.name,
            error,
            "it was told and did not do it; told again"
        );
        answer
    })
}

/// What a pod says of its storage: one that stopped without a log has one that is too damaged to be opened.
fn storage_of(member: &MemberStatus, group: &Group) -> Option<Vec<LogCondition>> {
    match log_of(member, group) {
        Some(log) => Some(log.conditions.clone()),
        None if member.phase == MemberPhase::Stopped => Some(vec![LogCondition {
            kind: LogConditionKind::StorageDamaged,
            message: member.reason.clone().unwrap_or_default(),
            place: None,
        }]),
        None => None,
    }
}

fn log_of<'m>(member: &'m MemberStatus, group: &Group) -> Option<&'m LogStatus> {
    member.logs.iter().find(|log| log.name == group.log)
}

/// What a log is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due<'l> {
    Retention,
    AcceptLoss(&'l str),
}

/// What a log is to be told next. Pure. One that has stopped takes nothing but that its damage is given up.
fn due<'l>(log: &'l LogStatus, phase: MemberPhase, wish: Wish<'_>) -> Option<Due<'l>> {
    match phase {
        MemberPhase::Serving if log.retention_period_hours != Some(wish.retention_hours) => {
            return Some(Due::Retention);
        }
        MemberPhase::Serving | MemberPhase::Stopped => {}
        MemberPhase::WaitingForVolume
        | MemberPhase::AwaitingBootstrap
        | MemberPhase::Recovering
        | MemberPhase::Ending => return None,
    }
    let damage =
        log.conditions.iter().find(|condition| condition.kind == LogConditionKind::StorageDamaged)?;
    let (accepted, place) = (wish.accepted_loss?, damage.place.as_deref()?);
    (accepted == format!("{}:{place}", log.name)).then_some(Due::AcceptLoss(place))
}

/// Writes down which shards take records, as the log itself says, unless their objects do already (`mirrored`).
async fn open(
    context: &Context,
    names: &Names,
    mut group: Group,
    member: Option<&MemberStatus>,
    mirrored: &HashSet<&str>,
) -> Result<Group, Error> {
    let Some(member) = member.filter(|member| member.phase == MemberPhase::Serving) else { return Ok(group) };
    let log = member.logs.iter().find(|log| log.name == group.log);
    let served: BTreeMap<_, _> =
        log.iter().flat_map(|log| &log.shards).map(|shard| (shard.id, shard.next_offset)).collect();
    let opening: Vec<_> = group
        .shards
        .iter()
        .filter(|shard| served.contains_key(&shard.id))
        .map(|shard| names.shard(shard.id.index()))
        .filter(|name| !mirrored.contains(name.as_str()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn log(hours: Option<u32>, place: Option<&str>) -> LogStatus {
        let damage = place.map(|place| LogCondition {
            kind: LogConditionKind::StorageDamaged,
            message: "damaged".into(),
            place: Some(place.into()),
        });
        LogStatus {
            name: "g0".into(),
            durable_bytes: 0,
            retention_period_hours: hours,
            writing_ms: 0,
            conditions: damage.into_iter().collect(),
            shards: Vec::new(),
        }
    }

    #[test]
    fn log_is_told_its_retention_where_it_has_another_or_has_forgotten_it() {
        let wish = Wish { retention_hours: 24, accepted_loss: None };
        assert_eq!(due(&log(Some(24), None), MemberPhase::Serving, wish), None);
        assert_eq!(due(&log(Some(48), None), MemberPhase::Serving, wish), Some(Due::Retention));
        assert_eq!(due(&log(None, None), MemberPhase::Serving, wish), Some(Due::Retention));
    }

    #[test]
    fn loss_is_accepted_only_where_the_annotation_names_this_very_damage() {
        let damaged = log(Some(24), Some("segment-000000000002:8192"));
        let accepting = |accepted| {
            due(&damaged, MemberPhase::Serving, Wish { retention_hours: 24, accepted_loss: accepted })
        };
        let accepted = accepting(Some("g0:segment-000000000002:8192"));
        assert_eq!(accepted, Some(Due::AcceptLoss("segment-000000000002:8192")));
        for other in
            [None, Some("true"), Some("g1:segment-000000000002:8192"), Some("g0:segment-000000000002:4096")]
        {
            assert_eq!(accepting(other), None, "{other:?}");
        }
        let sound = log(Some(24), None);
        let wish = Wish { retention_hours: 24, accepted_loss: Some("g0:") };
        assert_eq!(due(&sound, MemberPhase::Serving, wish), None);
    }

    #[test]
    fn stopped_log_is_told_of_an_accepted_loss_and_of_nothing_else() {
        let damaged = log(None, Some("segment-000000000002:8192"));
        let accepted_loss = Some("g0:segment-000000000002:8192");
        let wish = Wish { retention_hours: 24, accepted_loss };
        let accepted = Some(Due::AcceptLoss("segment-000000000002:8192"));
        assert_eq!(due(&damaged, MemberPhase::Stopped, wish), accepted);
        assert_eq!(due(&damaged, MemberPhase::Serving, wish), Some(Due::Retention));
        assert_eq!(due(&damaged, MemberPhase::Stopped, Wish { accepted_loss: None, ..wish }), None);
        assert_eq!(due(&damaged, MemberPhase::Ending, wish), None);
    }
}
