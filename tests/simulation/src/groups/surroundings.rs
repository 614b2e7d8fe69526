//! The surroundings of groups and routers: faults drawn from the seed, and the passing of days.

use anyhow::Result;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::event::Fault;
use super::network::{NetworkFaults, Node};
use super::world::{HOUR_MS, Occurrence, SECOND_MS, World};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// The faults of a world. Every kind is absent in many worlds, so that no fault hides another.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    pub network: NetworkFaults,
    /// One of these at a time; those that are drawn more often are in it more often.
    kinds: Vec<Fault>,
}

impl Faults {
    fn draw_network(random: &mut StdRng) -> NetworkFaults {
        let mut sometimes = |one_in: u32| if random.random_ratio(1, 2) { one_in } else { 0 };
        NetworkFaults { drop: sometimes(15), repeat: sometimes(8), slow: sometimes(12) }
    }

    pub(super) fn draw(random: &mut StdRng) -> Self {
        let network = Self::draw_network(random);
        let kinds = [
            Fault::ProcessCrash,
            Fault::MachineCrash,
            Fault::ForceDeleted,
            Fault::RouterCrash,
            Fault::FullStore,
            Fault::FailedWrite,
            Fault::SlowStore,
            Fault::Cut,
            Fault::SmallStep,
            Fault::ForwardStep,
            Fault::BackStep,
            Fault::AllStep,
        ];
        let kinds = kinds.into_iter().filter(|_| random.random_ratio(1, 2)).collect();
        Self { network, kinds }
    }

    /// Injects no more faults.
    fn end(&mut self) {
        self.network = NetworkFaults::default();
        self.kinds.clear();
    }
}

impl World {
    /// Alternates busy and quiet times, and settles at last.
    pub(super) fn turn(&mut self) {
        self.busy = !self.busy;
        if self.busy {
            self.turns -= 1;
        }
        if self.turns == 0 {
            return self.settle();
        }
        let delay_ms = match self.busy {
            true => self.random.random_range(2 * SECOND_MS..8 * SECOND_MS),
            false => self.random.random_range(HOUR_MS..16 * HOUR_MS),
        };
        self.plan(delay_ms, Occurrence::Turn);
    }

    /// Ends all faults, for long enough that everything expires.
    fn settle(&mut self) {
        self.faults.end();
        self.network = super::network::Network::new(NetworkFaults::default());
        let now_ms = self.now_ms;
        (0..self.machines.len()).for_each(|machine| self.set_clock(machine, 0));
        for group in &mut self.groups {
            (group.store.capacity, group.fails, group.slow_until_ms) = (None, false, 0);
        }
        self.busy = false;
        self.settled_ms = Some(now_ms + 90 * HOUR_MS);
        self.publish_map();
    }

    /// Sets a wall clock. The groups' logs on that machine may follow.
    fn set_clock(&mut self, machine: usize, ahead_ms: i64) {
        self.machines[machine].set(self.now_ms, ahead_ms);
        let Some(address) = machine.checked_sub(self.routers.len()) else { return };
        for (group, history) in self.groups.iter().zip(&mut self.ledger.groups) {
            let here = group.process.as_ref().is_some_and(|process| process.address == address);
            if here || group.address == address {
                history.follows_ms.push(self.now_ms);
            }
        }
    }

    /// Injects a fault, and plans the next one.
    pub(super) fn inject_fault(&mut self) -> Result<()> {
        if self.faults.kinds.is_empty() {
            return Ok(());
        }
        let delay_ms = match self.busy {
            true => self.random.random_range(100..2 * SECOND_MS),
            false => self.random.random_range(HOUR_MS / 2..8 * HOUR_MS),
        };
        self.plan(delay_ms, Occurrence::InjectFault);
        let fault = self.faults.kinds[self.random.random_range(0..self.faults.kinds.len())];
        let group = self.random.random_range(0..self.groups.len());
        match fault {
            Fault::ProcessCrash | Fault::MachineCrash => self.crash(group, fault)?,
            Fault::ForceDeleted => self.force_delete(group),
            Fault::RouterCrash => {
                let router = self.random.random_range(0..self.routers.len());
                self.record_fault(fault, router);
                self.start_router(router);
            }
            Fault::FullStore => self.fill(group),
            Fault::FailedWrite => self.groups[group].fails = true,
            Fault::SlowStore => {
                let until_ms = self.now_ms + self.random.random_range(SECOND_MS..10 * SECOND_MS);
                self.groups[group].slow_until_ms = until_ms;
                self.record_fault(fault, group);
            }
            Fault::Cut => self.cut(group),
            _ => self.step_clocks(fault),
        }
        Ok(())
    }

    fn crash(&mut self, group: usize, fault: Fault) -> Result<()> {
        if self.groups[group].process.is_none() {
            return Ok(());
        }
        self.record_fault(fault, group);
        if fault == Fault::MachineCrash {
            let address = self.process(group)?.address;
            let machine = self.machine_of(address);
            self.machines[machine].restart(self.now_ms);
        }
        self.end_process(group)
    }

    /// A pod is deleted by force: its successor is elsewhere, while its process goes on for a while.
    fn force_delete(&mut self, group: usize) {
        let taken = |address: &usize| {
            self.groups.iter().any(|group| {
                group.address == *address
                    || group.process.as_ref().is_some_and(|process| process.address == *address)
            })
        };
        let Some(address) = (0..=self.groups.len()).find(|address| !taken(address)) else { return };
        let Some(opening) = self.groups[group].process.as_ref().map(|process| process.opening) else {
            return;
        };
        self.record_fault(Fault::ForceDeleted, (group, address));
        self.groups[group].address = address;
        self.ledger.groups[group].follows_ms.push(self.now_ms);
        self.map.addresses[group] = address;
        self.publish_map();
        self.plan(10, Occurrence::Opens { group });
        let delay_ms = self.random.random_range(0..2 * SECOND_MS);
        self.plan(delay_ms, Occurrence::Ends { group, opening });
    }

    /// A store fills up, or gets room again.
    fn fill(&mut self, group: usize) {
        let store = &mut self.groups[group].store;
        let room = self.random.random_range(0..20);
        store.capacity = if store.capacity.is_some() { None } else { Some(store.records() + room) };
    }

    fn cut(&mut self, group: usize) {
        let router = self.random.random_range(0..self.routers.len());
        let pod = Node::Pod(self.groups[group].address);
        let catalog = router > 0 && self.random.random_ratio(1, 3);
        let other = if catalog { Node::Catalog } else { pod };
        let until_ms = self.now_ms + self.random.random_range(SECOND_MS..20 * SECOND_MS);
        self.network.cut(Self::node(router), other, until_ms);
    }

    fn step_clocks(&mut self, fault: Fault) {
        let machine = self.random.random_range(0..self.machines.len());
        if self.random.random_ratio(2, 5) {
            self.record_fault(Fault::RightAgain, machine);
            return self.set_clock(machine, 0);
        }
        let days = if self.random.random_ratio(1, 2) { 3 } else { 400 };
        let ahead_ms = match fault {
            Fault::SmallStep => self.random.random_range(-50..50) * MINUTE_MS,
            Fault::BackStep => -self.random.random_range(HOUR_MS.cast_signed()..days * DAY_MS),
            _ => self.random.random_range(HOUR_MS.cast_signed()..days * DAY_MS),
        };
        self.record_fault(fault, (machine, ahead_ms));
        if fault == Fault::AllStep {
            (0..self.machines.len()).for_each(|machine| self.set_clock(machine, ahead_ms));
        } else {
            self.set_clock(machine, ahead_ms);
        }
    }
}
