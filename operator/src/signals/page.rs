//! The page of `docs/` that lists all of it.

use std::fmt::Write;

use super::metrics::METRICS;
use super::{ConditionType, REASONS, Reason, Row};

/// The page as Markdown, which `docs/signals.md` is.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# Conditions, reasons and metrics of the operator\n\n\
         Generated from `operator/src/signals` by `make signals`.\n\n\
         ## Conditions of a DataStream\n\n\
         | condition | there | event | meaning | what to do |\n|---|---|---|---|---|\n",
    );
    for condition in ConditionType::ALL {
        let event = match condition.event_is_warning() {
            None => "",
            Some(false) => "Normal",
            Some(true) => "Warning",
        };
        let Row { meaning, remedy } = condition.row();
        let (name, there) = (condition.as_str(), condition.presence());
        let _ = writeln!(page, "| `{name}` | {there} | {event} | {meaning} | {remedy} |");
    }
    page.push_str(
        "\n## Reasons of conditions and events\n\n| reason | meaning | what to do |\n|---|---|---|\n",
    );
    for reason in &REASONS {
        let Row { meaning, remedy } = reason.row();
        let _ = writeln!(page, "| `{reason}` | {meaning} | {remedy} |");
    }
    let Row { meaning, remedy } = Reason::repeated("").row();
    let _ = writeln!(page, "| any other | {meaning} | {remedy} |");
    page.push_str("\n## Metrics\n\n| metric | labels | meaning | what to do |\n|---|---|---|---|\n");
    for metric in METRICS {
        let Row { meaning, remedy } = metric.row();
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(page, "| `{}` | {} | {meaning} | {remedy} |", metric.name, labels.join(", "));
    }
    page
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
