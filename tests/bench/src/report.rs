//! What came out: the goals and how far each is met, and all numbers beside each other.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Zoned;
use serde::Serialize;

use crate::goals::{Goal, Measure, goals};
use crate::machine::Machine;
use crate::run::Measurement;
use crate::system::System;

/// No number may be worse than this part of what an earlier commit has in the same rounds.
const LEAST_PART_OF_EARLIER: f64 = 0.95;

/// Everything that a run found out.
#[derive(Serialize)]
pub struct Report {
    /// On what.
    pub machine: Machine,
    /// When, as a calendar date.
    pub date: String,
    /// Every number of every round.
    pub measurements: Vec<Measurement>,
}

impl Report {
    /// The report of these measurements, made now.
    #[must_use]
    pub fn new(machine: Machine, measurements: Vec<Measurement>) -> Self {
        Self { machine, date: Zoned::now().date().to_string(), measurements }
    }

    /// The page that people read.
    #[must_use]
    pub fn markdown(&self) -> String {
        let Machine { processors, processor, memory_gib, kernel, file_system, disk } = &self.machine;
        let mut page = format!(
            "# How fast, how much\n\n\
             Made by `make bench` on {}: {processors} processors ({processor}), {memory_gib} GiB, {file_system} \
             ({disk}), Linux {kernel}.\nEverything runs on this one machine at the same time, the load included, so that \
             numbers are good for comparing\nwithin this page. They are medians over the rounds, and so are the parts, \
             each taken within a round, as the machine\nis not the same from one to the next. Records are 1 KB, in 4 \
             shards without limits. After the puts everything is read\nback, and count and hash must be equal to what was \
             acknowledged (the floors keep, but cannot be read); of Kinetes\nonce more after each restart with nothing \
             cached.\n\nIn the cluster means a gateway, and a pod for each shard group with a volume of its own, as \
             processes of this machine;\nthe catalog is played. Processor time and memory are those of all of them \
             together. The floor in two processes is what\nthat takes at least: one receives, parses and decodes, and \
             forwards over one connection to another one, which keeps. The\nfloor for a shard read from disk is a pread \
             of the same bytes that a reader of the log takes, one range after the other.\n\n![Records a second](benchmark.svg)\n\n## Goals\n\n",
            self.date
        );
        for (system, goals) in goals() {
            page.push_str(&self.goals_table(system, &goals));
        }
        page.push_str(&self.beside_earlier());
        let systems = self.systems();
        let names: Vec<_> = systems.iter().map(|system| system.name()).collect();
        write!(page, "## All of it\n\n| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(systems.len()))
            .ok();
        let durable: Vec<_> =
            systems.iter().map(|system| if system.is_durable() { "yes" } else { "no" }).collect();
        writeln!(page, "| acknowledged is on disk | {} |", durable.join(" | ")).ok();
        for what in self.whats() {
            let values: Vec<_> = systems
                .iter()
                .map(|system| {
                    self.median(*system, what).map_or_else(|| "-".to_owned(), |value| shown(value, what))
                })
                .collect();
            writeln!(page, "| {what} | {} |", values.join(" | ")).ok();
        }
        page
    }

    /// A table of those of a system's goals of which everything was measured.
    fn goals_table(&self, system: System, goals: &[Goal]) -> String {
        let rows: Vec<_> = goals.iter().filter_map(|goal| self.verdict(system, goal)).collect();
        if rows.is_empty() {
            return String::new();
        }
        format!("| | {} | against | goal | |\n|---|---|---|---|---|\n{}\n", system.name(), rows.concat())
    }

    /// A line of the table, if all that it needs was measured.
    fn verdict(&self, system: System, Goal { what, measure }: &Goal) -> Option<String> {
        let ours = self.median(system, what)?;
        let part_of = |other: System, of: &str| {
            let (theirs, reached) = (self.median(other, of)?, self.part(system, what, other, of)?);
            let against = format!("{} of {}: {:.0} %", shown(theirs, of), other.name(), 100.0 * reached);
            Some((against, reached))
        };
        let (against, goal, verdict) = match measure {
            Measure::PartOf(other, of, part) => {
                let (against, reached) = part_of(*other, of)?;
                (against, format!(">= {:.0} %", part * 100.0), verdict_of(reached >= *part))
            }
            Measure::Near(other, of, part) => {
                let (against, _) = part_of(*other, of)?;
                (against, format!("about {:.0} % or more, for orientation", part * 100.0), "")
            }
            Measure::AtMost(most) => (String::new(), format!("<= {most}"), verdict_of(ours <= *most)),
            Measure::AtMostAbove(other, of, most) => {
                let theirs = self.median(*other, of)?;
                let above = self.of_rounds(system, what, *other, of, |ours, theirs| ours - theirs)?;
                let against = format!("{} of {}: {above:+.2}", shown(theirs, of), other.name());
                (against, format!("<= {most:+}"), verdict_of(above <= *most))
            }
        };
        Some(format!("| {what} | {} | {against} | {goal} | {verdict} |\n", shown(ours, what)))
    }

    /// A table of every number beside that of an earlier commit, if one was measured.
    fn beside_earlier(&self) -> String {
        let rows: Vec<_> =
            self.whats().into_iter().filter_map(|what| self.row_beside_earlier(what)).collect();
        if rows.is_empty() {
            return String::new();
        }
        format!(
            "## Beside an earlier commit\n\nMeasured in the same rounds. 100 % is as good; more is better, also where \
             less of it is better.\n\n| | now | earlier | | |\n|---|---|---|---|---|\n{}\n",
            rows.concat()
        )
    }

    fn row_beside_earlier(&self, what: &str) -> Option<String> {
        let (now, earlier) = (self.median(System::Kinetes, what)?, self.median(System::Earlier, what)?);
        let ratio = self.part(System::Kinetes, what, System::Earlier, what)?;
        let part = if what.ends_with("records/s") { ratio } else { ratio.recip() };
        let verdict = if part >= LEAST_PART_OF_EARLIER { "" } else { "**worse**" };
        let (now, earlier) = (shown(now, what), shown(earlier, what));
        Some(format!("| {what} | {now} | {earlier} | {:.0} % | {verdict} |\n", part * 100.0))
    }

    fn systems(&self) -> Vec<System> {
        let systems: BTreeMap<System, ()> = self.measurements.iter().map(|one| (one.system, ())).collect();
        systems.into_keys().collect()
    }

    /// What was measured, in the order of the first measurement.
    fn whats(&self) -> Vec<&str> {
        let mut whats: Vec<&str> = vec![];
        for measurement in &self.measurements {
            if !whats.contains(&measurement.what.as_str()) {
                whats.push(&measurement.what);
            }
        }
        whats
    }

    fn median(&self, system: System, what: &str) -> Option<f64> {
        median(self.of(system, what).map(|one| one.value).collect())
    }

    /// What part of another system's number that of a system is: the median of the parts in each round.
    fn part(&self, system: System, what: &str, other: System, of: &str) -> Option<f64> {
        self.of_rounds(system, what, other, of, |ours, theirs| ours / theirs)
    }

    /// The median over the rounds of what is computed of the numbers of two systems.
    fn of_rounds(
        &self,
        system: System,
        what: &str,
        other: System,
        of: &str,
        compute: impl Fn(f64, f64) -> f64,
    ) -> Option<f64> {
        let of_round = |ours: &Measurement| {
            let theirs = self.of(other, of).find(|theirs| theirs.round == ours.round)?;
            Some(compute(ours.value, theirs.value))
        };
        median(self.of(system, what).filter_map(of_round).collect())
    }

    fn of(&self, system: System, what: &str) -> impl Iterator<Item = &Measurement> {
        self.measurements.iter().filter(move |one| one.system == system && one.what == what)
    }
}

fn verdict_of(is_met: bool) -> &'static str {
    if is_met { "met" } else { "**missed**" }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn shown(value: f64, what: &str) -> String {
    if !what.ends_with("records/s") {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::what::{ONE_BY_64, TAIL_P99};

    fn report(measurements: &[(System, &str, usize, f64)]) -> Report {
        let machine = Machine {
            processors: 2,
            processor: String::new(),
            memory_gib: 1,
            kernel: String::new(),
            file_system: String::new(),
            disk: String::new(),
        };
        let measurement = |&(system, what, round, value): &(System, &str, usize, f64)| Measurement {
            system,
            what: what.to_owned(),
            value,
            round,
        };
        Report::new(machine, measurements.iter().map(measurement).collect())
    }

    #[test]
    fn goals_are_judged_within_each_round_and_shown_where_they_are_missed() {
        let (cluster, local) = (System::ClusterOneGroup, System::Kinetes);
        let rate = &*ONE_BY_64.rate();
        let page = report(&[
            (local, TAIL_P99, 0, 1.0),
            (local, TAIL_P99, 1, 5.0),
            (local, TAIL_P99, 2, 2.0),
            (cluster, TAIL_P99, 0, 1.5),
            (cluster, TAIL_P99, 1, 6.5),
            (cluster, TAIL_P99, 2, 2.9),
            (local, rate, 0, 20_000.0),
            (cluster, rate, 0, 10_000.0),
            (System::FloorInTwoProcesses, rate, 0, 20_000.0),
        ])
        .markdown();
        let above = "| put to get, p99 ms | 2.90 | 2.00 of Kinetes: +0.90 | <= +1 | met |";
        let part = "| 10,000 | 20,000 of floor: keeps, in two processes: 50 % | >= 75 % | **missed** |";
        let near = "| 10,000 | 20,000 of Kinetes: 50 % | about 60 % or more, for orientation |  |";
        for row in [above, part, near] {
            assert!(page.contains(row), "{row}\n{page}");
        }
        // Nobody measured Kafka: a goal beside it is left out.
        assert!(!page.contains("Kafka"), "{page}");
    }
}
