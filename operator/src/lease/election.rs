//! Gets, keeps and gives back a Lease.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt};
use tokio::time::Instant;

use super::decide::{Seen, Step, decide};
use crate::names::FIELD_MANAGER;

/// How long a holder may be silent before another takes over.
const DURATION: Duration = Duration::from_secs(15);
/// How long a holder tries to renew before it stops: well before another may take over.
const RENEW_WITHIN: Duration = Duration::from_secs(10);
/// How often a holder renews.
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// How often one that waits looks, and a holder whose renewal failed tries again.
const RETRY_EVERY: Duration = Duration::from_secs(2);
/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// The lease could not be renewed in time: another replica may have it now.
#[derive(Debug, thiserror::Error)]
#[error("lost the lease {lease}: {reason}; another replica takes over")]
pub struct Lost {
    lease: String,
    reason: String,
}

/// One replica's part in the election.
pub struct Election {
    leases: Api<Lease>,
    name: String,
    identity: String,
    /// The version of the lease that was seen last, and since when.
    seen: Option<(String, Instant)>,
}

impl Election {
    /// Takes part under an identity that no other replica has.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str) -> Self {
        let leases = Api::namespaced(client, namespace);
        Self { leases, name: name.into(), identity: identity.into(), seen: None }
    }

    /// Returns when the lease is ours.
    pub async fn acquire(&mut self) {
        loop {
            match self.step().await {
                Ok(true) => break,
                Ok(false) => {}
                Err(reason) => {
                    tracing::warn!(lease = self.name, reason, "cannot look at the lease; tries again")
                }
            }
            tokio::time::sleep(RETRY_EVERY).await;
        }
        tracing::info!(lease = self.name, identity = self.identity, "leads");
    }

    /// Renews the lease until that fails for too long.
    pub async fn keep(&mut self) -> Lost {
        let mut renewed = Instant::now();
        let mut pause = RENEW_EVERY;
        loop {
            tokio::time::sleep(pause).await;
            let asked = Instant::now();
            let reason = match self.step().await {
                Ok(true) => {
                    // As of the question, not of the answer: the server may have taken it at once.
                    renewed = asked;
                    pause = RENEW_EVERY;
                    continue;
                }
                Ok(false) => return self.lost("another replica took it"),
                Err(reason) => reason,
            };
            if renewed.elapsed() > RENEW_WITHIN - RETRY_EVERY {
                return self.lost(&reason);
            }
            tracing::warn!(lease = self.name, reason, "the lease was not renewed; tries again");
            pause = RETRY_EVERY;
        }
    }

    /// Gives the lease back, so that another replica need not wait. If that fails, it runs out.
    pub async fn release(&mut self) {
        let given_back = async {
            let mut lease = self.leases.get(&self.name).await?;
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() != Some(&self.identity) {
                return Ok(());
            }
            spec.holder_identity = Some(String::new());
            self.leases.replace(&self.name, &params(), &lease).await.map(drop)
        };
        match tokio::time::timeout(REQUEST_TIMEOUT, given_back).await {
            Ok(Ok(())) => tracing::info!(lease = self.name, "gave the lease back"),
            Ok(Err(error)) => tracing::warn!(lease = self.name, %error, "the lease was not given back"),
            Err(_) => tracing::warn!(lease = self.name, "the lease was not given back in time"),
        }
    }

    fn lost(&self, reason: &str) -> Lost {
        Lost { lease: self.name.clone(), reason: reason.into() }
    }

    /// Looks at the lease and does what is due; returns whether it is ours then.
    async fn step(&mut self) -> Result<bool, String> {
        match tokio::time::timeout(REQUEST_TIMEOUT, self.take_step()).await {
            Ok(Ok(ours)) => Ok(ours),
            // Somebody else wrote it between our look and our write: the next look shows who.
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Err("somebody else wrote it".into()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the API server did not answer".into()),
        }
    }

    async fn take_step(&mut self) -> Result<bool, kube::Error> {
        let lease = self.leases.get_opt(&self.name).await?;
        let unchanged = lease.as_ref().map_or(Duration::ZERO, |lease| self.unchanged(lease));
        let spec = lease.as_ref().and_then(|lease| lease.spec.as_ref());
        let seen = lease.as_ref().map(|_| Seen {
            holder: spec.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default(),
            unchanged,
            duration: spec
                .and_then(|spec| spec.lease_duration_seconds)
                .map_or(DURATION, |seconds| Duration::from_secs(u64::from(seconds.unsigned_abs()))),
        });
        let step = decide(&self.identity, seen);
        match (step, lease) {
            (Step::Wait, _) => Ok(false),
            (Step::Renew | Step::Take, Some(lease)) => {
                let written = self.leases.replace(&self.name, &params(), &self.claimed(lease, step)).await?;
                self.unchanged(&written);
                Ok(true)
            }
            (Step::Create | Step::Renew | Step::Take, _) => {
                let metadata = ObjectMeta { name: Some(self.name.clone()), ..Default::default() };
                let lease = self.claimed(Lease { metadata, spec: None }, Step::Create);
                self.leases.create(&params(), &lease).await.map(|_| true)
            }
        }
    }

    /// For how long we have seen this version of the lease.
    fn unchanged(&mut self, lease: &Lease) -> Duration {
        let version = lease.resource_version().unwrap_or_default();
        match &self.seen {
            Some((seen, since)) if *seen == version => since.elapsed(),
            _ => {
                self.seen = Some((version, Instant::now()));
                Duration::ZERO
            }
        }
    }

    /// The lease with us as its holder, under the version that was read.
    fn claimed(&self, mut lease: Lease, step: Step) -> Lease {
        let now = MicroTime(Timestamp::now());
        let before = lease.spec.take().unwrap_or_default();
        let transitions = before.lease_transitions.unwrap_or(0) + i32::from(step == Step::Take);
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: if step == Step::Renew { before.acquire_time } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..Default::default()
        });
        lease
    }
}

fn params() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.into()), ..Default::default() }
}
