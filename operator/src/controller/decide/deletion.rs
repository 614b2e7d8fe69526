//! The end of a stream, step by step. Pure.
//!
//! Everything is asked of the API server itself, never of a copy, and every step may be taken twice. Nothing here
//! concerns a running process, so that a stream goes also when its pods, its nodes or its namespace are gone.

use std::collections::BTreeMap;

use catalog::resource::DataStream;

use super::deletes_volumes;

/// The kinds of objects that a stream has, in the order in which they go: the StatefulSets first, so that no pod is made
/// again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remains {
    /// Its StatefulSets.
    StatefulSets,
    /// Its pods.
    Pods,
    /// Its Service.
    Services,
    /// Its shards.
    Shards,
    /// The claims of its volumes.
    Claims,
}

/// What the API server has of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The objects' names.
    pub names: Vec<String>,
    /// Whether some are not being deleted yet.
    pub some_stay: bool,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask for all objects of a kind.
    List(Remains),
    /// Delete all objects of a kind.
    DeleteAll(Remains),
    /// Delete the Services, one by one: some API servers delete no collection of them.
    DeleteServices(Vec<String>),
    /// Wait until the objects of a kind are gone.
    Wait(Remains),
    /// Remove the finalizer; so many volumes stay.
    Finish {
        /// Volumes that stay.
        volumes: usize,
    },
}

/// The next step, given what the API server has of the kinds that were asked for, and which were deleted since.
#[must_use]
pub fn next_step(found: &BTreeMap<Remains, Found>, deleted: &[Remains], volumes_go: bool) -> Step {
    for kind in [Remains::StatefulSets, Remains::Pods, Remains::Services, Remains::Shards, Remains::Claims] {
        let Some(there) = found.get(&kind) else { return Step::List(kind) };
        let stays = kind == Remains::Claims && !volumes_go;
        if there.some_stay && !stays && !deleted.contains(&kind) {
            return match kind {
                Remains::Services => Step::DeleteServices(there.names.clone()),
                _ => Step::DeleteAll(kind),
            };
        }
        // Pods write to their volumes until they are gone, and a claim goes when no pod uses it.
        let is_awaited = matches!(kind, Remains::Pods | Remains::Claims) && !stays;
        if is_awaited && !there.names.is_empty() {
            return Step::Wait(kind);
        }
    }
    let volumes = found.get(&Remains::Claims).map_or(0, |claims| claims.names.len());
    Step::Finish { volumes }
}

/// One message for all of a deletion: a status is written when the state changes, not for every pod.
#[must_use]
pub fn message(stream: &DataStream) -> String {
    let volumes = if deletes_volumes(stream) { ", then its volumes" } else { "; its volumes stay" };
    format!(
        "its pods end{volumes}. A pod that does not end is on a node that is gone: if the node is truly off, kubectl \
         taint node NODE node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes every step, with objects that go when they are deleted; returns the steps.
    fn steps(mut there: BTreeMap<Remains, usize>, volumes_go: bool) -> Vec<Step> {
        let (mut found, mut deleted, mut steps) = (BTreeMap::new(), Vec::new(), Vec::new());
        loop {
            let step = next_step(&found, &deleted, volumes_go);
            steps.push(step.clone());
            match step {
                Step::List(kind) => {
                    let count = there.get(&kind).copied().unwrap_or(0);
                    let names = (0..count).map(|index| format!("{kind:?}{index}")).collect();
                    found.insert(kind, Found { names, some_stay: count > 0 });
                }
                Step::DeleteAll(kind) => {
                    there.remove(&kind);
                    deleted.push(kind);
                }
                Step::DeleteServices(_) => deleted.push(Remains::Services),
                // The next look.
                Step::Wait(_) => (found, deleted) = (BTreeMap::new(), Vec::new()),
                Step::Finish { .. } => return steps,
            }
        }
    }

    #[test]
    fn volumes_go_after_the_pods_and_only_where_the_policy_says_so() {
        let there: BTreeMap<_, _> =
            [(Remains::StatefulSets, 1), (Remains::Pods, 1), (Remains::Claims, 2)].into();
        let deleting = steps(there.clone(), true);
        let position = |step: &Step| deleting.iter().position(|taken| taken == step).unwrap();
        assert!(
            position(&Step::DeleteAll(Remains::StatefulSets)) < position(&Step::DeleteAll(Remains::Pods))
        );
        assert!(position(&Step::Wait(Remains::Pods)) < position(&Step::DeleteAll(Remains::Claims)));
        assert_eq!(deleting.last(), Some(&Step::Finish { volumes: 0 }));
        let retaining = steps(there, false);
        assert!(!retaining.contains(&Step::DeleteAll(Remains::Claims)));
        assert_eq!(retaining.last(), Some(&Step::Finish { volumes: 2 }));
    }

    #[test]
    fn nothing_is_deleted_where_nothing_is_there() {
        let kinds =
            [Remains::StatefulSets, Remains::Pods, Remains::Services, Remains::Shards, Remains::Claims];
        let mut expected: Vec<_> = kinds.into_iter().map(Step::List).collect();
        expected.push(Step::Finish { volumes: 0 });
        assert_eq!(steps(BTreeMap::new(), true), expected);
    }
}
