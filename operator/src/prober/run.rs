//! Starts and ends the tasks, as pods come and go.

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::{AbortHandle, JoinSet};

use super::tasks::Prober;
use crate::world::{PodChange, RunningPod};

/// Probes every storage pod that runs, for as long as it is polled; with this future all tasks end.
pub async fn run(prober: Arc<Prober>) {
    let mut changes = prober.world.pod_changes();
    let mut tasks = Tasks { prober: Arc::clone(&prober), running: HashMap::new(), all: JoinSet::new() };
    tasks.follow_all();
    loop {
        tokio::select! {
            change = changes.recv() => match change {
                Ok(PodChange::Pod(pod)) => tasks.follow(&pod),
                // Who missed news looks at everything.
                Ok(PodChange::All) | Err(RecvError::Lagged(_)) => tasks.follow_all(),
                Err(RecvError::Closed) => return,
            },
            Some(ended) = tasks.all.join_next() => {
                // A task that was not cancelled has panicked: so does who relies on it.
                if let Err(error) = ended && error.is_panic() {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
        }
    }
}

struct Tasks {
    prober: Arc<Prober>,
    /// By the pod, which may run one process after the other.
    running: HashMap<ObjectRef<Pod>, (RunningPod, AbortHandle)>,
    all: JoinSet<()>,
}

impl Tasks {
    fn follow_all(&mut self) {
        let world = Arc::clone(&self.prober.world);
        let there = world.scopes().iter().flat_map(|scope| scope.pods.state());
        let mut pods: Vec<_> = there.map(|pod| ObjectRef::from_obj(&*pod)).collect();
        pods.extend(self.running.keys().cloned());
        for pod in pods {
            self.follow(&pod);
        }
    }

    /// Starts a task for a pod that runs and has none; ends that of a process that is gone; asks one that stays.
    fn follow(&mut self, pod: &ObjectRef<Pod>) {
        let world = &self.prober.world;
        let object = world.scopes().iter().find_map(|scope| scope.pods.get(pod));
        let process = object.as_deref().and_then(RunningPod::of);
        if let Some((known, task)) = self.running.get(pod) {
            if Some(known) == process.as_ref() {
                return self.prober.nudge(known);
            }
            task.abort();
            self.running.remove(pod);
        }
        if let Some(process) = process {
            let task = self.all.spawn(self.prober.begin(process.clone()).run());
            self.running.insert(pod.clone(), (process, task));
        }
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
