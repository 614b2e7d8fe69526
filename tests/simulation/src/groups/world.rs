//! A world of groups, and its queue of occurrences.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher as _};

use anyhow::{Context as _, Result};
use catalog::member::OpenShard;
use catalog::{HashKeyRange, ShardId};
use group_core::State;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::event::{Event, Fault};
use super::ledger::{Ledger, RecordNumber};
use super::machine::{Machine, START_MS};
use super::message::{Reply, Request, Version};
use super::network::{Network, Node};
use super::pod::Process;
use super::resharding::Operation;
use super::router::{Map, Router};
use super::store::Store;
use super::surroundings::Faults;
use crate::totals::Totals;

pub(super) const SECOND_MS: u64 = 1_000;
pub(super) const HOUR_MS: u64 = 3_600_000;

/// A shard group: its volume, and the process that has its log open.
pub(super) struct Group {
    pub store: Store,
    /// The state of the log before its first batch.
    pub genesis: State,
    pub process: Option<Process>,
    /// The address of its pod, or of the pod that waits for the lock.
    pub address: usize,
    /// When the catalog has it.
    pub born_ms: u64,
    /// The last write of the last opening that was reported durable.
    pub reported_before: u64,
    /// Until when its writes take seconds.
    pub slow_until_ms: u64,
    /// Its next write fails.
    pub fails: bool,
}

/// The outcomes of an append under one session and sequence.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    pub records: Vec<RecordNumber>,
    /// How often it reached a core.
    pub asked: u32,
    /// How often it was answered NotDone.
    pub not_done: u32,
}

/// An occurrence at some moment.
#[derive(Debug)]
pub(super) enum Occurrence {
    /// A request reaches the process that it was sent to, if that still runs.
    Request { group: usize, opening: u64, from: Sender, request: Request },
    /// A reply reaches the router that asked, if that still runs.
    Reply { to: Sender, reply: Reply },
    /// No process listened.
    Refused { to: Sender, id: u64 },
    /// A request of a router times out.
    Timeout { to: Sender, id: u64 },
    /// A router gets a copy of the catalog.
    Copied { router: usize, map: Map },
    /// A group's oldest write is durable.
    Synced { group: usize, opening: u64 },
    /// The write is reported to its core.
    Reported { group: usize, opening: u64 },
    /// A write of an earlier opening is reported to its core.
    ReportedLate { group: usize, opening: u64, number: u64 },
    /// A write for which there was no space is reported to its core.
    NoRoom { group: usize, opening: u64, number: u64 },
    /// Time passes for a core.
    Tick { group: usize, opening: u64 },
    /// No event came for a moment since this many.
    Quiet { group: usize, opening: u64, events: u64 },
    /// A process ends as planned.
    Ends { group: usize, opening: u64 },
    /// A group's pod takes the lock, if it is free.
    Opens { group: usize },
    /// A router acts.
    Acts { router: usize },
    /// A busy time ends or begins.
    Turn,
    /// A fault is injected.
    InjectFault,
}

impl Occurrence {
    fn name(&self) -> &'static str {
        match self {
            Self::Request { .. } => "a request",
            Self::Reply { .. } => "a reply",
            Self::Refused { .. } => "a refused connection",
            Self::Timeout { .. } => "a timeout",
            Self::Copied { .. } => "a copy of the catalog",
            Self::Synced { .. } => "a sync",
            Self::Reported { .. } => "a report of a sync",
            Self::ReportedLate { .. } => "a late report of a sync",
            Self::NoRoom { .. } => "a full store",
            Self::Tick { .. } => "a tick",
            Self::Quiet { .. } => "a quiet moment",
            Self::Ends { .. } => "the end of a process",
            Self::Opens { .. } => "an opening",
            Self::Acts { .. } => "an act of a router",
            Self::Turn => "a turn",
            Self::InjectFault => "a fault",
        }
    }
}

/// One start of a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sender {
    pub router: usize,
    pub incarnation: u64,
}

pub(super) struct World {
    pub random: StdRng,
    pub faults: Faults,
    pub now_ms: u64,
    /// The planned occurrences, by time and then in the order in which they were planned.
    queue: BTreeMap<(u64, u64), Occurrence>,
    planned: u64,
    /// Of each router first, then of each address.
    pub machines: Vec<Machine>,
    pub network: Network,
    pub groups: Vec<Group>,
    /// The first one belongs to the catalog's service: it sends control calls only.
    pub routers: Vec<Router>,
    pub map: Map,
    pub ledger: Ledger,
    /// The splits and merges that the catalog's service has planned; their numbers are their places, from 1.
    pub operations: Vec<Operation>,
    /// The id of the next shard.
    pub next_shard: u32,
    pub attempts: BTreeMap<(u64, u64), Attempt>,
    /// Records of unknown outcome.
    pub unknown: BTreeSet<RecordNumber>,
    /// Whether requests come every second or so, and not every hour.
    pub busy: bool,
    /// How many busy times are left.
    pub turns: u32,
    /// When the world ends, if there are no more faults.
    pub settled_ms: Option<u64>,
    pub records: u64,
    pub requests: u64,
    pub openings: u64,
    trace: DefaultHasher,
    pub totals: Totals,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let faults = Faults::draw(&mut random);
        let group_count = random.random_range(1..=5);
        let shards: Vec<Vec<ShardId>> = draw_shards(&mut random, group_count);
        let router_count = random.random_range(2..=4);
        let machine = |random: &mut StdRng| {
            Machine::new(random.random_range(0..HOUR_MS), random.random_range(-100..=100))
        };
        let machines = (0..=router_count + group_count).map(|_| machine(&mut random)).collect();
        let groups: Vec<_> = (0..).zip(&shards).map(|(at, shards)| group(&mut random, at, shards)).collect();
        let map = Map { addresses: (0..group_count).collect(), ..Map::default() };
        let mut world = Self {
            network: Network::new(faults.network),
            ledger: Ledger::new(groups.iter().map(|group| &group.genesis)),
            operations: Vec::new(),
            next_shard: shards.iter().flatten().map(|shard| shard.index() + 1).max().unwrap_or_default(),
            random,
            faults,
            now_ms: 0,
            queue: BTreeMap::new(),
            planned: 0,
            machines,
            groups,
            routers: Vec::new(),
            map,
            attempts: BTreeMap::new(),
            unknown: BTreeSet::new(),
            busy: true,
            turns: 0,
            settled_ms: None,
            records: 0,
            requests: 0,
            openings: 0,
            trace: DefaultHasher::new(),
            totals: Totals::default(),
        };
        for state in world.groups.iter().map(|group| &group.genesis) {
            let floors_ms = state.shards.iter().map(|(shard, known)| (*shard, known.last_arrival_ms));
            world.ledger.floors_ms.extend(floors_ms);
        }
        Event::ALL.iter().for_each(|event| world.totals.add(event.name(), 0));
        Fault::ALL.iter().for_each(|fault| world.totals.add(fault.name(), 0));
        world.turns = world.random.random_range(3..8);
        (0..router_count).for_each(|router| world.start_router(router));
        (0..group_count)
            .for_each(|group| world.plan_at(world.groups[group].born_ms, Occurrence::Opens { group }));
        world.plan(5 * SECOND_MS, Occurrence::Turn);
        world.plan(500, Occurrence::InjectFault);
        world
    }

    /// Plans an occurrence in so many milliseconds.
    pub(super) fn plan(&mut self, delay_ms: u64, happening: Occurrence) {
        self.plan_at(self.now_ms + delay_ms, happening);
    }

    pub(super) fn plan_at(&mut self, time_ms: u64, happening: Occurrence) {
        self.planned += 1;
        self.queue.insert((time_ms, self.planned), happening);
    }

    /// Processes all occurrences until then.
    pub(super) fn live_until(&mut self, end_ms: u64) -> Result<()> {
        while let Some(next) = self.queue.first_entry()
            && next.key().0 <= end_ms
        {
            let ((now_ms, _), happening) = next.remove_entry();
            self.now_ms = now_ms;
            let what = happening.name();
            self.happen(happening).with_context(|| format!("{now_ms} ms into the world, at {what}"))?;
        }
        self.now_ms = end_ms;
        Ok(())
    }

    /// The time of the next occurrence.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.queue.first_key_value().map(|((time_ms, _), _)| *time_ms)
    }

    fn happen(&mut self, happening: Occurrence) -> Result<()> {
        match happening {
            Occurrence::Request { group, opening, from, request } => {
                if self.runs(group, opening) {
                    self.serve(group, from, request)?;
                }
            }
            Occurrence::Reply { to, reply } => self.replied(to, reply)?,
            Occurrence::Refused { to, id } => self.refused(to, id),
            Occurrence::Timeout { to, id } => self.timed_out(to, id),
            Occurrence::Copied { router, map } => self.copied(router, &map),
            Occurrence::Synced { group, opening } if self.runs(group, opening) => self.synced(group)?,
            Occurrence::Reported { group, opening } if self.runs(group, opening) => self.reported(group)?,
            Occurrence::ReportedLate { group, opening, number } if self.runs(group, opening) => {
                self.reported_late(group, number)?;
            }
            Occurrence::NoRoom { group, opening, number } if self.runs(group, opening) => {
                self.no_room(group, number)?;
            }
            Occurrence::Tick { group, opening } if self.runs(group, opening) => self.tick_again(group)?,
            Occurrence::Quiet { group, opening, events } if self.runs(group, opening) => {
                self.quiet(group, events)?;
            }
            Occurrence::Ends { group, opening } if self.runs(group, opening) => self.end_process(group)?,
            Occurrence::Opens { group } => self.open(group)?,
            Occurrence::Acts { router } => self.act(router)?,
            Occurrence::Turn => self.turn(),
            Occurrence::InjectFault => self.inject_fault()?,
            Occurrence::Synced { .. }
            | Occurrence::Reported { .. }
            | Occurrence::ReportedLate { .. }
            | Occurrence::NoRoom { .. }
            | Occurrence::Tick { .. }
            | Occurrence::Quiet { .. }
            | Occurrence::Ends { .. } => {}
        }
        Ok(())
    }

    /// Whether this opening of a group's log is the present one.
    fn runs(&self, group: usize, opening: u64) -> bool {
        self.groups[group].process.as_ref().is_some_and(|process| process.opening == opening)
    }

    pub(super) fn record_event(&mut self, what: Event, with: impl Hash) {
        what.name().hash(&mut self.trace);
        (self.now_ms, with).hash(&mut self.trace);
        self.totals.add(what.name(), 1);
    }

    pub(super) fn record_fault(&mut self, what: Fault, with: impl Hash) {
        what.name().hash(&mut self.trace);
        (self.now_ms, with).hash(&mut self.trace);
        self.totals.add(what.name(), 1);
    }

    pub(super) fn digest(&self) -> u64 {
        self.trace.finish()
    }

    /// The machine of an address.
    pub(super) fn machine_of(&self, address: usize) -> usize {
        self.routers.len() + address
    }

    pub(super) fn node(router: usize) -> Node {
        if router == 0 { Node::Catalog } else { Node::Router(router) }
    }

    pub(super) fn draw_version(&mut self) -> Version {
        match self.random.random_range(0..6) {
            0 => Version::Older,
            1 => Version::Newer,
            _ => Version::This,
        }
    }
}

fn draw_shards(random: &mut StdRng, groups: usize) -> Vec<Vec<ShardId>> {
    let mut indexes = 0..;
    let mut shards = |count: usize| indexes.by_ref().take(count).filter_map(ShardId::new).collect();
    (0..groups).map(|_| shards(random.random_range(1..4))).collect()
}

fn group(random: &mut StdRng, address: usize, shards: &[ShardId]) -> Group {
    let ranges = HashKeyRange::uniform(u32::try_from(shards.len()).unwrap_or(1));
    let open = |(id, range)| OpenShard { id, range, parents: Vec::new(), create_seconds: 1 };
    let open = shards.iter().copied().zip(ranges).map(open);
    let mut genesis = State::new(open, 24, START_MS);
    if random.random_ratio(1, 3) {
        // A child shard whose parent's clock was ahead: its arrivals must not be before those of the parent.
        let floor_ms = START_MS + random.random_range(0..3 * HOUR_MS);
        let first = genesis.shards.iter_mut().next();
        first.into_iter().for_each(|(_, shard)| shard.last_arrival_ms = floor_ms);
    }
    let capacity = random.random_ratio(1, 3).then(|| random.random_range(20..150));
    let born_ms = if random.random_ratio(1, 3) { random.random_range(0..4 * SECOND_MS) } else { 0 };
    Group {
        store: Store::new(genesis.clone(), random.random_range(1..8), capacity),
        genesis,
        process: None,
        address,
        born_ms,
        reported_before: 0,
        slow_until_ms: 0,
        fails: false,
    }
}
