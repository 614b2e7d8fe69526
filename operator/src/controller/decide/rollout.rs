//! Which pods run an older template than their StatefulSet has. Pure. They are replaced when somebody deletes them.

use catalog::resource::Resolved;
use kube::ResourceExt;

use crate::names::Member;
use crate::objects::Group;
use crate::world::Observed;

/// The label of a pod with the revision of its StatefulSet that it was made from.
const REVISION_LABEL: &str = "controller-revision-hash";

/// The pods that run an older template than their StatefulSet has.
pub fn outdated_pods<'g>(
    groups: impl Iterator<Item = &'g Group>,
    resolved: &Resolved,
    observed: &Observed,
) -> Vec<String> {
    let members = groups.flat_map(|group| Member::of_group(&group.name, resolved.replicas));
    members.filter(|member| is_outdated(member, observed)).map(|member| member.pod()).collect()
}

fn is_outdated(member: &Member, observed: &Observed) -> bool {
    let wanted = observed.stateful_sets.get(&member.group).and_then(|set| {
        let status = set.status.as_ref()?;
        let is_current = status.observed_generation == set.metadata.generation;
        status.update_revision.as_ref().filter(|_| is_current)
    });
    let pod = observed.pods.get(&member.pod());
    let revision = pod.and_then(|pod| pod.labels().get(REVISION_LABEL));
    wanted.zip(revision).is_some_and(|(wanted, revision)| wanted != revision)
}
