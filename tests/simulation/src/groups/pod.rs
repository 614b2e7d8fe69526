//! A process of a group: the shell around its core. It carries out effects, serves requests, and ends.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use group_core::clock::ClockReading;
use group_core::{Answer, Append, Call, Config, Core, Effect, NotDone, State, StoreReport, Token};
use rand::RngExt as _;

use super::event::{Event, Fault};
use super::message::{Reply, ReplyBody, Request, RequestBody, Version};
use super::stale::check_stale;
use super::view::View;
use super::watch::Watch;
use super::world::{Occurrence, SECOND_MS, Sender, World};

/// How long a request without a timeout may wait.
const TIMEOUT_MS: u64 = 10 * SECOND_MS;

/// A process with the log open: it holds the lock of the volume.
pub(super) struct Process {
    /// Counts all openings in the world.
    pub opening: u64,
    pub address: usize,
    pub version: Version,
    core: Core,
    watch: Watch,
    pub view: View,
    calls: BTreeMap<Token, Waiting>,
    tokens: u64,
    /// The most batches under way; further calls wait.
    max_under_way: usize,
    /// Whether a sync is under way.
    writing: bool,
    /// Whether the store has refused a write of which the core has no report yet: later writes are refused, too.
    refusing: bool,
    failed: bool,
    /// The last write that is durable.
    durable_number: u64,
    /// Counts events, to detect quiet moments.
    events: u64,
}

/// The caller of a call.
struct Waiting {
    from: Sender,
    id: u64,
    pair: Option<(u64, u64)>,
    /// Whether all of its records were in the log before.
    stored_before: bool,
}

impl World {
    pub(super) fn process(&mut self, group: usize) -> Result<&mut Process> {
        self.groups[group].process.as_mut().context("a group without a process")
    }

    pub(super) fn clock(&self, address: usize) -> ClockReading {
        self.machines[self.machine_of(address)].clock(self.now_ms)
    }

    /// A pod opens its log, unless another process has it open.
    pub(super) fn open(&mut self, group: usize) -> Result<()> {
        if self.groups[group].process.is_some() {
            self.record_event(Event::WaitedForLock, group);
            return Ok(());
        }
        if self.groups[group].genesis.shards.keys().any(|shard| !self.map.groups.contains_key(shard)) {
            for (id, shard) in &self.groups[group].genesis.shards {
                self.map.groups.insert(*id, group);
                self.map.open.insert(*id, shard.open.range);
            }
            self.publish_map();
        }
        let state = self.groups[group].store.fold()?;
        self.check_fold(group, &state)?;
        check_stale(&state)?;
        self.record_event(Event::StaleRefused, state.index);
        let address = self.groups[group].address;
        let clock = self.clock(address);
        let version = self.draw_version();
        let max_under_way = self.random.random_range(1..4);
        let store = self.store_report(group);
        let core = Core::open(Config::default(), state.clone(), clock);
        self.openings += 1;
        let opening = self.openings;
        self.groups[group].process = Some(Process {
            opening,
            address,
            version,
            core,
            watch: Watch::new(group, &state, clock),
            view: View { clock: group_core::clock::LogClock::default(), state },
            calls: BTreeMap::new(),
            tokens: 0,
            max_under_way,
            writing: false,
            refusing: false,
            failed: false,
            durable_number: 0,
            events: 0,
        });
        self.record_event(Event::Opened, (group, opening));
        self.poll(group)?;
        self.feed(group, group_core::Event::Tick { clock, store })?;
        self.plan(SECOND_MS, Occurrence::Tick { group, opening });
        let number = self.groups[group].reported_before;
        for _ in 0..4 {
            let delay_ms = self.random.random_range(0..SECOND_MS);
            self.plan(delay_ms, Occurrence::ReportedLate { group, opening, number });
        }
        Ok(())
    }

    fn store_report(&self, group: usize) -> StoreReport {
        StoreReport { oldest_segment_arrival_ms: self.groups[group].store.oldest_segment_arrival_ms() }
    }

    /// An event for a core.
    fn feed(&mut self, group: usize, event: group_core::Event) -> Result<()> {
        let process = self.process(group)?;
        process.events += 1;
        let was_suspect = process.watch.is_suspect();
        process.watch.goes_in(&event)?;
        // Calls wait while enough batches are under way, and then share one batch.
        let may_wait = matches!(event, group_core::Event::Call { .. } | group_core::Event::Tick { .. });
        let waits = may_wait && process.watch.under_way() >= process.max_under_way;
        process.core.handle(event);
        if !waits {
            self.poll(group)?;
        }
        let process = self.process(group)?;
        if process.watch.is_suspect() && !was_suspect {
            self.record_event(Event::ClockSuspect, group);
        }
        let process = self.process(group)?;
        let (opening, events) = (process.opening, process.events);
        self.plan(10, Occurrence::Quiet { group, opening, events });
        Ok(())
    }

    /// Carries out the effects of a core.
    fn poll(&mut self, group: usize) -> Result<()> {
        let mut effects = Vec::new();
        self.process(group)?.core.poll(&mut effects);
        effects.into_iter().try_for_each(|effect| self.carry_out(group, effect))
    }

    fn carry_out(&mut self, group: usize, effect: Effect) -> Result<()> {
        let now_ms = self.now_ms;
        match effect {
            Effect::Persist { number, batch } => {
                let history = &self.ledger.groups[group];
                let process = self.groups[group].process.as_mut().context("no process")?;
                let seen = process.watch.persist(number, &batch, history, now_ms)?;
                let several = process.watch.under_way() > 1;
                if seen.trim_ms.is_some() {
                    self.record_event(Event::Trim, (group, seen.trim_ms));
                }
                if seen.stepped {
                    self.record_event(Event::ClockStep, (group, batch.time_ms));
                }
                if several {
                    self.record_event(Event::SeveralUnderWay, group);
                }
                self.write(group, number, batch)?;
            }
            Effect::Publish { index, clock } => {
                let Self { groups, .. } = self;
                let group = &mut groups[group];
                let process = group.process.as_mut().context("no process")?;
                process.watch.publish(index, clock)?;
                process.view.publish(&group.store, index, clock)?;
            }
            Effect::Answer { token, answer } => self.answer(group, token, answer)?,
            Effect::Trim { horizon_ms } => {
                let Self { groups, ledger, .. } = self;
                let process = groups[group].process.as_ref().context("no process")?;
                let history = &mut ledger.groups[group];
                if horizon_ms > history.trimmed_ms {
                    process.watch.check_refused_trim(horizon_ms, history, now_ms)?;
                    history.trimmed_ms = horizon_ms;
                }
                let removed = self.groups[group].store.trim(horizon_ms);
                if removed > 0 {
                    self.record_event(Event::SegmentsRemoved, (group, removed));
                }
            }
            Effect::Halt { reason } => {
                let process = self.process(group)?;
                process.watch.halt(&reason)?;
                let opening = process.opening;
                let delay_ms = self.random.random_range(1..3 * SECOND_MS);
                self.plan(delay_ms, Occurrence::Ends { group, opening });
            }
        }
        Ok(())
    }

    fn write(&mut self, group: usize, number: u64, batch: group_core::Batch) -> Result<()> {
        let process = self.process(group)?;
        let opening = process.opening;
        ensure!(!process.failed, "a write after one that failed");
        if process.refusing {
            return Ok(());
        }
        if self.groups[group].store.write(number, batch) {
            self.sync_next(group)
        } else {
            self.process(group)?.refusing = true;
            let delay_ms = self.random.random_range(0..5);
            self.plan(delay_ms, Occurrence::NoRoom { group, opening, number });
            Ok(())
        }
    }

    fn sync_next(&mut self, group: usize) -> Result<()> {
        let slow = self.now_ms < self.groups[group].slow_until_ms;
        let nothing = self.groups[group].store.under_way.is_empty();
        let process = self.process(group)?;
        if !process.writing && !nothing {
            process.writing = true;
            let opening = process.opening;
            let delay_ms = self.random.random_range(if slow { 500..4_000 } else { 1..10 });
            self.plan(delay_ms, Occurrence::Synced { group, opening });
        }
        Ok(())
    }

    /// The oldest write is durable, or failed.
    pub(super) fn synced(&mut self, group: usize) -> Result<()> {
        self.process(group)?.writing = false;
        if std::mem::take(&mut self.groups[group].fails) {
            self.record_fault(Fault::FailedWrite, group);
            self.keep_some(group)?;
            self.process(group)?.failed = true;
            return self.feed(group, group_core::Event::Failed { reason: "the disk failed".into() });
        }
        let number = self.sync_one(group)?.context("a sync of nothing")?;
        let process = self.process(group)?;
        process.durable_number = number;
        let opening = process.opening;
        let delay_ms = self.random.random_range(0..8);
        self.plan(delay_ms, Occurrence::Reported { group, opening });
        self.sync_next(group)
    }

    fn sync_one(&mut self, group: usize) -> Result<Option<u64>> {
        let Some((number, batch)) = self.groups[group].store.sync()? else { return Ok(None) };
        self.ledger.durable(group, &batch, self.now_ms)?;
        let trimmed_ms = &mut self.ledger.groups[group].trimmed_ms;
        *trimmed_ms = self.groups[group].store.trim_horizon_ms().max(*trimmed_ms);
        Ok(Some(number))
    }

    /// A crash or a failed write keeps some of the writes under way and drops the rest.
    fn keep_some(&mut self, group: usize) -> Result<()> {
        let under_way = self.groups[group].store.under_way.len();
        let kept = self.random.random_range(0..=under_way);
        for _ in 0..kept {
            self.sync_one(group)?;
            self.record_event(Event::CrashKept, group);
        }
        let lost = std::mem::take(&mut self.groups[group].store.under_way);
        lost.iter().for_each(|(number, _)| self.record_event(Event::CrashLost, (group, number)));
        Ok(())
    }

    /// Reports a durable write to the core, unless it was reported.
    pub(super) fn reported(&mut self, group: usize) -> Result<()> {
        let process = self.process(group)?;
        let number = process.durable_number;
        if process.failed || process.watch.reported_number() >= number {
            return Ok(());
        }
        self.feed(group, group_core::Event::Persisted { number })
    }

    /// A late report of an earlier opening arrives, with a number that this opening has not reached.
    pub(super) fn reported_late(&mut self, group: usize, number: u64) -> Result<()> {
        let process = self.process(group)?;
        if process.watch.last_number() < number && process.watch.under_way() > 0 && !process.failed {
            self.record_event(Event::ReportedLate, (group, number));
            self.feed(group, group_core::Event::Persisted { number })?;
        }
        Ok(())
    }

    pub(super) fn no_room(&mut self, group: usize, number: u64) -> Result<()> {
        let process = self.process(group)?;
        process.refusing = false;
        if process.failed {
            return Ok(());
        }
        self.record_fault(Fault::FullStore, (group, number));
        self.feed(group, group_core::Event::Refused { number, reason: "the disk is full".into() })
    }

    fn tick(&mut self, group: usize) -> Result<()> {
        let address = self.process(group)?.address;
        let (clock, store) = (self.clock(address), self.store_report(group));
        self.feed(group, group_core::Event::Tick { clock, store })
    }

    pub(super) fn tick_again(&mut self, group: usize) -> Result<()> {
        self.tick(group)?;
        let process = self.process(group)?;
        let (opening, has_calls) = (process.opening, process.watch.has_calls());
        let delay_ms = match has_calls {
            true => self.random.random_range(50..SECOND_MS),
            false => self.random.random_range(60 * SECOND_MS..1_200 * SECOND_MS),
        };
        self.plan(delay_ms, Occurrence::Tick { group, opening });
        Ok(())
    }

    pub(super) fn quiet(&mut self, group: usize, events: u64) -> Result<()> {
        let process = self.process(group)?;
        if process.events != events || process.watch.halted {
            return Ok(());
        }
        if process.core.unconfirmed() {
            self.record_event(Event::Confirmed, group);
            self.feed(group, group_core::Event::Quiet)?;
        }
        Ok(())
    }

    /// A request reached a process.
    pub(super) fn serve(&mut self, group: usize, from: Sender, request: Request) -> Result<()> {
        let version = self.process(group)?.version;
        if !version.knows(request.requires) {
            self.record_event(Event::Unsupported, (group, request.id));
            self.reply(group, from, request.id, ReplyBody::Unsupported);
            return Ok(());
        }
        if request.newer_field.is_some() && version != Version::Newer {
            self.record_event(Event::FieldPassedOver, group);
        }
        if request.timeout_ms.is_none() {
            self.record_event(Event::FieldAbsent, group);
        }
        self.tick(group)?;
        let (call, pair) = match request.body {
            RequestBody::Read { shard, from: start, max_records } => {
                let body = self.read(group, shard, start, max_records)?;
                self.reply(group, from, request.id, body);
                return Ok(());
            }
            RequestBody::Append { session, sequence, runs } => {
                let append = Append { session: Some((session, sequence)), runs };
                (Call::Append(append), Some((session, sequence)))
            }
            RequestBody::Probe => {
                if let Some(other_ms) = request.caller_ms {
                    self.feed(group, group_core::Event::ClockSeen { other_ms })?;
                }
                self.reply(group, from, request.id, ReplyBody::Done);
                return Ok(());
            }
            RequestBody::SetRetention { hours } => (Call::SetRetention { hours }, None),
            RequestBody::Reshard(reshard) => (Call::Reshard(reshard), None),
        };
        let attempt = pair.and_then(|pair| self.attempts.get_mut(&pair));
        let stored_before = attempt.is_some_and(|attempt| {
            attempt.asked += 1;
            attempt.is_stored(&self.ledger)
        });
        let process = self.process(group)?;
        process.tokens += 1;
        let (token, process_address) = (Token(process.tokens), process.address);
        process.calls.insert(token, Waiting { from, id: request.id, pair, stored_before });
        let boottime_ms = self.clock(process_address).boottime_ms;
        let deadline_ms = boottime_ms + request.timeout_ms.unwrap_or(TIMEOUT_MS);
        if let Some(other_ms) = request.caller_ms {
            self.feed(group, group_core::Event::ClockSeen { other_ms })?;
        }
        self.feed(group, group_core::Event::Call { token, call, deadline_ms })
    }

    fn answer(&mut self, group: usize, token: Token, answer: Answer) -> Result<()> {
        let Self { groups, ledger, .. } = self;
        let process = groups[group].process.as_mut().context("no process")?;
        process.watch.answer(token, &answer, ledger)?;
        let waiting = process.calls.remove(&token).context("an answer for nobody")?;
        let newer = process.version == Version::Newer;
        if matches!(answer, Answer::Append(_)) && waiting.stored_before {
            self.record_event(Event::AnsweredAgain, group);
        }
        let body = match answer {
            Answer::Append(outcomes) => ReplyBody::Append(outcomes),
            Answer::Done => ReplyBody::Done,
            Answer::Reshard(outcome) => ReplyBody::Reshard(outcome),
            Answer::NotDone(why) => {
                let event = match why {
                    NotDone::Late => Event::Late,
                    NotDone::Full(_) => Event::Full,
                    NotDone::Halted(_) => Event::Halted,
                };
                self.record_event(event, group);
                if let Some(attempt) = waiting.pair.and_then(|pair| self.attempts.get_mut(&pair)) {
                    attempt.not_done += 1;
                }
                if newer { ReplyBody::Newer } else { ReplyBody::NotDone }
            }
            Answer::Unknown(_) => ReplyBody::Unknown,
        };
        self.reply(group, waiting.from, waiting.id, body);
        Ok(())
    }

    fn reply(&mut self, group: usize, to: Sender, id: u64, body: ReplyBody) {
        let Some(process) = &self.groups[group].process else { return };
        let node = super::network::Node::Pod(process.address);
        for delay_ms in self.travel(node, Self::node(to.router)) {
            let reply = Reply { id, body: body.clone() };
            self.plan(delay_ms, Occurrence::Reply { to, reply });
        }
    }

    /// A process is killed, and its pod opens the log again.
    pub(super) fn end_process(&mut self, group: usize) -> Result<()> {
        self.groups[group].reported_before = self.process(group)?.durable_number;
        self.keep_some(group)?;
        self.groups[group].process = None;
        let delay_ms = self.random.random_range(1..2 * SECOND_MS);
        self.plan(delay_ms, Occurrence::Opens { group });
        Ok(())
    }

    /// The state from the oldest segment on must equal the state from the first batch on.
    fn check_fold(&self, group: usize, state: &State) -> Result<()> {
        let mut whole = self.groups[group].genesis.clone();
        for batch in &self.ledger.groups[group].batches {
            whole
                .apply(batch.step(), group_core::Continuity::Required)
                .context("the whole log does not fold")?;
        }
        ensure!(whole == *state, "the log folds to another state without what was trimmed");
        Ok(())
    }
}
