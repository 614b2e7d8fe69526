//! The task of one pod.

use std::sync::Arc;
use std::time::Duration;

use catalog::member::{MemberPhase, MemberStatus};
use catalog::resource::DataStream;
use kube::Api;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::Notify;

use super::instruction::Instruction;
use super::pace::{Asked, Pace};
use super::tasks::Prober;
use crate::members::Error;
use crate::world::{RunningPod, Wake};

/// How long the look at the API server before a bootstrap may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// The task of one pod.
pub struct PodProber {
    prober: Arc<Prober>,
    pod: RunningPod,
    news: Arc<Notify>,
    pace: Pace,
}

impl PodProber {
    pub(super) fn new(prober: Arc<Prober>, pod: RunningPod, news: Arc<Notify>) -> Self {
        Self { prober, pod, news, pace: Pace::default() }
    }

    /// The pod that it asks.
    #[must_use]
    pub fn pod(&self) -> &RunningPod {
        &self.pod
    }

    /// Asks the pod until the task is ended from outside.
    pub(super) async fn run(mut self) {
        loop {
            let pause = self.step().await;
            if tokio::time::timeout(pause, self.news.notified()).await.is_ok() {
                self.pace.restart();
            }
        }
    }

    /// Asks the pod once, carries out its instruction if that is due, and keeps what it reports then; returns how long
    /// until it is asked again.
    pub async fn step(&mut self) -> Duration {
        let _permit = self.prober.calls.acquire().await;
        let probes = self.prober.world.probes();
        let (changed, asked) = match self.ask().await {
            Ok((status, refusal)) => {
                let settled = status.phase == MemberPhase::Serving && refusal.is_none();
                let changed = probes.answered(&self.pod, status, refusal);
                (changed, if settled { Asked::Settled } else { Asked::Unsettled })
            }
            Err(error) => {
                self.prober.metrics.probe_failed(error.kind());
                let now = (self.prober.now)();
                let (namespace, pod) = (&self.pod.namespace, self.pod.member.pod());
                tracing::debug!(namespace, pod, %error, "a pod did not answer");
                (probes.failed(&self.pod, error.kind(), error.to_string(), now), Asked::Unsettled)
            }
        };
        if changed {
            let stream = ObjectRef::<DataStream>::new(&self.pod.stream).within(&self.pod.namespace);
            self.prober.world.wake(Wake::Stream(stream));
        }
        self.pace.pause(asked)
    }

    /// What the pod reports after it did what it should, and why it did not.
    async fn ask(&self) -> Result<(MemberStatus, Option<String>), Error> {
        let status = self.meant(self.prober.members.status(&self.pod.ip).await)?;
        let Some(instruction) = self.prober.instruction(&self.pod) else { return Ok((status, None)) };
        let outcome = if instruction.is_due(&status) { self.carry_out(&instruction).await } else { Ok(None) };
        match outcome {
            Ok(after) => {
                self.prober.done(&self.pod, &instruction);
                Ok((after.unwrap_or(status), None))
            }
            Err(error) => {
                tracing::warn!(
                    namespace = self.pod.namespace,
                    pod = self.pod.member.pod(),
                    error,
                    "an instruction was not carried out; retrying"
                );
                Ok((status, Some(error)))
            }
        }
    }

    /// What the pod reports after an instruction; nothing where that must not be carried out.
    async fn carry_out(&self, instruction: &Instruction) -> Result<Option<MemberStatus>, String> {
        let (members, ip) = (&self.prober.members, self.pod.ip.as_str());
        let (namespace, pod) = (&self.pod.namespace, self.pod.member.pod());
        let answer = match instruction {
            Instruction::Bootstrap(call) => {
                let looked = tokio::time::timeout(LOOK_TIMEOUT, self.may_bootstrap(&call.log)).await;
                let looked = looked.map_err(|_| "the API server did not answer".to_owned())?;
                if !looked.map_err(|error| format!("the API server: {error}"))? {
                    return Ok(None);
                }
                tracing::info!(namespace, pod, "bootstraps an empty volume");
                members.bootstrap(ip, call).await
            }
            Instruction::SetRetention(call) => members.set_retention(ip, call).await,
            Instruction::AcceptLoss(call) => {
                tracing::warn!(namespace, pod, place = call.place, "the loss of corrupt records is accepted");
                members.accept_loss(ip, call).await
            }
        };
        self.meant(answer).map(Some).map_err(|error| error.to_string())
    }

    /// Whether a log is recorded as not opened yet. The API server itself is asked before a pod is bootstrapped on an empty
    /// volume: a late copy must not make a lost volume look like a new one.
    ///
    /// The record says so until the write by which gateways may hear of an open shard: nobody can have written a record
    /// before.
    async fn may_bootstrap(&self, log: &str) -> Result<bool, kube::Error> {
        let streams: Api<DataStream> = Api::namespaced(self.prober.client.clone(), &self.pod.namespace);
        let stream = streams.get_opt(&self.pod.stream).await?;
        let stream = stream.filter(|stream| stream.metadata.uid.as_ref() == Some(&self.pod.stream_uid));
        let to_open = |stream: DataStream| stream.recorded_map().map(|map| map.logs_to_open.clone());
        Ok(stream.and_then(to_open).is_some_and(|logs| logs.iter().any(|to_open| to_open == log)))
    }

    /// An answer counts only if the pod that was meant gave it: an IP may be another pod's by now.
    fn meant(&self, answer: Result<MemberStatus, Error>) -> Result<MemberStatus, Error> {
        let status = answer?;
        if status.stream_uid == self.pod.stream_uid && status.group == self.pod.member.group {
            Ok(status)
        } else {
            Err(Error::WrongPod { stream_uid: status.stream_uid, group: status.group })
        }
    }
}

impl Drop for PodProber {
    fn drop(&mut self) {
        self.prober.end(&self.pod);
    }
}
