//! A group's way from an empty or used volume to serving, and what it does when its log stops.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::thread;

use catalog::member::Bootstrap;
use record_log::LogConfig;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::state::{Serving, State};
use super::{BootstrapRefused, GroupConfig, Inner};
use crate::log::{Condition, OpenLog};
use crate::shard::volume::{self, Identity, Lock};

impl Inner {
    /// With the lock in hand: serves what is there, or awaits the bootstrap.
    pub(super) async fn recover(self: &Arc<Self>, lock: Lock) {
        let lock = Arc::new(lock);
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&lock));
        self.enter(State::Recovering);
        let inner = Arc::clone(self);
        let recovered = on_thread(move || {
            let GroupConfig { stream_uid, group, .. } = &inner.config;
            volume::identify(&inner.directory, stream_uid, group)?
                .map(|identity| inner.open_log(identity, lock))
                .transpose()
        })
        .await;
        match recovered {
            Ok(Some(serving)) => self.serve(serving),
            Ok(None) => self.enter(State::AwaitingBootstrap),
            Err(error) => self.enter(State::Failed(Arc::new(error))),
        }
    }

    pub(super) async fn begin(self: &Arc<Self>, bootstrap: Bootstrap) -> Result<(), BootstrapRefused> {
        let refused = |reason: String| Err(BootstrapRefused(reason));
        let GroupConfig { stream_uid, group, .. } = &self.config;
        if bootstrap.stream_uid != *stream_uid || bootstrap.group != *group {
            return refused(format!(
                "this is group {group} of stream {stream_uid}, not group {} of stream {}",
                bootstrap.group, bootstrap.stream_uid
            ));
        }
        let retention_hours = bootstrap.retention_period_hours;
        let mut shards = bootstrap.shards;
        shards.sort_by_key(|shard| shard.id);
        if shards.is_empty() || shards.windows(2).any(|pair| pair[0].id == pair[1].id) {
            return refused("a bootstrap opens at least one shard, and each once".into());
        }
        let state = self.state.borrow().clone();
        match &state {
            State::AwaitingBootstrap => {}
            State::Serving(serving)
                if serving.identity.log == bootstrap.log && serving.log.began_with(&shards) =>
            {
                return Ok(());
            }
            State::Serving(_) => return refused("the group began with another log or other shards".into()),
            _ => return refused(state.not_ready().unwrap_or_default()),
        }
        let identity = Identity::new(stream_uid.clone(), group.clone(), bootstrap.log, Uuid::new_v4());
        let identity = identity.map_err(BootstrapRefused)?;
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lock = lock.ok_or_else(|| BootstrapRefused("the volume's lock is not held".into()))?;
        let inner = Arc::clone(self);
        let serving = on_thread(move || {
            let log_config = LogConfig {
                log_id: Uuid::new_v4(),
                incarnation: identity.replica(),
                shards,
                retention_hours,
                created_ms: inner.config.resources.now_ms(),
            };
            volume::bootstrap(&inner.directory, &identity, &log_config)?;
            inner.open_log(identity, lock)
        })
        .await
        .map_err(|error| BootstrapRefused(error.to_string()))?;
        tracing::info!(replica_id = serving.identity.replica_id, "the group is bootstrapped");
        self.serve(serving);
        Ok(())
    }

    fn open_log(&self, identity: Identity, lock: Arc<Lock>) -> Result<Serving, volume::Error> {
        let directory = identity.log_directory(&self.directory);
        let log = OpenLog::open(&directory, identity.replica(), &self.config.resources, lock)
            .map_err(|error| volume::Error::Log { directory, error })?;
        Ok(Serving { identity, log })
    }

    /// Serves, and watches whether the log stops, and whether it runs again after its loss was accepted.
    pub(super) fn serve(self: &Arc<Self>, serving: Serving) {
        let serving = Arc::new(serving);
        let mut condition = serving.log.condition();
        serving.log.look_after();
        self.enter(State::Serving(serving));
        let inner = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut last = Condition::Running;
            loop {
                let Ok(next) = condition.wait_for(|next| *next != last).await.map(|next| next.clone()) else {
                    return;
                };
                let Some(inner) = inner.upgrade() else { return };
                let state = inner.state.borrow().clone();
                match (state, &next) {
                    (State::Serving(serving), Condition::Stopped(reason)) => {
                        inner.enter(State::LogStopped(serving, reason.clone()));
                    }
                    (State::LogStopped(serving, _), Condition::Running) => {
                        inner.enter(State::Serving(serving))
                    }
                    _ => return,
                }
                last = next;
            }
        });
    }

    pub(super) fn enter(&self, state: State) {
        let not_ready = state.not_ready();
        let GroupConfig { stream_uid, group, .. } = &self.config;
        match &state {
            State::Failed(error) => tracing::error!(stream_uid, group, %error, "the group does not come up"),
            state => tracing::info!(stream_uid, group, phase = ?state.phase(), reason = not_ready, "group"),
        }
        self.state.send_if_modified(|current| {
            // A closed group stays closed, whatever was under way.
            let open = !matches!(current, State::Closed);
            if open {
                let failed = |state: &State| i64::from(matches!(state, State::Failed(_)));
                self.config.metrics.failed_groups.add(failed(&state) - failed(current));
                *current = state;
                self.not_ready.send_replace(not_ready);
            }
            open
        });
    }
}

/// Does long work on the disk on a thread of its own, which does not keep the process from ending.
async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, volume::Error> + Send + 'static,
) -> Result<T, volume::Error> {
    let (sender, receiver) = oneshot::channel();
    let started = thread::Builder::new().name("volume".into()).spawn(move || sender.send(work()).is_ok());
    let failed =
        |error| volume::Error::Io { action: "start a thread for", path: PathBuf::from("the volume"), error };
    started.map_err(failed)?;
    receiver.await.unwrap_or_else(|_| Err(failed(std::io::Error::other("it panicked"))))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use catalog::member::{AcceptLoss, MemberPhase};
    use futures::FutureExt as _;

    use super::*;
    use crate::log::tests::faulty_disk::{Faults, Switch, faulty_disk};
    use crate::protocol::Refusal;
    use crate::shard::Group;
    use crate::shard::tests::{Calls as _, append, bootstrap, config, data, read_all, run};

    /// A group with the record "a", and from then on with a disk that fails on demand.
    async fn group_on(directory: &Path, switch: &Switch) -> Group {
        let group = Group::create(directory.into(), config(), bootstrap(1)).await.unwrap();
        assert!(group.append(append(vec![run(0, &["a"])])).await[0].is_ok());
        let identity = group.inner.state.borrow().serving().unwrap().identity.clone();
        let disk = faulty_disk(&identity.log_directory(directory), switch);
        let resources = &group.inner.config.resources;
        let log = OpenLog::open_on(disk, identity.replica(), resources, Arc::new(()));
        group.inner.serve(Serving { identity, log: log.unwrap() });
        group
    }

    fn counted(group: &Group, kind: &Refusal) -> u64 {
        group.inner.config.metrics.refusals(kind).get()
    }

    #[tokio::test]
    async fn stopped_log_is_reported_and_read_on() {
        let (directory, switch) = (tempfile::tempdir().unwrap(), Switch::default());
        let group = group_on(directory.path(), &switch).await;
        assert!(group.append(append(vec![run(0, &["b"])])).await[0].is_ok());
        switch.set(Faults { fail_write: true, ..Faults::default() });

        assert!(matches!(
            group.append(append(vec![run(0, &["c"])])).await[0],
            Err(Refusal::OutcomeUnknown(_))
        ));
        group.not_ready().wait_for(Option::is_some).await.unwrap();
        let status = group.status();
        assert_eq!(status.phase, MemberPhase::Stopped);
        assert!(status.reason.unwrap().contains("broken"));
        assert!(matches!(group.append(append(vec![run(0, &["d"])])).await[0], Err(Refusal::LogStopped(_))));
        assert_eq!(data(&group.read(read_all(0)).await.unwrap()), ["a", "b"]);
        assert_eq!(counted(&group, &Refusal::OutcomeUnknown(String::new())), 1);
        assert_eq!(counted(&group, &Refusal::LogStopped(String::new())), 1);
    }

    #[tokio::test]
    async fn full_queue_and_full_disk_are_counted_separately() {
        let (directory, switch) = (tempfile::tempdir().unwrap(), Switch::default());
        let group = group_on(directory.path(), &switch).await;
        assert!(group.append(append(vec![run(0, &["b"])])).await[0].is_ok());
        switch.set(Faults { full: true, ..Faults::default() });
        let large = run(0, &["x".repeat(16 << 20).as_str()]);
        let large = || group.append(append(vec![large.clone()]));
        assert_eq!(large().await, [Err(Refusal::StorageFull)]);
        let counts = || (counted(&group, &Refusal::StorageFull), counted(&group, &Refusal::QueueFull));
        assert_eq!(counts(), (1, 0));

        switch.set(Faults { hold_write: true, ..Faults::default() });
        let mut first = Box::pin(group.append(append(vec![run(0, &["c"])])));
        assert!(first.as_mut().now_or_never().is_none());
        switch.wait_for_held_write();
        let mut waiting = [Box::pin(large()), Box::pin(large())];
        assert!(waiting.iter_mut().all(|append| append.as_mut().now_or_never().is_none()));
        assert_eq!(large().await, [Err(Refusal::QueueFull)]);
        assert_eq!(counts(), (1, 1));
        switch.set(Faults::default());
        assert!(first.await[0].is_ok());
        for append in waiting {
            assert!(append.await[0].is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn log_that_hangs_does_not_keep_the_group_from_closing() {
        let (directory, switch) = (tempfile::tempdir().unwrap(), Switch::default());
        let group = group_on(directory.path(), &switch).await;
        assert!(group.append(append(vec![run(0, &["b"])])).await[0].is_ok());
        switch.set(Faults { hold_write: true, ..Faults::default() });
        let mut hanging = Box::pin(group.append(append(vec![run(0, &["c"])])));
        assert!(hanging.as_mut().now_or_never().is_none());
        switch.wait_for_held_write();
        group.close_in_time().await;
        assert!(matches!(group.append(append(vec![run(0, &["d"])])).await[0], Err(Refusal::NotReady(_))));
        switch.set(Faults::default());
        assert!(hanging.await[0].is_ok());
    }

    #[tokio::test]
    async fn log_with_a_corrupt_tail_serves_again_once_the_loss_is_accepted() {
        let directory = tempfile::tempdir().unwrap();
        let group = Group::create(directory.path().into(), config(), bootstrap(1)).await.unwrap();
        // What gives the segment with "a" its footer is another one behind it.
        assert!(group.append(append(vec![run(0, &["a"])])).await[0].is_ok());
        assert!(group.append(append(vec![run(0, &["b".repeat(1_000_000).as_str()])])).await[0].is_ok());
        let identity = group.inner.state.borrow().serving().unwrap().identity.clone();
        group.close().await;
        drop(group);
        std::fs::remove_file(identity.log_directory(directory.path()).join("segment-000000000003")).unwrap();

        let group = Group::start(directory.path().into(), config());
        group
            .not_ready()
            .wait_for(|why| why.as_ref().is_some_and(|why| why.contains("segment-000000000003")))
            .await
            .unwrap();
        assert!(matches!(group.append(append(vec![run(0, &["c"])])).await[0], Err(Refusal::LogStopped(_))));
        let conditions = &group.status().logs[0].conditions;
        assert_eq!(conditions[0].place.as_deref(), Some("segment-000000000003:0"));
        let place = conditions[0].place.clone().unwrap();
        let call = AcceptLoss { stream_uid: identity.stream_uid.clone(), log: identity.log.clone(), place };
        group.accept_loss(call).await.unwrap();
        group.not_ready().wait_for(Option::is_none).await.unwrap();
        assert!(group.append(append(vec![run(0, &["c"])])).await[0].is_ok());
        assert_eq!(group.status().logs[0].conditions, []);
    }
}
