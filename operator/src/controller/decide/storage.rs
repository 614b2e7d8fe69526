//! Volumes: let them grow, and say why one is missing. Pure.

use std::collections::BTreeSet;

use catalog::resource::{DataStream, Resolved, quantity_nanos};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;

use super::Command;
use crate::controller::health::Problem;
use crate::controller::observe::Known;
use crate::names::Member;
use crate::signals::Reason;
use crate::world::Observed;

/// The storage classes that have to be known: those of claims that a pod waits for, and of claims that have to grow.
#[must_use]
pub fn storage_class_needs(
    stream: &DataStream,
    resolved: &Resolved,
    observed: &Observed,
) -> BTreeSet<String> {
    let grows = |claim: &PersistentVolumeClaim| {
        names_a_size(stream) && is_less(requested(claim), &resolved.storage_size)
    };
    let pod_waits = |claim: &PersistentVolumeClaim| {
        let pod = Member::of_claim(&claim.name_any()).and_then(|member| observed.pods.get(&member.pod()));
        let unscheduled =
            pod.is_some_and(|pod| pod.spec.as_ref().is_none_or(|spec| spec.node_name.is_none()));
        unscheduled && is_pending(claim)
    };
    let claims = observed.claims.values().filter(|claim| grows(claim) || pod_waits(claim));
    claims.filter_map(|claim| class_of(claim).map(str::to_owned)).collect()
}

/// What is due so that volumes have the size that the spec says.
pub struct Growth {
    /// What to ask for.
    pub commands: Vec<Command>,
    /// Why volumes are smaller.
    pub problem: Option<Problem>,
}

/// Asks for larger volumes where the spec says a larger size than they have.
///
/// Only a size that the stream itself names lets volumes grow: a new default is for new streams.
#[must_use]
pub fn growth(known: &Known, resolved: &Resolved) -> Growth {
    let mut growth = Growth { commands: Vec::new(), problem: None };
    if !names_a_size(&known.stream) {
        return growth;
    }
    let size = &resolved.storage_size;
    for claim in known.observed.claims.values() {
        let name = claim.name_any();
        let refused = |why: &str| Problem::new(Reason::Refused, format!("volume {name} cannot grow: {why}"));
        if !is_less(requested(claim), size) {
            if is_less(capacity(claim), size) {
                let message = format!("volume {name} is about to grow to {size}");
                growth.problem.get_or_insert(Problem::new(Reason::Growing, message));
            }
        } else if let Some(why) =
            cannot_grow(known, claim).or_else(|| known.growth_refusals.get(&name).cloned())
        {
            growth.problem = Some(refused(&why));
            return growth;
        } else {
            growth.commands.push(Command::GrowClaim { name, size: size.clone() });
        }
    }
    growth
}

/// What is wrong with the storage class of a claim that waits, if anything is.
#[must_use]
pub fn class_problem(known: &Known, claim: &PersistentVolumeClaim) -> Option<String> {
    if !is_pending(claim) {
        return None;
    }
    let Some(name) = class_of(claim) else {
        let help = "there is no default StorageClass: make one, or name one in spec.storage.storageClassName";
        return Some(help.into());
    };
    let missing = known.storage_classes.get(name).is_some_and(Option::is_none);
    missing.then(|| format!("there is no StorageClass {name}: make it, or make the stream with another"))
}

/// Why the claim's storage class does not let it grow: judged before it is tried, because a write that is refused is a
/// write.
fn cannot_grow(known: &Known, claim: &PersistentVolumeClaim) -> Option<String> {
    let Some(name) = class_of(claim) else { return Some("it has no StorageClass".into()) };
    match known.storage_classes.get(name) {
        Some(Some(class)) if class.allows_growth => None,
        Some(Some(_)) => Some(format!("StorageClass {name} does not set allowVolumeExpansion")),
        Some(None) | None => Some(format!("there is no StorageClass {name}")),
    }
}

fn names_a_size(stream: &DataStream) -> bool {
    stream.spec.storage.as_ref().is_some_and(|storage| storage.size.is_some())
}

fn is_pending(claim: &PersistentVolumeClaim) -> bool {
    claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Pending")
}

fn class_of(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.spec.as_ref()?.storage_class_name.as_deref().filter(|name| !name.is_empty())
}

fn requested(claim: &PersistentVolumeClaim) -> Option<&str> {
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    requests.get("storage").map(|quantity| quantity.0.as_str())
}

fn capacity(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.status.as_ref()?.capacity.as_ref()?.get("storage").map(|quantity| quantity.0.as_str())
}

fn is_less(size: Option<&str>, than: &str) -> bool {
    matches!((size.and_then(quantity_nanos), quantity_nanos(than)), (Some(size), Some(than)) if size < than)
}
