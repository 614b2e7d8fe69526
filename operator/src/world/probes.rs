//! What the storage pods report of themselves: the last answer of each, or why none comes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use catalog::member::MemberStatus;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::members::ErrorKind;
use crate::names::{Member, STREAM_LABEL, STREAM_UID_LABEL};

/// How many questions in a row a pod leaves unanswered before that counts: the first few are a pod that starts, or a
/// packet that was lost. With the prober's pauses that takes some seconds.
const UNREACHABLE_AFTER: u32 = 4;

/// A storage process that runs. Another pod, another container of it, or another IP is another one: what the former
/// one reported says nothing about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RunningPod {
    /// Its namespace.
    pub namespace: String,
    /// Which member of which group it is.
    pub member: Member,
    /// The stream that it belongs to.
    pub stream: String,
    /// That stream's UID.
    pub stream_uid: String,
    /// Where it answers.
    pub ip: String,
    uid: String,
    container_id: String,
}

impl RunningPod {
    /// The process of a pod; nothing while its container does not run, or has no IP yet.
    #[must_use]
    pub fn of(pod: &Pod) -> Option<Self> {
        let container = container(pod)?;
        container.state.as_ref()?.running.as_ref()?;
        let label = |name: &str| pod.labels().get(name).cloned();
        Some(Self {
            namespace: pod.namespace()?,
            member: Member::of_pod(&pod.name_any())?,
            stream: label(STREAM_LABEL)?,
            stream_uid: label(STREAM_UID_LABEL)?,
            ip: pod.status.as_ref()?.pod_ip.clone()?,
            uid: pod.uid().unwrap_or_default(),
            container_id: container.container_id.clone().unwrap_or_default(),
        })
    }
}

/// The container of a storage pod.
#[must_use]
pub fn container(pod: &Pod) -> Option<&ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first()
}

/// Why a pod does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// The error.
    pub error: String,
    /// Since when it has not answered.
    pub since: Timestamp,
}

/// What is known of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    answer: Option<Arc<MemberStatus>>,
    failure: Option<Failure>,
    /// How many questions in a row it left unanswered.
    unanswered: u32,
    /// Why an instruction that it got is not carried out.
    pub refusal: Option<String>,
}

impl Probe {
    /// Whether the pod was asked. One that was not is about to be.
    #[must_use]
    pub fn was_asked(&self) -> bool {
        self.answer.is_some() || self.failure.is_some()
    }

    /// What the pod reports, or why it cannot be reached; nothing while neither is certain. One answer that does not
    /// come is no news: the last one holds until several are missing.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<&MemberStatus, &Failure>> {
        match &self.failure {
            Some(failure) if self.unanswered >= UNREACHABLE_AFTER => Some(Err(failure)),
            _ => self.answer.as_deref().map(Ok),
        }
    }

    fn answered(&mut self, status: MemberStatus, refusal: Option<String>) {
        self.answer = Some(Arc::new(status));
        (self.failure, self.unanswered) = (None, 0);
        self.refusal = refusal;
    }

    fn failed(&mut self, kind: ErrorKind, error: String, now: Timestamp) {
        let since = self.failure.as_ref().map_or(now, |old| old.since);
        // The text of a failure of the same kind stays: it is shown to people, and must not change by itself.
        let error = match self.failure.take() {
            Some(old) if old.kind == kind => old.error,
            _ => error,
        };
        self.failure = Some(Failure { kind, error, since });
        self.unanswered = self.unanswered.saturating_add(1);
    }

    /// What of a probe matters to a stream: without what grows all the time.
    fn findings(&self) -> Findings<'_> {
        let outcome = self.outcome().map(|outcome| match outcome {
            Ok(status) => {
                let mut status = status.clone();
                for log in &mut status.logs {
                    (log.durable_bytes, log.writing_ms) = (0, 0);
                    log.shards.iter_mut().for_each(|shard| shard.next_offset = 0);
                }
                Ok(status)
            }
            Err(failure) => Err((failure.kind, failure.error.as_str())),
        });
        Findings { was_asked: self.was_asked(), outcome, refusal: self.refusal.as_deref() }
    }
}

/// What of a probe matters to a stream.
#[derive(PartialEq, Eq)]
struct Findings<'p> {
    was_asked: bool,
    outcome: Option<Result<MemberStatus, (ErrorKind, &'p str)>>,
    refusal: Option<&'p str>,
}

/// The probes of all storage pods that run: an entry for each while its prober lives.
#[derive(Default)]
pub struct Probes {
    known: Mutex<HashMap<RunningPod, Probe>>,
}

impl Probes {
    /// What is known of a process.
    #[must_use]
    pub fn get(&self, pod: &RunningPod) -> Option<Probe> {
        self.lock().get(pod).cloned()
    }

    /// How many pods cannot be reached now.
    #[must_use]
    pub fn unreachable(&self) -> usize {
        self.lock().values().filter(|probe| matches!(probe.outcome(), Some(Err(_)))).count()
    }

    /// It answered; `refusal` is why it does not do what it should. Returns whether that changes anything for its stream.
    pub(crate) fn answered(&self, pod: &RunningPod, status: MemberStatus, refusal: Option<String>) -> bool {
        self.change(pod, |probe| probe.answered(status, refusal))
    }

    /// It did not answer. Returns whether that changes anything for its stream.
    pub(crate) fn failed(&self, pod: &RunningPod, kind: ErrorKind, error: String, now: Timestamp) -> bool {
        self.change(pod, |probe| probe.failed(kind, error, now))
    }

    /// The process is gone.
    pub(crate) fn forget(&self, pod: &RunningPod) {
        self.lock().remove(pod);
    }

    fn change(&self, pod: &RunningPod, change: impl FnOnce(&mut Probe)) -> bool {
        let mut known = self.lock();
        let probe = known.entry(pod.clone()).or_default();
        let before = probe.clone();
        change(probe);
        before.findings() != probe.findings()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunningPod, Probe>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use catalog::member::{LogStatus, MemberPhase};
    use serde_json::json;

    use super::*;

    fn pod() -> Pod {
        serde_json::from_value(json!({
            "metadata": {
                "name": "orders-1a2b3-g0-0", "namespace": "shop", "uid": "p1",
                "labels": {STREAM_LABEL: "orders", STREAM_UID_LABEL: "1a2b3c4d"},
            },
            "status": {"podIP": "10.0.0.7", "containerStatuses": [{
                "name": "shard-server", "image": "x", "imageID": "", "ready": true, "restartCount": 0,
                "containerID": "containerd://1", "state": {"running": {}},
            }]},
        }))
        .unwrap()
    }

    fn status(durable_bytes: u64) -> MemberStatus {
        let log = LogStatus {
            name: "g0".into(),
            durable_bytes,
            retention_period_hours: Some(24),
            writing_ms: 0,
            conditions: Vec::new(),
            shards: Vec::new(),
        };
        MemberStatus {
            version: "0.1.0".into(),
            stream_uid: "1a2b3c4d".into(),
            group: "orders-1a2b3-g0".into(),
            phase: MemberPhase::Serving,
            reason: None,
            replica_id: None,
            logs: vec![log],
        }
    }

    fn fail(probes: &Probes, pod: &RunningPod, second: i64) -> bool {
        let now = Timestamp::from_second(second).unwrap();
        probes.failed(pod, ErrorKind::ConnectTimeout, format!("at {second}"), now)
    }

    #[test]
    fn another_container_of_a_pod_is_another_process() {
        let (first, mut restarted) = (pod(), pod());
        let container =
            |pod: &mut Pod| pod.status.as_mut().unwrap().container_statuses.as_mut().unwrap()[0].clone();
        let mut new = container(&mut restarted);
        new.container_id = Some("containerd://2".into());
        restarted.status.as_mut().unwrap().container_statuses = Some(vec![new]);
        let (first, restarted) = (RunningPod::of(&first).unwrap(), RunningPod::of(&restarted).unwrap());
        let probes = Probes::default();
        assert!(probes.answered(&first, status(1), None));
        assert!(probes.get(&first).is_some() && probes.get(&restarted).is_none());
    }

    #[test]
    fn bytes_that_grow_are_no_news() {
        let (probes, pod) = (Probes::default(), RunningPod::of(&pod()).unwrap());
        assert!(probes.answered(&pod, status(1), None));
        assert!(!probes.answered(&pod, status(2), None));
        assert!(probes.answered(&pod, status(3), Some("refused".into())));
        let stopped = MemberStatus { phase: MemberPhase::Stopped, ..status(3) };
        assert!(probes.answered(&pod, stopped, None));
    }

    #[test]
    fn the_last_answer_holds_until_several_are_missing_and_then_one_error_stays() {
        let (probes, pod) = (Probes::default(), RunningPod::of(&pod()).unwrap());
        probes.answered(&pod, status(1), None);
        for second in 1..i64::from(UNREACHABLE_AFTER) {
            assert!(!fail(&probes, &pod, second));
            assert!(matches!(probes.get(&pod).unwrap().outcome(), Some(Ok(_))));
        }
        assert_eq!(probes.unreachable(), 0);
        assert!(fail(&probes, &pod, 10), "it is news");
        assert_eq!(probes.unreachable(), 1);
        assert!(!fail(&probes, &pod, 11), "once");
        let probe = probes.get(&pod).unwrap();
        let failure = probe.outcome().unwrap().unwrap_err();
        assert_eq!((failure.error.as_str(), failure.since.as_second()), ("at 1", 1));
        assert!(probes.answered(&pod, status(1), None), "it is over");
    }

    #[test]
    fn a_pod_that_never_answered_is_not_known_to_be_out_of_reach_at_once() {
        let (probes, pod) = (Probes::default(), RunningPod::of(&pod()).unwrap());
        assert!(fail(&probes, &pod, 1), "that it was asked is news");
        let probe = probes.get(&pod).unwrap();
        assert!(probe.was_asked() && probe.outcome().is_none());
        assert!(!fail(&probes, &pod, 2));
    }
}
