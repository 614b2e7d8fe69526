//! What came out: the goals and how far each is met, and all numbers beside each other.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Zoned;
use serde::Serialize;

use crate::goals::{Goal, Measure, goals};
use crate::machine::Machine;
use crate::measurements::Measurements;
use crate::system::System;

/// No number may be worse than this part of what an earlier commit has in the same turns.
const LEAST_PART_OF_EARLIER: f64 = 0.95;

/// Everything that a run found out.
#[derive(Serialize)]
pub struct Report {
    /// On what.
    pub machine: Machine,
    /// When, as a calendar date.
    pub date: String,
    /// Every number of every round.
    pub measurements: Measurements,
    /// Every number of every turn of this commit and an earlier one, if that was measured.
    pub beside_earlier: Measurements,
}

impl Report {
    /// The report of these measurements, made now.
    #[must_use]
    pub fn new(machine: Machine, measurements: Measurements, beside_earlier: Measurements) -> Self {
        Self { machine, date: Zoned::now().date().to_string(), measurements, beside_earlier }
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
        page.push_str(&self.earlier_table());
        let systems = self.systems();
        let names: Vec<_> = systems.iter().map(|system| system.name()).collect();
        write!(page, "## All of it\n\n| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(systems.len()))
            .ok();
        let durable: Vec<_> =
            systems.iter().map(|system| if system.is_durable() { "yes" } else { "no" }).collect();
        writeln!(page, "| acknowledged is on disk | {} |", durable.join(" | ")).ok();
        for what in self.measurements.whats() {
            let values: Vec<_> = systems
                .iter()
                .map(|system| {
                    self.measurements
                        .median(*system, what)
                        .map_or_else(|| "-".to_owned(), |value| shown(value, what))
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
        let ours = self.measurements.median(system, what)?;
        let part_of = |other: System, of: &str| {
            let (theirs, reached) =
                (self.measurements.median(other, of)?, self.measurements.part(system, what, other, of)?);
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
                let theirs = self.measurements.median(*other, of)?;
                let above =
                    self.measurements.of_rounds(system, what, *other, of, |ours, theirs| ours - theirs)?;
                let against = format!("{} of {}: {above:+.2}", shown(theirs, of), other.name());
                (against, format!("<= {most:+}"), verdict_of(above <= *most))
            }
        };
        Some(format!("| {what} | {} | {against} | {goal} | {verdict} |\n", shown(ours, what)))
    }

    /// A table of every number beside that of an earlier commit, if one was measured.
    fn earlier_table(&self) -> String {
        let rows: Vec<_> =
            self.beside_earlier.whats().into_iter().filter_map(|what| self.earlier_row(what)).collect();
        if rows.is_empty() {
            return String::new();
        }
        format!(
            "## Beside an earlier commit\n\nBoth ran at the same time and were put under each load in turns. 100 % is as \
             good; more is better, also where less\nof it is better. It is the median over the turns; half of them lie \
             between the two parts behind it.\n\n| | now | earlier | | half of the turns | |\n|---|---|---|---|---|---|\n{}\n",
            rows.concat()
        )
    }

    fn earlier_row(&self, what: &str) -> Option<String> {
        let (now, earlier) = (System::Kinetes, System::Earlier);
        let better = |now: f64, earlier: f64| match what.ends_with("records/s") {
            true => now / earlier,
            false => earlier / now,
        };
        let [low, part, high] = self.beside_earlier.quartiles(now, what, earlier, what, better)?;
        let verdict = if part >= LEAST_PART_OF_EARLIER { "" } else { "**worse**" };
        let shown = |system| Some(shown(self.beside_earlier.median(system, what)?, what));
        Some(format!(
            "| {what} | {} | {} | {:.0} % | {:.0} to {:.0} % | {verdict} |\n",
            shown(now)?,
            shown(earlier)?,
            part * 100.0,
            low * 100.0,
            high * 100.0
        ))
    }

    fn systems(&self) -> Vec<System> {
        let systems: BTreeMap<System, ()> = self.measurements.0.iter().map(|one| (one.system, ())).collect();
        systems.into_keys().collect()
    }
}

fn verdict_of(is_met: bool) -> &'static str {
    if is_met { "met" } else { "**missed**" }
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
    use crate::measurements::Measurement;
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
        let measurements = Measurements(measurements.iter().map(measurement).collect());
        Report::new(machine, measurements.clone(), measurements)
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

    #[test]
    fn earlier_commit_is_judged_by_the_median_of_the_turns() {
        let (now, earlier) = (System::Kinetes, System::Earlier);
        let rate = &*ONE_BY_64.rate();
        let turns = [(90.0, 2.0), (94.0, 1.0), (80.0, 1.25), (120.0, 4.0)];
        let mut measured = Vec::new();
        for (turn, (rate_now, tail_now)) in turns.into_iter().enumerate() {
            measured.extend([(now, rate, turn, rate_now), (earlier, rate, turn, 100.0)]);
            measured.extend([(now, TAIL_P99, turn, tail_now), (earlier, TAIL_P99, turn, 2.0)]);
        }
        let page = report(&measured).markdown();
        let slower = format!("| {rate} | 94 | 100 | 94 % | 90 to 120 % | **worse** |");
        let quicker = format!("| {TAIL_P99} | 2.00 | 2.00 | 160 % | 100 to 200 % |  |");
        for row in [slower, quicker] {
            assert!(page.contains(&row), "{row}\n{page}");
        }
    }
}
