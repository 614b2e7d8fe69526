//! The operator against a scripted API server and fake pods.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod consumers;
mod control;
mod drain;
mod objects;
mod reconcile;
mod settings;
mod storage;
mod support;
