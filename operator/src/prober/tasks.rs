//! What the tasks share, and where the controllers leave instructions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use tokio::sync::{Notify, Semaphore};

use super::instruction::Instruction;
use super::pod::PodProber;
use crate::admin::Metrics;
use crate::members::Members;
use crate::world::{RunningPod, World};

/// How many pods are asked at a time.
const CONCURRENT_CALLS: usize = 256;

/// What the tasks share.
pub struct Prober {
    pub(super) world: Arc<World>,
    pub(super) members: Members,
    /// The API server, for the look before a bootstrap.
    pub(super) client: Client,
    pub(super) metrics: Metrics,
    pub(super) now: fn() -> Timestamp,
    pub(super) calls: Semaphore,
    tasks: Mutex<HashMap<RunningPod, Mailbox>>,
}

/// What is left for a task.
#[derive(Default)]
struct Mailbox {
    instruction: Option<Instruction>,
    news: Arc<Notify>,
}

impl Prober {
    /// A prober without tasks.
    #[must_use]
    pub fn new(
        world: Arc<World>,
        members: Members,
        client: Client,
        metrics: Metrics,
        now: fn() -> Timestamp,
    ) -> Self {
        let (calls, tasks) = (Semaphore::new(CONCURRENT_CALLS), Mutex::default());
        Self { world, members, client, metrics, now, calls, tasks }
    }

    /// A task's state for a pod; what is known of the pod is forgotten when it is dropped.
    #[must_use]
    pub fn begin(self: &Arc<Self>, pod: RunningPod) -> PodProber {
        let mailbox = Mailbox::default();
        let news = Arc::clone(&mailbox.news);
        self.tasks().insert(pod.clone(), mailbox);
        PodProber::new(Arc::clone(self), pod, news)
    }

    /// What a pod should do from now on, if anything; its task does it, and retries until it is done. A pod that has no
    /// task is not instructed: it will be, when it has.
    pub fn instruct(&self, pod: &RunningPod, instruction: Option<Instruction>) {
        let mut tasks = self.tasks();
        let Some(mailbox) = tasks.get_mut(pod).filter(|mailbox| mailbox.instruction != instruction) else {
            return;
        };
        if instruction.is_some() {
            mailbox.news.notify_one();
        }
        mailbox.instruction = instruction;
    }

    /// What a pod should do.
    pub(super) fn instruction(&self, pod: &RunningPod) -> Option<Instruction> {
        self.tasks().get(pod)?.instruction.clone()
    }

    /// An instruction is carried out, or can be carried out no more. A newer one stays.
    pub(super) fn done(&self, pod: &RunningPod, instruction: &Instruction) {
        if let Some(mailbox) = self.tasks().get_mut(pod)
            && mailbox.instruction.as_ref() == Some(instruction)
        {
            mailbox.instruction = None;
        }
    }

    /// Asks a pod at once, because something changed for it.
    pub(super) fn nudge(&self, pod: &RunningPod) {
        if let Some(mailbox) = self.tasks().get(pod) {
            mailbox.news.notify_one();
        }
    }

    /// A task ended.
    pub(super) fn end(&self, pod: &RunningPod) {
        self.tasks().remove(pod);
        self.world.probes().forget(pod);
    }

    /// How many tasks there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.tasks().len()
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<RunningPod, Mailbox>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
