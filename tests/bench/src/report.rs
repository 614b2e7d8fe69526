//! What came out: the goals and how far each is met, and all numbers beside each other.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Zoned;
use serde::Serialize;

use crate::machine::Machine;
use crate::run::Measurement;
use crate::system::System;
use crate::what::{self, Caches, GetLoad, PutLoad};

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

/// A goal of Kinetes.
struct Goal {
    what: String,
    measure: Measure,
}

enum Measure {
    /// At least this part of what another system does under another name.
    PartOf(System, String, f64),
    /// At most so much.
    AtMost(f64),
}

fn goals() -> Vec<Goal> {
    let part = |load: &PutLoad, part| Goal {
        what: load.rate(),
        measure: Measure::PartOf(System::Floor, load.rate(), part),
    };
    let part_of_http = |load: &GetLoad, part| Goal {
        what: load.rate(),
        measure: Measure::PartOf(System::Http, what::GET_MEMORY.rate(), part),
    };
    let at_most = |what: &str, most| Goal { what: what.to_owned(), measure: Measure::AtMost(most) };
    vec![
        part(&what::BY_500, 0.6),
        part(&what::BY_100, 0.6),
        part(&what::BY_500_HASHED, 0.6),
        part(&what::BY_100_HASHED, 0.6),
        part(&what::ONE_BY_8, 0.8),
        part(&what::ONE_BY_64, 0.8),
        part_of_http(&what::GET_MEMORY, 0.6),
        part_of_http(&what::GET_DISK, 0.4),
        at_most(what::TAIL_P99, 3.0),
        at_most(what::PEAK_MEMORY, 150.0),
        at_most(what::IDLE_MEMORY, 15.0),
        at_most(what::THOUSAND_SECONDS, 10.0),
        at_most(what::THOUSAND_DISK, 2000.0),
        at_most(what::THOUSAND_MEMORY, 60.0),
        at_most(&what::start_seconds(100, Caches::Dropped), 1.0),
    ]
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
             acknowledged (the floor keeps, but cannot be read); of Kinetes\nonce more after each restart with nothing \
             cached.\n\n![Records a second](benchmark.svg)\n\n## Goals\n\n",
            self.date
        );
        page.push_str("| | Kinetes | against | goal | |\n|---|---|---|---|---|\n");
        for goal in goals() {
            page.push_str(&self.verdict(&goal).unwrap_or_default());
        }
        page.push_str(&self.beside_earlier());
        let systems = self.systems();
        let names: Vec<_> = systems.iter().map(|system| system.name()).collect();
        write!(
            page,
            "\n## All of it\n\n| | {} |\n|---|{}\n",
            names.join(" | "),
            "---|".repeat(systems.len())
        )
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

    /// A line of the table, if all that it needs was measured.
    fn verdict(&self, Goal { what, measure }: &Goal) -> Option<String> {
        let ours = self.median(System::Kinetes, what)?;
        let (against, goal, is_met) = match measure {
            Measure::PartOf(system, other, part) => {
                let theirs = self.median(*system, other)?;
                let reached = self.part(what, *system, other)?;
                let against =
                    format!("{} of {}: {:.0} %", shown(theirs, other), system.name(), 100.0 * reached);
                (against, format!(">= {:.0} %", part * 100.0), reached >= *part)
            }
            Measure::AtMost(most) => (String::new(), format!("<= {most}"), ours <= *most),
        };
        let verdict = if is_met { "met" } else { "**missed**" };
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
            "\n## Beside an earlier commit\n\nMeasured in the same rounds. 100 % is as good; more is better, also where \
             less of it is better.\n\n| | now | earlier | | |\n|---|---|---|---|---|\n{}",
            rows.concat()
        )
    }

    fn row_beside_earlier(&self, what: &str) -> Option<String> {
        let (now, earlier) = (self.median(System::Kinetes, what)?, self.median(System::Earlier, what)?);
        let ratio = self.part(what, System::Earlier, what)?;
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

    /// What part of another system's rate that of Kinetes is: the median of the parts in each round.
    fn part(&self, what: &str, system: System, other: &str) -> Option<f64> {
        let of_round = |ours: &Measurement| {
            let mut theirs = self.of(system, other).filter(|theirs| theirs.round == ours.round);
            theirs.next().map(|theirs| ours.value / theirs.value)
        };
        median(self.of(System::Kinetes, what).filter_map(of_round).collect())
    }

    fn of(&self, system: System, what: &str) -> impl Iterator<Item = &Measurement> {
        self.measurements.iter().filter(move |one| one.system == system && one.what == what)
    }
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
