//! What routers do: they send appends, learn where groups are, and take replies.

use anyhow::{Context as _, Result, bail};
use catalog::{HashKeyRange, ShardId};
use group_core::record::{Record, RecordBlockBuilder};
use group_core::{Appended, Run, RunOutcome};
use rand::RngExt as _;

use super::event::{Event, Fault};
use super::ledger::{Ledger, RecordNumber, hash_keys, numbers};
use super::message::{NEWER_FEATURE, Reply, ReplyBody, Request, RequestBody, Version};
use super::network::Node;
use super::resharding::rehash;
use super::router::{Map, Outstanding, PendingAppend, Router};
use super::world::{Attempt, HOUR_MS, Occurrence, SECOND_MS, Sender, World};

/// How often a router sends what was certainly not done.
const MAX_ATTEMPTS: u32 = 4;

impl Attempt {
    pub(super) fn is_stored(&self, ledger: &Ledger) -> bool {
        self.records.iter().all(|number| ledger.is_stored(*number))
    }
}

impl World {
    /// A router starts, with a copy of the catalog from its peers.
    pub(super) fn start_router(&mut self, router: usize) {
        let version = self.draw_version();
        let session = self.random.random();
        let incarnation = self.routers.get(router).map_or(0, |before| before.incarnation + 1);
        let mut started = Router::new(incarnation, version, session, self.map.clone());
        match self.routers.get_mut(router) {
            Some(before) => {
                started.readers = std::mem::take(&mut before.readers);
                started.readers.iter_mut().for_each(|reader| reader.waiting = false);
                let before = std::mem::replace(before, started);
                let sending = before.outstanding.into_values().filter_map(|outstanding| match outstanding {
                    Outstanding::Append(sending) => Some(sending),
                    Outstanding::Read { .. } | Outstanding::Reshard(_) | Outstanding::Other => None,
                });
                sending.for_each(|sending| self.unknown(&sending));
            }
            None => {
                self.routers.push(started);
                self.plan(1, Occurrence::Acts { router });
            }
        }
    }

    /// Draws the journey of a message and records its faults.
    pub(super) fn travel(&mut self, from: Node, to: Node) -> Vec<u64> {
        let journey = self.network.send(&mut self.random, from, to, self.now_ms);
        match journey.delays_ms.as_slice() {
            _ if journey.cut => self.record_fault(Fault::Cut, (from, to)),
            [] => self.record_fault(Fault::Dropped, (from, to)),
            [first_ms, ..] if *first_ms >= 500 => self.record_fault(Fault::Slow, (from, to)),
            [_, _, ..] => self.record_fault(Fault::Repeated, (from, to)),
            [_] => {}
        }
        journey.delays_ms
    }

    fn sender(&self, router: usize) -> Sender {
        Sender { router, incarnation: self.routers[router].incarnation }
    }

    /// A router does something, and again later.
    pub(super) fn act(&mut self, router: usize) -> Result<()> {
        if self.settled_ms.is_none_or(|end_ms| self.now_ms < end_ms) {
            let delay_ms = match self.busy {
                true => self.random.random_range(1..200),
                false => self.random.random_range(HOUR_MS / 4..2 * HOUR_MS),
            };
            self.plan(delay_ms, Occurrence::Acts { router });
        }
        if router == 0 {
            return self.send_control();
        }
        if self.random.random_ratio(1, 20) {
            self.ask_catalog(router);
        }
        if let Some(sending) = self.routers[router].again.pop_front() {
            return self.send_append(router, sending, true);
        }
        match self.random.random_range(0..10) {
            0..5 => self.append(router),
            _ => self.read_on(router),
        }
    }

    /// The catalog's service sends each group its retention.
    fn send_control(&mut self) -> Result<()> {
        match self.random.random_range(0..4) {
            0 | 1 => {
                let group = self.random.random_range(0..self.groups.len());
                self.request(0, group, RequestBody::Probe, 0, Outstanding::Other);
                return Ok(());
            }
            2 => return self.send_reshard(),
            _ => {}
        }
        let hours = if self.random.random_ratio(1, 4) { self.random.random_range(24..60) } else { 24 };
        if !self.routers[0].map.groups.is_empty() {
            let group = self.random.random_range(0..self.groups.len());
            let body = RequestBody::SetRetention { hours };
            self.request(0, group, body, 0, Outstanding::Other);
        }
        Ok(())
    }

    pub(super) fn draw_shard(&mut self, router: usize) -> Option<ShardId> {
        let shards: Vec<_> = self.routers[router].map.groups.keys().copied().collect();
        (!shards.is_empty()).then(|| shards[self.random.random_range(0..shards.len())])
    }

    /// Appends to a group; gives the numbers of the records.
    pub(super) fn append_to(&mut self, group: usize) -> Result<Vec<RecordNumber>> {
        let router = 1;
        let shard = self.ledger.groups[group].open().first().context("a group without shards")?.id;
        let range = self.ledger.groups[group].opened[&shard].range;
        let runs = vec![self.draw_run(shard, range)];
        let appended = numbers(&runs[0].block).collect();
        self.send_append(
            router,
            PendingAppend { sequence: 0, runs, attempts: 0, requires_newer: false },
            false,
        )?;
        Ok(appended)
    }

    /// Appends runs to shards of one group: what a router makes of a call for that group.
    fn append(&mut self, router: usize) -> Result<()> {
        let map = &self.routers[router].map;
        if map.open.is_empty() {
            return Ok(());
        }
        let first = *map.open.keys().nth(self.random.random_range(0..map.open.len())).context("a shard")?;
        let group = map.groups[&first];
        let of_group = map.open.iter().filter(|(shard, _)| map.groups[shard] == group);
        let shards: Vec<_> = of_group.map(|(shard, range)| (*shard, *range)).collect();
        let mut runs = Vec::new();
        for _ in 0..self.random.random_range(1..4) {
            let (shard, range) = shards[self.random.random_range(0..shards.len())];
            runs.push(self.draw_run(shard, range));
        }
        let requires_newer = self.routers[router].version == Version::Newer && self.random.random_ratio(1, 3);
        self.send_append(router, PendingAppend { sequence: 0, runs, attempts: 0, requires_newer }, false)
    }

    /// Records of a shard: their keys are mostly among a few, which come again.
    fn draw_run(&mut self, shard: ShardId, range: HashKeyRange) -> Run {
        let mut block = RecordBlockBuilder::default();
        for _ in 0..self.random.random_range(1..4) {
            self.records += 1;
            let key = self.draw_key(range).to_string();
            block.push(Record { partition_key: &key, data: &self.records.to_le_bytes() });
        }
        Run { shard, block: block.build() }
    }

    /// Sends runs under a sequence of their own, each time: a repetition of an earlier message may still come.
    fn send_append(&mut self, router: usize, mut sending: PendingAppend, again: bool) -> Result<()> {
        sending.attempts += 1;
        let shard = sending.runs.first().context("an append without runs")?.shard;
        let group = self.group_known(router, shard).context("a shard that was known")?;
        let from = &mut self.routers[router];
        from.sequences += 1;
        sending.sequence = from.sequences;
        let (session, sequence) = (from.session, sending.sequence);
        let mut attempt = Attempt::default();
        for run in &sending.runs {
            for (number, key) in numbers(&run.block).zip(hash_keys(&run.block)) {
                self.ledger.sent(number, (session, sequence), run.shard, key);
                attempt.records.push(number);
            }
        }
        self.attempts.insert((session, sequence), attempt);
        self.record_event(if again { Event::SentAgain } else { Event::Append }, (session, sequence));
        let body = RequestBody::Append { session, sequence, runs: sending.runs.clone() };
        let requires = if sending.requires_newer { NEWER_FEATURE } else { 0 };
        self.request(router, group, body, requires, Outstanding::Append(sending));
        Ok(())
    }

    /// Sends a request to where the router believes a group to be. It is for the process that listens there now: a
    /// connection does not outlive it.
    pub(super) fn request(
        &mut self,
        router: usize,
        group: usize,
        body: RequestBody,
        requires: u32,
        outstanding: Outstanding,
    ) {
        self.requests += 1;
        let (id, sender) = (self.requests, self.sender(router));
        let clock = self.machines[router].clock(self.now_ms);
        let timeout_ms = self.random.random_range(500..8 * SECOND_MS);
        let from = &mut self.routers[router];
        let older = from.version == Version::Older;
        let request = Request {
            id,
            body,
            requires,
            caller_ms: (!older).then_some(clock.wall_ms),
            timeout_ms: (!older).then_some(timeout_ms),
            newer_field: (from.version == Version::Newer).then_some(id),
        };
        from.outstanding.insert(id, outstanding);
        let address = from.map.addresses[group];
        let delays_ms = self.travel(Self::node(router), Node::Pod(address));
        let listens = self.groups.iter().enumerate().find_map(|(group, listener)| {
            let process = listener.process.as_ref()?;
            (process.address == address).then_some((group, process.opening))
        });
        for delay_ms in delays_ms {
            let happening = match listens {
                Some((group, opening)) => {
                    Occurrence::Request { group, opening, from: sender, request: request.clone() }
                }
                None => Occurrence::Refused { to: sender, id },
            };
            self.plan(delay_ms, happening);
        }
        self.plan(timeout_ms, Occurrence::Timeout { to: sender, id });
    }

    /// What a router waited for, unless it waits no longer: then a late or repeated reply changes nothing.
    fn take(&mut self, to: Sender, id: u64) -> Option<Outstanding> {
        let router = &mut self.routers[to.router];
        (router.incarnation == to.incarnation).then(|| router.outstanding.remove(&id)).flatten()
    }

    pub(super) fn replied(&mut self, to: Sender, reply: Reply) -> Result<()> {
        match (self.take(to, reply.id), reply.body) {
            (None, _) => Ok(()),
            (Some(Outstanding::Append(sending)), body) => self.append_replied(to.router, sending, body),
            (Some(Outstanding::Read { reader, from, acknowledged }), body) => {
                self.read_replied(to.router, reader, from, acknowledged, body)
            }
            (Some(Outstanding::Reshard(operation)), body) => self.reshard_replied(operation, body),
            (Some(Outstanding::Other), body) => {
                if body == ReplyBody::Done {
                    self.record_event(Event::SetRetention, reply.id);
                }
                Ok(())
            }
        }
    }

    fn append_replied(&mut self, router: usize, sending: PendingAppend, body: ReplyBody) -> Result<()> {
        match body {
            ReplyBody::Append(outcomes) => self.outcomes(router, sending, &outcomes),
            ReplyBody::NotDone => {
                self.record_event(Event::NotDone, sending.sequence);
                self.again(router, sending);
                Ok(())
            }
            ReplyBody::Unsupported => {
                self.again(router, PendingAppend { requires_newer: false, ..sending });
                Ok(())
            }
            ReplyBody::Newer if self.routers[router].version == Version::Newer => {
                self.again(router, sending);
                Ok(())
            }
            ReplyBody::Newer => {
                self.record_event(Event::UnknownOutcome, sending.sequence);
                self.unknown(&sending);
                Ok(())
            }
            ReplyBody::Unknown => {
                self.unknown(&sending);
                Ok(())
            }
            ReplyBody::Page(_) | ReplyBody::NotHere | ReplyBody::Done | ReplyBody::Reshard(_) => {
                bail!("an append is answered as a read")
            }
        }
    }

    fn outcomes(&mut self, router: usize, sending: PendingAppend, outcomes: &[RunOutcome]) -> Result<()> {
        let (mut elsewhere, mut rehashed) = (Vec::new(), Vec::new());
        for (run, outcome) in sending.runs.iter().zip(outcomes) {
            match outcome {
                RunOutcome::Appended(at) => {
                    for (number, first_offset) in numbers(&run.block).zip(at.first_offset..) {
                        self.ledger.acknowledged(number, run.shard, Appended { first_offset, ..*at })?;
                    }
                }
                RunOutcome::NotHere => elsewhere.push(run.clone()),
                RunOutcome::Sealed(successors) => rehashed.extend(rehash(run, successors)?),
                RunOutcome::Invalid(why) => bail!("a valid run is refused: {why}"),
            }
        }
        if elsewhere.is_empty() && rehashed.is_empty() {
            self.record_event(Event::Acknowledged, (sending.sequence, sending.attempts));
        }
        if !rehashed.is_empty() {
            // At once: the shards that took over are known from the answer.
            self.record_event(Event::Rehashed, sending.sequence);
            let runs = rehashed;
            self.send_append(router, PendingAppend { runs, attempts: 0, ..sending }, false)?;
        }
        if !elsewhere.is_empty() {
            self.record_event(Event::NotHere, sending.sequence);
            self.ask_catalog(router);
            self.again(router, PendingAppend { runs: elsewhere, ..sending });
        }
        Ok(())
    }

    /// What was certainly not done is sent again, a few times.
    fn again(&mut self, router: usize, sending: PendingAppend) {
        if sending.attempts < MAX_ATTEMPTS {
            self.routers[router].again.push_back(sending);
        }
    }

    /// What may be done or not is never sent again.
    fn unknown(&mut self, sending: &PendingAppend) {
        self.record_event(Event::OutcomeUnknown, sending.sequence);
        self.unknown.extend(sending.runs.iter().flat_map(|run| numbers(&run.block)));
    }

    /// No process listens at an address: what was sent there is certainly not done.
    pub(super) fn refused(&mut self, to: Sender, id: u64) {
        let Some(outstanding) = self.take(to, id) else { return };
        self.record_event(Event::Refused, id);
        self.ask_catalog(to.router);
        match outstanding {
            Outstanding::Append(sending) => self.again(to.router, sending),
            Outstanding::Read { reader, .. } => self.routers[to.router].readers[reader].waiting = false,
            Outstanding::Reshard(_) | Outstanding::Other => {}
        }
    }

    pub(super) fn timed_out(&mut self, to: Sender, id: u64) {
        match self.take(to, id) {
            Some(Outstanding::Append(sending)) => self.unknown(&sending),
            Some(Outstanding::Read { reader, .. }) => self.routers[to.router].readers[reader].waiting = false,
            Some(Outstanding::Reshard(_) | Outstanding::Other) | None => {}
        }
    }

    /// A router asks for what it may have missed.
    pub(super) fn ask_catalog(&mut self, router: usize) {
        for delay_ms in self.travel(Node::Catalog, Self::node(router)) {
            let map = self.map.clone();
            self.plan(delay_ms, Occurrence::Copied { router, map });
        }
    }

    /// The catalog has changed: all routers hear of it, sooner or later or not. Some hear of a draft first, in which a
    /// shard is elsewhere.
    pub(super) fn publish_map(&mut self) {
        self.map.version += 2;
        self.routers[0].map = self.map.clone();
        for router in 1..self.routers.len() {
            if self.settled_ms.is_none() && self.random.random_ratio(1, 3) {
                let mut draft = self.map.clone();
                draft.version -= 1;
                let elsewhere = self.random.random_range(0..self.groups.len());
                if let Some(group) = draft.groups.values_mut().next_back() {
                    *group = elsewhere;
                }
                self.plan(1, Occurrence::Copied { router, map: draft });
                let map = self.map.clone();
                let delay_ms = self.random.random_range(0..20 * SECOND_MS);
                self.plan(delay_ms, Occurrence::Copied { router, map });
            } else {
                self.ask_catalog(router);
            }
        }
    }

    pub(super) fn copied(&mut self, router: usize, map: &Map) {
        if self.routers[router].learn(map) {
            self.record_event(Event::CatalogLearned, (router, map.version));
        }
    }
}
