//! What Kinetes is to reach, in one process and in the cluster.

use crate::system::System;
use crate::what::{self, Caches, GET_LOADS, GetLoad, PUT_LOADS, PutLoad};

/// A goal of a system.
pub struct Goal {
    /// What is measured.
    pub what: String,
    /// How it is judged.
    pub measure: Measure,
}

/// How a goal is judged.
pub enum Measure {
    /// At least this part of what another system does under another name.
    PartOf(System, String, f64),
    /// The same, for orientation: nothing is missed.
    Near(System, String, f64),
    /// At most so much.
    AtMost(f64),
    /// At most so much above what another system has under another name.
    AtMostAbove(System, String, f64),
}

/// All goals, by system.
#[must_use]
pub fn goals() -> [(System, Vec<Goal>); 4] {
    [
        (System::Kinetes, goals_of_local()),
        (System::ClusterOneGroup, goals_of_one_group()),
        (System::ClusterTwoGroups, goals_of_two_groups()),
        (System::ClusterFourGroups, goals_of_four_groups()),
    ]
}

fn goals_of_local() -> Vec<Goal> {
    let part = |load: &PutLoad, part| part_of(load.rate(), System::Floor, part);
    let part_of_other = |load: &GetLoad, system, other: &str, part| Goal {
        what: load.rate(),
        measure: Measure::PartOf(system, other.to_owned(), part),
    };
    let all_from_memory = what::GET_MEMORY.rate();
    let at_most = |what: &str, most| Goal { what: what.to_owned(), measure: Measure::AtMost(most) };
    vec![
        part(&what::BY_500, 0.6),
        part(&what::BY_100, 0.6),
        part(&what::BY_500_HASHED, 0.6),
        part(&what::BY_100_HASHED, 0.6),
        part(&what::ONE_BY_8, 0.8),
        part(&what::ONE_BY_64, 0.95),
        part_of_other(&what::GET_MEMORY, System::Http, &all_from_memory, 0.6),
        part_of_other(&what::GET_MEMORY, System::Kafka, &all_from_memory, 1.0),
        part_of_other(&what::GET_MEMORY_ONE, System::Kafka, &what::GET_MEMORY_ONE.rate(), 1.0),
        part_of_other(&what::GET_DISK, System::Http, &all_from_memory, 0.4),
        part_of_other(&what::GET_DISK_ONE_OF_16, System::Floor, what::PREAD_ONE_OF_16, 0.5),
        at_most(what::TAIL_P50, 0.9),
        at_most(what::TAIL_P99, 3.0),
        at_most(what::PEAK_MEMORY, 150.0),
        at_most(what::IDLE_MEMORY, 15.0),
        at_most(what::THOUSAND_SECONDS, 10.0),
        at_most(what::THOUSAND_DISK, 2000.0),
        at_most(what::THOUSAND_MEMORY, 60.0),
        at_most(&what::start_seconds(100, Caches::Dropped), 1.0),
    ]
}

fn goals_of_one_group() -> Vec<Goal> {
    let mut goals: Vec<_> =
        PUT_LOADS.iter().map(|load| part_of(load.rate(), System::FloorInTwoProcesses, 0.75)).collect();
    goals.push(part_of(what::ONE_BY_64.rate(), System::KafkaSynced, 5.0));
    goals.push(above(what::TAIL_P99.to_owned(), System::Kinetes, what::TAIL_P99.to_owned(), 1.0));
    let near_local = |what: String| Goal { measure: Measure::Near(System::Kinetes, what.clone(), 0.6), what };
    goals.extend(rates().map(near_local));
    goals
}

fn goals_of_two_groups() -> Vec<Goal> {
    rates().map(|rate| part_of(rate, System::ClusterOneGroup, 0.8)).collect()
}

fn goals_of_four_groups() -> Vec<Goal> {
    let (before, beside_hung) = (what::ONE_GROUP, what::ONE_GROUP_BESIDE_HUNG);
    let system = System::ClusterFourGroups;
    vec![
        Goal { what: beside_hung.rate(), measure: Measure::PartOf(system, before.rate(), 0.9) },
        above(beside_hung.p99(), system, before.p99(), 1.0),
    ]
}

fn above(what: String, system: System, other: String, most: f64) -> Goal {
    Goal { what, measure: Measure::AtMostAbove(system, other, most) }
}

fn part_of(rate: String, system: System, part: f64) -> Goal {
    Goal { measure: Measure::PartOf(system, rate.clone(), part), what: rate }
}

/// The rates of all loads.
fn rates() -> impl Iterator<Item = String> {
    PUT_LOADS.iter().map(PutLoad::rate).chain(GET_LOADS.iter().map(GetLoad::rate))
}
