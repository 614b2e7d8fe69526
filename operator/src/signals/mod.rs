//! Everything by which the operator reports: conditions, reasons, events and metrics. Each has a row here,
//! with what it means and what to do about it; `docs/signals.md` is made of these rows.
//!
//! Who wants to report something new adds it here first: conditions and reasons are enums, so the compiler finds one that
//! has no row, and tests find rows that nobody uses and metrics that are not registered as described.

mod conditions;
pub mod metrics;
mod page;
mod reasons;

pub use conditions::ConditionType;
pub use page::page;
pub use reasons::{REASONS, Reason};

/// One row of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it means.
    pub meaning: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// What to do about what is as it should be.
const NOTHING: &str = "nothing";
