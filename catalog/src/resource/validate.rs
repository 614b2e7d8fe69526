//! Checks a manifest against the rules.

use std::fmt;

use serde_json::Value;

use super::rules::{ALL, Rule};
use super::{DataStream, DataStreamSpec};

/// A rule that a manifest breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field to change, such as `spec.retentionPeriodHours`.
    pub field: String,
    /// What to do, as a sentence.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.field, self.message)
    }
}

/// What is wrong with a stream of which something may be in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Rules that its values break: it cannot be read.
    pub invalid: Vec<Violation>,
    /// Changes that cannot be made: what was in force before them stays in force.
    pub refused: Vec<Violation>,
}

impl Violation {
    fn of(rule: &Rule) -> Self {
        Self { field: rule.field.into(), message: rule.message.into() }
    }
}

impl DataStream {
    /// Checks a new stream.
    ///
    /// # Errors
    /// Every rule that it breaks.
    pub fn validate(&self) -> Result<(), Vec<Violation>> {
        check(self, None)
    }

    /// Judges a stream by what its own status says is in force, whatever rules its manifest passed before: a CRD may be
    /// newer than this program, or have none of its rules.
    #[must_use]
    pub fn judge(&self) -> Judgement {
        let in_force = self.in_force();
        let mut judgement = Judgement::default();
        for rule in ALL.iter().filter(|rule| !(rule.holds)(self, in_force.as_ref())) {
            match &in_force {
                Some(in_force) if rule.is_about_change() => {
                    judgement.refused.push(refused(rule, self, in_force));
                }
                _ => judgement.invalid.push(Violation::of(rule)),
            }
        }
        judgement
    }

    /// Checks a change of a stream from `old`, whose status has the values that its spec leaves out.
    ///
    /// # Errors
    /// Every rule that it, or the change, breaks.
    pub fn validate_update(&self, old: &Self) -> Result<(), Vec<Violation>> {
        check(self, Some(old))
    }
}

fn check(stream: &DataStream, old: Option<&DataStream>) -> Result<(), Vec<Violation>> {
    let broken: Vec<_> = ALL.iter().filter(|rule| !(rule.holds)(stream, old)).map(Violation::of).collect();
    if broken.is_empty() { Ok(()) } else { Err(broken) }
}

/// A change that cannot be made, with what was asked for and what is in force.
fn refused(rule: &Rule, stream: &DataStream, in_force: &DataStream) -> Violation {
    // A name that the spec leaves out is the object's.
    let spec = DataStreamSpec { name: Some(stream.stream_name().to_owned()), ..stream.spec.clone() };
    let asked = text_at(rule.field, &spec);
    let message = format!(
        "{asked} is asked for, {} is in force and stays so: {}",
        text_at(rule.field, &in_force.spec),
        rule.message
    );
    Violation { field: rule.field.into(), message }
}

/// The value of a field such as `spec.storage.size`, as a person writes it.
fn text_at(field: &str, spec: &DataStreamSpec) -> String {
    let path = field.trim_start_matches("spec").replace('.', "/");
    match serde_json::to_value(spec).unwrap_or_default().pointer(&path) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "nothing".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{DataStreamStatus, Defaults, Storage};

    /// A stream that was created with this spec, and has the other one now.
    fn changed(before: DataStreamSpec, after: DataStreamSpec) -> DataStream {
        let defaults =
            Defaults { storage_size: "20Gi".into(), storage_class_name: None, shards_per_group: 16 };
        let mut stream = DataStream::new("orders", before);
        let resolved = Some(stream.resolve(&defaults));
        stream.status = Some(DataStreamStatus { resolved, ..Default::default() });
        DataStream { spec: after, ..stream }
    }

    #[test]
    fn each_change_that_cannot_be_made_is_told_with_what_is_in_force() {
        let storage = |size: &str, class: Option<&str>| {
            Some(Storage { size: Some(size.into()), storage_class_name: class.map(Into::into) })
        };
        let before = DataStreamSpec { storage: storage("20Gi", None), ..Default::default() };
        for (after, expected) in [
            (
                DataStreamSpec { shard_count: Some(8), ..before.clone() },
                "spec.shardCount: 8 is asked for, 4 is in force and stays so: shardCount cannot change",
            ),
            (
                DataStreamSpec { shards_per_group: Some(1), ..before.clone() },
                "spec.shardsPerGroup: 1 is asked for, 16 is in force and stays so: shardsPerGroup cannot change",
            ),
            (
                DataStreamSpec { name: Some("Orders".into()), ..before.clone() },
                "spec.name: Orders is asked for, orders is in force and stays so: name cannot change",
            ),
            (
                DataStreamSpec { storage: storage("10Gi", None), ..before.clone() },
                "spec.storage.size: 10Gi is asked for, 20Gi is in force and stays so: size cannot shrink",
            ),
            (
                DataStreamSpec { storage: storage("20Gi", Some("fast")), ..before.clone() },
                "spec.storage.storageClassName: fast is asked for, nothing is in force and stays so: storageClassName \
                 cannot change",
            ),
        ] {
            let judgement = changed(before.clone(), after).judge();
            assert_eq!(judgement.invalid, []);
            let told: Vec<_> = judgement.refused.iter().map(Violation::to_string).collect();
            assert!(told.len() == 1 && told[0].starts_with(expected), "{told:?}");
        }
    }

    #[test]
    fn a_change_that_can_be_made_is_in_order_and_a_value_that_makes_no_sense_is_not_a_change() {
        let longer = DataStreamSpec { retention_period_hours: Some(48), ..Default::default() };
        assert_eq!(changed(DataStreamSpec::default(), longer).judge(), Judgement::default());
        let wrong = DataStreamSpec { retention_period_hours: Some(1), ..Default::default() };
        let judgement = changed(DataStreamSpec::default(), wrong).judge();
        assert_eq!((judgement.invalid.len(), judgement.refused.len()), (1, 0));
    }

    #[test]
    fn a_count_from_before_a_switch_to_on_demand_may_stay_and_another_may_not() {
        let spec = |count, mode: &str| DataStreamSpec {
            shard_count: count,
            stream_mode_details: Some(crate::resource::StreamModeDetails { stream_mode: mode.into() }),
            ..Default::default()
        };
        let switched = changed(spec(Some(2), "PROVISIONED"), spec(Some(2), "ON_DEMAND"));
        assert_eq!(switched.judge(), Judgement::default());
        let other = changed(spec(Some(2), "PROVISIONED"), spec(Some(3), "ON_DEMAND")).judge();
        assert!(other.refused.iter().all(|refused| refused.field == "spec.shardCount"), "{other:?}");
        assert!(!other.refused.is_empty());
        assert_eq!(DataStream::new("orders", spec(Some(2), "ON_DEMAND")).judge().invalid.len(), 1);
    }
}
