//! The data plane of Kinetes: records arrive at the [`gateway`], go to the [`shard`] group of their shard, and are
//! stored in its [`log`]. These exchange the values of [`protocol`] and [`record_log`].

pub mod admin;
mod budget;
mod clock;
pub mod gateway;
pub mod inspect;
pub mod local;
pub mod log;
mod log_limit;
pub mod protocol;
pub mod serve;
pub mod shard;
