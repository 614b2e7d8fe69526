//! The numbers that were measured, and what is computed of them.

use serde::Serialize;

use crate::system::System;

/// A number that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// Of what.
    pub system: System,
    /// What was measured, see [`crate::what`]: tells the unit.
    pub what: String,
    /// The number, in the unit that its name tells.
    pub value: f64,
    /// In which round.
    pub round: usize,
}

/// The numbers of a run, in the order in which they were measured.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Measurements(pub Vec<Measurement>);

impl Measurements {
    /// What was measured, in the order of the first measurement.
    #[must_use]
    pub fn whats(&self) -> Vec<&str> {
        let mut whats: Vec<&str> = vec![];
        for measurement in &self.0 {
            if !whats.contains(&measurement.what.as_str()) {
                whats.push(&measurement.what);
            }
        }
        whats
    }

    /// The median over the rounds.
    #[must_use]
    pub fn median(&self, system: System, what: &str) -> Option<f64> {
        median(self.of(system, what).map(|one| one.value).collect())
    }

    /// What part of another system's number that of a system is: the median of the parts in each round.
    #[must_use]
    pub fn part(&self, system: System, what: &str, other: System, of: &str) -> Option<f64> {
        self.of_rounds(system, what, other, of, |ours, theirs| ours / theirs)
    }

    /// The median over the rounds of what is computed of the numbers of two systems.
    #[must_use]
    pub fn of_rounds(
        &self,
        system: System,
        what: &str,
        other: System,
        of: &str,
        compute: impl Fn(f64, f64) -> f64,
    ) -> Option<f64> {
        self.quartiles(system, what, other, of, compute).map(|[_, median, _]| median)
    }

    /// What is computed of the numbers of two systems in each round: half of it is between the first and the last of
    /// these, which are around the median.
    #[must_use]
    pub fn quartiles(
        &self,
        system: System,
        what: &str,
        other: System,
        of: &str,
        compute: impl Fn(f64, f64) -> f64,
    ) -> Option<[f64; 3]> {
        let of_round = |ours: &Measurement| {
            let theirs = self.of(other, of).find(|theirs| theirs.round == ours.round)?;
            Some(compute(ours.value, theirs.value))
        };
        let computed = sorted(self.of(system, what).filter_map(of_round).collect());
        let at = |quarters: usize| computed.get(computed.len() * quarters / 4).copied();
        Some([at(1)?, at(2)?, at(3)?])
    }

    fn of(&self, system: System, what: &str) -> impl Iterator<Item = &Measurement> {
        self.0.iter().filter(move |one| one.system == system && one.what == what)
    }
}

fn median(values: Vec<f64>) -> Option<f64> {
    let values = sorted(values);
    values.get(values.len() / 2).copied()
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}
