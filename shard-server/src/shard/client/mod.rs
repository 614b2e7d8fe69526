//! A shard group in another process, over the internal protocol ([`crate::protocol`]).
//!
//! - [`gather`]: which appends are sent together. Nothing waits while no call is under way.
//! - [`health`]: whether the member answers, and how long calls are held while it does not.
//! - [`hold`]: the bytes that all calls of the process may take.
//! - [`attempt`]: one message and its answer.
//! - [`probe`]: asks a member that does not answer for its status, until it serves.
//!
//! With one replica a group is unavailable while its pod restarts. A call that certainly was not received is held, and
//! sent again when the group serves. An append that may have been received is never sent again: its outcome is unknown.
//! Reads may be repeated.

mod attempt;
mod gather;
mod health;
mod hold;
mod probe;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::connection::{Connection, Dialer, Sender, TcpDialer};
use crate::protocol::{Append, AppendId, Call, Refusal, RepeatableCall, RunOutcome};
use attempt::Attempt;
use gather::{Appends, Outcome, Waiting};
pub use health::{HOLD, PARTIAL_HOLD};
use health::{Health, Outage, OutageKind};
pub use hold::HoldBudget;
use hold::{CALL_BYTES, MemberPart};

/// How long a call is repeated because its shard is unknown: a pod that took over the IP of another answers so.
const UNKNOWN_SHARD_HOLD: Duration = Duration::from_secs(2);
/// The pause between attempts: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LAST_PAUSE: Duration = Duration::from_millis(250);

/// A client of one member of a group. It connects with the first call, and again when the connection breaks. Cloning
/// gives another handle.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    authority: String,
    connection: Connection,
    budget: HoldBudget,
    part: MemberPart,
    /// The session of its appends, drawn at random for the life of this client.
    session: u64,
    /// The number of appends so far.
    sequences: AtomicU64,
    state: Mutex<State>,
    /// Changes when an outage ends.
    serves: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    health: Health,
    appends: Appends,
}

/// Who gets what, once the state is no longer locked.
type Replies = Vec<(Waiting, Outcome)>;

impl Client {
    /// A client of the member at `address`, `host:port`.
    #[must_use]
    pub fn new(address: String, budget: HoldBudget) -> Self {
        Self::with_dialer(address.clone(), Box::new(TcpDialer(address)), budget)
    }

    /// A client of the member that is named `authority`, over connections of a dialer's.
    pub(crate) fn with_dialer(authority: String, dialer: Box<dyn Dialer>, budget: HoldBudget) -> Self {
        let connection = Connection::new(dialer);
        let state = Mutex::new(State { health: Health::new(Instant::now()), appends: Appends::default() });
        let (session, sequences) = (rand::random(), AtomicU64::default());
        let (part, serves) = (budget.part(), watch::Sender::new(()));
        let shared = Shared { authority, connection, budget, part, session, sequences, state, serves };
        Self { shared: Arc::new(shared) }
    }

    /// Appends, with whatever else is to be appended by then. While the group does not answer it is held, but no longer
    /// than `hold` after the outage began.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn send_append(&self, mut append: Append, hold: Duration) -> Result<Vec<RunOutcome>, Refusal> {
        let mut pauses = Pauses::new();
        loop {
            let (reply, outcome) = oneshot::channel();
            self.shared.push(append, hold, reply)?;
            match outcome.await {
                Ok(Outcome::Final(outcome)) => return outcome,
                Ok(Outcome::UnknownShards(again, refusal)) => {
                    self.shared.connection.replace().await;
                    if !pauses.next(UNKNOWN_SHARD_HOLD).await {
                        return Err(refusal);
                    }
                    append = again;
                }
                Err(_) => return Err(Refusal::OutcomeUnknown("it was dropped".into())),
            }
        }
    }

    /// As [`super::Group::call`]. Held and repeated for up to 10 s while the group cannot be reached.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn call<C: RepeatableCall>(&self, call: C) -> Result<C::Answer, Refusal> {
        let mut pauses = Pauses::new();
        let message = call.encode();
        loop {
            let sender = self.shared.reachable(pauses.begun + HOLD).await?;
            let why = match attempt::send::<C>(&self.shared.authority, sender, message.clone()).await {
                Attempt::Answered(Err(refusal @ Refusal::UnknownShard(_))) => {
                    self.shared.connection.replace().await;
                    if pauses.next(UNKNOWN_SHARD_HOLD).await {
                        continue;
                    }
                    return Err(refusal);
                }
                Attempt::Answered(Err(Refusal::NotReady(why))) => why,
                Attempt::Answered(answer) => return answer,
                Attempt::NotReceived(why) | Attempt::PossiblyReceived(why) => why,
            };
            if pauses.begun.elapsed() >= HOLD {
                return Err(Refusal::NotReady(why));
            }
            self.shared.unreachable(why);
        }
    }

    /// Why the member does not answer, while it does not.
    #[must_use]
    pub fn outage(&self) -> Option<String> {
        self.shared.state().health.outage().map(|outage| outage.why.clone())
    }

    /// The session of its appends.
    #[cfg(test)]
    pub(crate) fn session(&self) -> u64 {
        self.shared.session
    }
}

impl Shared {
    /// Has an append sent, now or with the next call.
    fn push(
        self: &Arc<Self>,
        append: Append,
        hold: Duration,
        reply: oneshot::Sender<Outcome>,
    ) -> Result<(), Refusal> {
        let now = Instant::now();
        let mut state = self.state();
        if let Some(outage) = state.health.outage().filter(|outage| now >= outage.deadline(hold)) {
            return Err(self.not_ready(outage));
        }
        // Only the first append finds it out: a known outage has a better reason.
        let finds_outage = state.health.outage().is_none() && self.connection.open().is_none();
        let replies = match finds_outage {
            true => self.begin_outage(&mut state, not_connected(now), Duration::ZERO),
            false => Replies::new(),
        };
        let is_silent = state.health.is_silent(now);
        let held = self.budget.take(&self.part, gather::bytes_of(&append), is_silent);
        let pushed = held.map(|held| state.appends.push(Waiting { append, hold, held, reply }));
        self.begin_calls(&mut state);
        drop(state);
        send_replies(replies);
        pushed
    }

    /// Begins as many calls as may be under way.
    fn begin_calls(self: &Arc<Self>, state: &mut State) {
        while let Some(call) = self.begin_call(state) {
            tokio::spawn(Arc::clone(self).send_calls(call));
        }
    }

    fn begin_call(&self, state: &mut State) -> Option<Vec<Waiting>> {
        if state.health.outage().is_some() {
            return None;
        }
        let mut call = state.appends.begin_call()?;
        call.iter_mut().for_each(|append| append.held.leave_silent());
        state.health.sent(Instant::now());
        Some(call)
    }

    /// Sends a call, and others after it as long as appends wait.
    async fn send_calls(self: Arc<Self>, first: Vec<Waiting>) {
        let mut next = Some(first);
        while let Some(call) = next {
            let sequence = self.sequences.fetch_add(1, Ordering::Relaxed) + 1;
            let id = Some(AppendId { session: self.session, sequence });
            let append = Append { id, ..gather::joined(&call) };
            let attempt = match self.connection.open() {
                Some(sender) => {
                    let attempt = attempt::send::<Append>(&self.authority, sender, append.encode());
                    self.watched(attempt).await
                }
                None => Attempt::NotReceived("there is no connection".into()),
            };
            let (replies, then) = self.settle(call, attempt);
            send_replies(replies);
            next = then;
        }
    }

    /// Waits for an attempt, and notes an outage once the log answers nothing for too long.
    async fn watched<T>(self: &Arc<Self>, attempt: impl Future<Output = T>) -> T {
        let mut attempt = std::pin::pin!(attempt);
        let mut look_at = self.state().health.stalls_at();
        loop {
            if let Ok(outcome) = timeout_at(look_at, attempt.as_mut()).await {
                return outcome;
            }
            let replies = {
                let mut state = self.state();
                let replies = state.health.stalled_since(Instant::now()).map(|since| {
                    let why = "its log answers no append".to_owned();
                    self.begin_outage(
                        &mut state,
                        Outage { since, kind: OutageKind::Stalled, why },
                        FIRST_PAUSE,
                    )
                });
                look_at = state.health.stalls_at().max(Instant::now() + LAST_PAUSE);
                replies
            };
            send_replies(replies.unwrap_or_default());
        }
    }

    /// Notes the outcome of a call: who gets which answer, what waits again, and the next call.
    fn settle(
        self: &Arc<Self>,
        call: Vec<Waiting>,
        attempt: Attempt<Result<Vec<RunOutcome>, Refusal>>,
    ) -> (Replies, Option<Vec<Waiting>>) {
        let now = Instant::now();
        let mut state = self.state();
        let is_answered = matches!(attempt, Attempt::Answered(_));
        state.appends.end_call();
        state.health.ended(now, is_answered);
        let mut settled = match attempt {
            Attempt::Answered(answer) => Settled::of(call, answer),
            Attempt::NotReceived(why) => Settled::again(call, why),
            Attempt::PossiblyReceived(why) => Settled::unknown(call, why),
        };
        let is_connected = self.connection.open().is_some();
        match settled.outage {
            Some(why) => {
                state.appends.push_back_in_front(settled.again);
                let kind = match is_connected && !is_answered {
                    true => OutageKind::Stalled,
                    false => OutageKind::Unreachable,
                };
                // Without a connection the first look is to open one.
                let pause = if is_connected { FIRST_PAUSE } else { Duration::ZERO };
                settled.replies.extend(self.begin_outage(
                    &mut state,
                    Outage { since: now, kind, why },
                    pause,
                ));
            }
            // Its log goes on.
            None if state.health.outage().is_some_and(|outage| outage.kind == OutageKind::Stalled) => {
                self.end_outage(&mut state);
            }
            None => {}
        }
        let next = self.begin_call(&mut state);
        self.begin_calls(&mut state);
        (settled.replies, next)
    }

    /// The connection, once the member can be reached.
    async fn reachable(self: &Arc<Self>, deadline: Instant) -> Result<Sender, Refusal> {
        let mut serves = self.serves.subscribe();
        let mut held = None;
        loop {
            let until = {
                let mut state = self.state();
                let unreachable = |outage: &&Outage| outage.kind == OutageKind::Unreachable;
                if let Some(outage) = state.health.outage().filter(unreachable) {
                    let until = deadline.min(outage.deadline(HOLD));
                    if Instant::now() >= until {
                        return Err(self.not_ready(outage));
                    }
                    until
                } else if let Some(sender) = self.connection.open() {
                    return Ok(sender);
                } else {
                    let outage = not_connected(Instant::now());
                    let replies = self.begin_outage(&mut state, outage, Duration::ZERO);
                    drop(state);
                    send_replies(replies);
                    deadline
                }
            };
            if held.is_none() {
                held = Some(self.budget.take_silent(CALL_BYTES)?);
            }
            // Either way the next look tells.
            let _ = timeout_at(until, serves.changed()).await;
        }
    }

    /// Notes that a call other than an append found the member out of reach.
    fn unreachable(self: &Arc<Self>, why: String) {
        let outage = Outage { since: Instant::now(), kind: OutageKind::Unreachable, why };
        let replies = self.begin_outage(&mut self.state(), outage, FIRST_PAUSE);
        send_replies(replies);
    }

    /// Begins an outage, or adds to it. Appends that wait move to the quarter of the budget that is for them; returns
    /// those for which it has no room.
    fn begin_outage(self: &Arc<Self>, state: &mut State, outage: Outage, pause: Duration) -> Replies {
        if state.health.begin_outage(outage) {
            tokio::spawn(probe::run(Arc::downgrade(self), pause));
        }
        let refused = state.appends.refuse(|append| {
            let bytes = append.bytes();
            self.budget.move_to_silent(&mut append.held, bytes).err()
        });
        refused.into_iter().map(|(append, refusal)| (append, Outcome::Final(Err(refusal)))).collect()
    }

    /// Ends an outage: what waits is sent.
    fn end_outage(self: &Arc<Self>, state: &mut State) -> Option<Outage> {
        let ended = state.health.end_outage(Instant::now());
        self.begin_calls(state);
        self.serves.send_replace(());
        ended
    }

    /// Refuses the appends that were held for too long.
    fn refuse_late(&self) {
        let now = Instant::now();
        let mut state = self.state();
        let Some(outage) = state.health.outage().cloned() else { return };
        let late = state
            .appends
            .refuse(|append| (now >= outage.deadline(append.hold)).then(|| self.not_ready(&outage)));
        drop(state);
        send_replies(
            late.into_iter().map(|(append, refusal)| (append, Outcome::Final(Err(refusal)))).collect(),
        );
    }

    fn not_ready(&self, outage: &Outage) -> Refusal {
        let seconds = outage.since.elapsed().as_secs();
        Refusal::NotReady(format!("{} has not answered for {seconds} s: {}", self.authority, outage.why))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The outage that a missing connection is until it is there.
fn not_connected(since: Instant) -> Outage {
    Outage { since, kind: OutageKind::Unreachable, why: "there is no connection".into() }
}

/// The outcome of a call, for each of its appends.
#[derive(Default)]
struct Settled {
    replies: Replies,
    /// Appends of which nothing was done, as the member does not serve.
    again: Vec<Waiting>,
    /// Why it does not.
    outage: Option<String>,
}

impl Settled {
    /// After an answer. An append of which any part was done, or refused for another reason, is final.
    fn of(call: Vec<Waiting>, answer: Result<Vec<RunOutcome>, Refusal>) -> Self {
        let runs: usize = call.iter().map(|waiting| waiting.append.runs.len()).sum();
        let mut outcomes = match answer {
            Ok(outcomes) if outcomes.len() == runs => outcomes.into_iter(),
            Ok(outcomes) => {
                let why = format!("{} outcomes of {runs} runs", outcomes.len());
                return Self { outage: None, ..Self::unknown(call, why) };
            }
            Err(Refusal::NotReady(why)) => return Self::again(call, why),
            Err(refusal) => {
                let reply = |waiting: Waiting| match &refusal {
                    Refusal::UnknownShard(_) => unknown_shards(waiting, refusal.clone()),
                    _ => (waiting, Outcome::Final(Err(refusal.clone()))),
                };
                return Self { replies: call.into_iter().map(reply).collect(), ..Self::default() };
            }
        };
        let mut settled = Self::default();
        for waiting in call {
            let own: Vec<_> = outcomes.by_ref().take(waiting.append.runs.len()).collect();
            match again_after(&own) {
                Some(Refusal::NotReady(why)) => {
                    settled.outage = Some(why);
                    settled.again.push(waiting);
                }
                Some(refusal) => settled.replies.push(unknown_shards(waiting, refusal)),
                None => settled.replies.push((waiting, Outcome::Final(Ok(own)))),
            }
        }
        settled
    }

    /// Nothing of it was done.
    fn again(call: Vec<Waiting>, why: String) -> Self {
        Self { replies: Vec::new(), again: call, outage: Some(why) }
    }

    /// It may have been done.
    fn unknown(call: Vec<Waiting>, why: String) -> Self {
        let unknown = Refusal::OutcomeUnknown(why.clone());
        let reply = |waiting| (waiting, Outcome::Final(Err(unknown.clone())));
        Self { replies: call.into_iter().map(reply).collect(), again: Vec::new(), outage: Some(why) }
    }
}

/// Gives an append back.
fn unknown_shards(mut waiting: Waiting, refusal: Refusal) -> (Waiting, Outcome) {
    let Append { stream_uid, log, id, runs } = &mut waiting.append;
    let [stream_uid, log] = [stream_uid, log].map(std::mem::take);
    let append = Append { stream_uid, log, id: *id, runs: std::mem::take(runs) };
    (waiting, Outcome::UnknownShards(append, refusal))
}

/// The refusal after which an append may be sent again: nothing of it was done.
fn again_after(outcomes: &[RunOutcome]) -> Option<Refusal> {
    let again = |outcome: &RunOutcome| match outcome {
        Err(refusal @ (Refusal::NotReady(_) | Refusal::UnknownShard(_))) => Some(refusal.clone()),
        _ => None,
    };
    let first = again(outcomes.first()?)?;
    outcomes.iter().all(|outcome| again(outcome).is_some()).then_some(first)
}

/// Sends replies. Whoever asked may have gone.
fn send_replies(replies: Replies) {
    for (Waiting { reply, held, .. }, outcome) in replies {
        // Who is answered finds room for what it appends next.
        drop(held);
        let _ = reply.send(outcome);
    }
}

/// The pauses before a call is repeated.
struct Pauses {
    begun: Instant,
    pause: Duration,
}

impl Pauses {
    fn new() -> Self {
        Self { begun: Instant::now(), pause: FIRST_PAUSE }
    }

    /// Waits before the next attempt; false if it would begin later than `limit`.
    async fn next(&mut self, limit: Duration) -> bool {
        if self.begun.elapsed() + self.pause > limit {
            return false;
        }
        sleep(self.pause).await;
        self.pause = LAST_PAUSE.min(self.pause * 2);
        true
    }
}
