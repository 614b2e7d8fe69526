//! How far a run is.

use std::time::{Duration, Instant};

use crate::system::System;

/// What is done of a run, and how long that took.
pub struct Progress {
    begun: Instant,
    /// How long a load takes, as long as nothing is known.
    load: Duration,
    done: u32,
    left: u32,
}

impl Progress {
    /// Of a run that begins now, with loads of this duration.
    #[must_use]
    pub fn new(order: &[(usize, System)], load: Duration) -> Self {
        let left = order.iter().map(|(_, system)| loads(*system)).sum();
        Self { begun: Instant::now(), load, done: 0, left }
    }

    /// A system was measured once.
    pub fn done(&mut self, system: System) {
        self.done += loads(system);
        self.left -= loads(system);
    }

    /// About how long it still takes.
    #[must_use]
    pub fn minutes_left(&self) -> u64 {
        let load = self.begun.elapsed().checked_div(self.done).unwrap_or(self.load);
        (load * self.left).as_secs().div_ceil(60)
    }
}

/// About how many loads a system takes as long as.
fn loads(system: System) -> u32 {
    match system {
        System::Kinetes => 23,
        // It is measured in turns with the first, after all others.
        System::Earlier => 0,
        System::ClusterOneGroup | System::ClusterTwoGroups => 19,
        System::ClusterFourGroups => 6,
        System::Floor | System::FloorInTwoProcesses => 6,
        System::Http => 9,
        System::Ferrokinesis | System::Kinesalite | System::Redis | System::Kafka | System::KafkaSynced => 13,
    }
}
