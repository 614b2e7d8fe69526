//! `/healthz`, `/readyz` and `/metrics`.

mod endpoints;
mod metrics;

pub use endpoints::{Admin, respond};
pub use metrics::{Metrics, Outcome};
