//! The surroundings of the log: time passes, clocks step, disks grow, and machines crash during later operations.

use rand::RngExt as _;

use super::{Event, HOUR_MS, MINUTE_MS, World};

impl World {
    pub(super) fn pass_time(&mut self) {
        if self.faults.steps && self.random.random_bool(0.3) {
            let step = match self.random.random_range(0..4) {
                0 => self.random.random_range(-50..50) * MINUTE_MS,
                1 => self.random.random_range(-30..30) * 60 * MINUTE_MS,
                2 => 365 * 24 * 60 * MINUTE_MS,
                // Back to where it was.
                _ => self.process.as_ref().map_or(0, |process| -process.stepped_ms),
            };
            self.clocks.step(step);
            if let Some(process) = &mut self.process {
                process.stepped_ms += step;
            }
            self.record_event(Event::ClockStep, step);
        } else {
            let ms = self.random.random_range(0..HOUR_MS * 12);
            self.clocks.go(ms);
            self.record_event(Event::TimePasses, ms);
        }
    }

    pub(super) fn make_room(&mut self) {
        if self.faults.capacity_bytes > 0 {
            self.faults.capacity_bytes += self.random.random_range(0..200) << 10;
            self.disk.set_faults(self.faults);
            self.record_event(Event::MoreRoom, 0);
        }
    }

    pub(super) fn plan_crash(&mut self) {
        let operations = if self.random.random_bool(0.5) {
            self.random.random_range(0..8)
        } else {
            self.random.random_range(0..60)
        };
        self.disk.crash_after(operations);
        self.record_event(Event::CrashPlanned, operations);
    }
}
