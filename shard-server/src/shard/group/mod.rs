//! A shard group in this process: one volume with one log, from the wait for the volume's lock to its end.

mod calls;
mod life;
mod records;
mod state;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use catalog::member::{AcceptLoss, Bootstrap, MemberPhase, MemberStatus, RETENTION_HOURS, SetRetention};
use record_log::LogShard;
use tokio::sync::watch;

use super::Metrics;
use super::volume::{self, Lock};
use crate::log::Resources;
use crate::protocol::Refusal;
pub use calls::Served;
use state::State;

/// How often it looks whether the volume is free.
const LOCK_PERIOD: Duration = Duration::from_millis(100);
/// How long the log may take to write what it took, once no more comes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a group is started with.
#[derive(Clone)]
pub struct GroupConfig {
    /// The UID of its stream.
    pub stream_uid: String,
    /// Its name.
    pub group: String,
    /// What its log shares with others of the process.
    pub resources: Resources,
    /// Where it counts.
    pub metrics: Metrics,
}

/// Why a bootstrap was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BootstrapRefused(pub String);

/// Why a group was not opened or created.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenError {
    /// Its volume is at fault.
    #[error(transparent)]
    Volume(#[from] Arc<volume::Error>),
    /// It could not begin its life.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapRefused),
}

/// A shard group in this process. Cloning gives another handle of the same group. When the last one is dropped the log
/// ends by itself; [`Group::close`] also waits for that.
#[derive(Clone)]
pub struct Group {
    inner: Arc<Inner>,
}

struct Inner {
    directory: PathBuf,
    config: GroupConfig,
    state: watch::Sender<State>,
    not_ready: watch::Sender<Option<String>>,
    lock: Mutex<Option<Arc<Lock>>>,
    /// Held by the one bootstrap at a time.
    beginning: tokio::sync::Mutex<()>,
}

impl Group {
    /// Starts on a directory (made if only it is absent) and returns at once: the group waits for the directory's lock,
    /// then recovers its log, or awaits its bootstrap. Needs a Tokio runtime.
    #[must_use]
    pub fn start(directory: PathBuf, config: GroupConfig) -> Self {
        let first = State::WaitingForVolume { is_held: false };
        let inner = Arc::new(Inner {
            directory,
            config,
            not_ready: watch::Sender::new(first.not_ready()),
            state: watch::Sender::new(first),
            lock: Mutex::new(None),
            beginning: tokio::sync::Mutex::new(()),
        });
        let starting = Arc::downgrade(&inner);
        tokio::spawn(async move {
            // Without the lock it only looks now and then, and no longer than somebody has a handle.
            let mut is_reported = false;
            while let Some(inner) = starting.upgrade() {
                match Lock::try_take(&inner.directory) {
                    Ok(Some(lock)) => return inner.recover(lock).await,
                    Ok(None) if !is_reported => {
                        inner.enter(State::WaitingForVolume { is_held: true });
                        is_reported = true;
                    }
                    Ok(None) => {}
                    Err(error) => return inner.enter(State::Failed(Arc::new(error))),
                }
                drop(inner);
                tokio::time::sleep(LOCK_PERIOD).await;
            }
        });
        Self { inner }
    }

    /// [`Group::start`], then waits until the group serves.
    ///
    /// # Errors
    /// If it will not: the directory is empty, foreign, corrupt or cannot be read.
    pub async fn open(directory: PathBuf, config: GroupConfig) -> Result<Self, OpenError> {
        let group = Self::start(directory, config);
        group.begun().await?;
        Ok(group)
    }

    /// [`Group::start`] on an empty directory, then bootstraps it. A directory that was created with the same bootstrap
    /// before is opened.
    ///
    /// # Errors
    /// If the directory is not empty or cannot be written.
    pub async fn create(
        directory: PathBuf,
        config: GroupConfig,
        bootstrap: Bootstrap,
    ) -> Result<Self, OpenError> {
        let group = Self::start(directory, config);
        group.settled().await?;
        group.bootstrap(bootstrap).await?;
        Ok(group)
    }

    /// Waits until the group serves, or awaits its bootstrap; says which.
    ///
    /// # Errors
    /// If it never will.
    pub async fn settled(&self) -> Result<MemberPhase, Arc<volume::Error>> {
        let mut state = self.inner.state.subscribe();
        let settled = |state: &State| !matches!(state, State::WaitingForVolume { .. } | State::Recovering);
        match state.wait_for(settled).await.map(|state| state.clone()) {
            Ok(State::Failed(error)) => Err(error),
            Ok(state) => Ok(state.phase()),
            // The sender is ours and lives.
            Err(_) => Ok(MemberPhase::Ending),
        }
    }

    /// Waits until the group serves. One whose volume is empty has lost its log, and fails.
    ///
    /// # Errors
    /// If it never will.
    pub async fn begun(&self) -> Result<(), Arc<volume::Error>> {
        match self.settled().await? {
            MemberPhase::AwaitingBootstrap => {
                let error = Arc::new(volume::Error::Empty(self.inner.directory.clone()));
                self.inner.enter(State::Failed(Arc::clone(&error)));
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Begins the group's life on its empty volume; returns when that is durable and the group serves. Doing it again
    /// with the same shards changes nothing.
    ///
    /// # Errors
    /// If it is for another group or stream, the group began with other shards, or it does not await a bootstrap.
    pub async fn bootstrap(&self, bootstrap: Bootstrap) -> Result<MemberStatus, BootstrapRefused> {
        let group = self.clone();
        // A task of its own, so that it is done whole even if nobody waits for it any more.
        let done = tokio::spawn(async move {
            let _beginning = group.inner.beginning.lock().await;
            group.inner.begin(bootstrap).await.map(|()| group.status())
        });
        done.await.unwrap_or_else(|error| Err(BootstrapRefused(error.to_string())))
    }

    /// Changes how long the log keeps records; returns when that is durable.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn set_retention(&self, call: SetRetention) -> Result<MemberStatus, Refusal> {
        let serving = self.inner.serving_log(&call.stream_uid, &call.log)?;
        let hours = call.retention_period_hours;
        if !RETENTION_HOURS.contains(&hours) {
            let (least, most) = (RETENTION_HOURS.start(), RETENTION_HOURS.end());
            return Err(Refusal::Invalid(format!(
                "a retention of {hours} hours: {least} to {most} are allowed"
            )));
        }
        serving.log.set_retention(hours).await?;
        Ok(self.status())
    }

    /// Accepts the loss of all known corruption of the log; returns when that is durable.
    ///
    /// # Errors
    /// If no corruption is known at the named position; otherwise see [`Refusal`].
    pub async fn accept_loss(&self, call: AcceptLoss) -> Result<MemberStatus, Refusal> {
        let serving = self.inner.serving_log(&call.stream_uid, &call.log)?;
        tracing::warn!(log = call.log, corruption = ?serving.log.status().corruption, "accepting the loss of corrupt records");
        serving.log.accept_loss(&call.place).await?;
        Ok(self.status())
    }

    /// Shows the log another machine's wall clock, in milliseconds since 1970, where its own is suspect.
    pub fn see_clock(&self, other_ms: u64) {
        if let Some(serving) = self.inner.state.borrow().serving() {
            serving.log.see_clock(other_ms);
        }
    }

    /// The shards of its log as they are, sorted by id, and the number of the last reshard; nothing while it has no log.
    #[must_use]
    pub fn shards(&self) -> Option<(Vec<LogShard>, u64)> {
        self.inner.state.borrow().serving().map(|serving| serving.log.shards())
    }

    /// What the group is doing.
    #[must_use]
    pub fn status(&self) -> MemberStatus {
        let state = self.inner.state.borrow().clone();
        let serving = state.serving();
        MemberStatus {
            version: env!("CARGO_PKG_VERSION").into(),
            stream_uid: self.inner.config.stream_uid.clone(),
            group: self.inner.config.group.clone(),
            phase: state.phase(),
            reason: state.not_ready(),
            replica_id: serving.map(|serving| serving.identity.replica_id.clone()),
            logs: serving.map(|serving| serving.status()).into_iter().collect(),
        }
    }

    /// Why the group does not serve, as it changes; nothing while it serves. For [`crate::admin::Admin`].
    #[must_use]
    pub fn not_ready(&self) -> watch::Receiver<Option<String>> {
        self.inner.not_ready.subscribe()
    }

    /// Does a call. An append is answered when every run that was accepted is durable.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn call<C: Served>(&self, call: C) -> Result<C::Answer, Refusal> {
        let answer = self.counted(call.serve(self).await)?;
        let refusals = C::outcomes(&answer).iter().filter_map(|outcome| outcome.as_ref().err());
        refusals.for_each(|refusal| self.inner.config.metrics.refusals(refusal).inc());
        Ok(answer)
    }

    /// Takes no more calls, waits until the appends that were taken are durable and answered, and gives the directory
    /// free.
    pub async fn close(&self) {
        let _beginning = self.inner.beginning.lock().await;
        let state = self.inner.state.borrow().clone();
        self.inner.enter(State::Closed);
        if let Some(serving) = state.serving() {
            serving.log.close().await;
        }
        self.inner.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// [`Group::close`], but waits no longer than a disk that is there would take.
    pub async fn close_in_time(&self) {
        if tokio::time::timeout(CLOSE_TIMEOUT, self.close()).await.is_err() {
            let GroupConfig { stream_uid, group, .. } = &self.inner.config;
            tracing::warn!(
                stream_uid,
                group,
                "the log did not end in time; whatever was answered is durable"
            );
        }
    }

    /// The outcome, counted if it is a refusal.
    pub(crate) fn counted<T>(&self, outcome: Result<T, Refusal>) -> Result<T, Refusal> {
        outcome.inspect_err(|refusal| self.inner.config.metrics.refusals(refusal).inc())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if matches!(&*self.state.borrow(), State::Failed(_)) {
            self.config.metrics.failed_groups.dec();
        }
    }
}
