//! What must be true in a real cluster. Each scenario has a namespace of its own that enforces the restricted Pod
//! Security Standard; the chart is installed once. Run by `tests/run`, one after the other.

mod deletion;
mod durability;
mod idle_operator;
mod kinesis_api;
mod manifest_rules;
mod operator_away;
mod readme;
mod storage;
mod volume_lost;
