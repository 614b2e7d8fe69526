//! Checks a manifest against the rules.

use std::fmt;

use super::DataStream;
use super::rules::ALL;

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

impl DataStream {
    /// Checks a new stream.
    ///
    /// # Errors
    /// Every rule that it breaks.
    pub fn validate(&self) -> Result<(), Vec<Violation>> {
        check(self, None)
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
    let broken: Vec<_> = ALL
        .iter()
        .filter(|rule| !(rule.holds)(stream, old))
        .map(|rule| Violation { field: rule.field.into(), message: rule.message.into() })
        .collect();
    if broken.is_empty() { Ok(()) } else { Err(broken) }
}
