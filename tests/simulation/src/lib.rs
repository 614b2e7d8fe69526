//! The log of [`record_log`] over a disk and clocks that fail in every way, and groups of [`group_core`] with routers
//! over a network that does, each by a seed: the same seed twice is the same run.
//!
//! A [`world`] is one run: operations drawn by its seed, on a simulated [`disk`] with simulated [`clocks`], under
//! [`faults`] that are drawn too; in some a [`later`] version is installed for a while. A [`model`] knows what the log has
//! promised, and checks every answer against it.

pub mod clocks;
pub mod corrupted;
pub mod disk;
pub mod faults;
pub mod groups;
pub mod later;
pub mod layout;
pub mod log_time;
pub mod model;
pub mod newer;
pub mod totals;
pub mod world;
