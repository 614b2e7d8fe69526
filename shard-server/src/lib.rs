//! The data plane of Kinetes: records come in through the [`gateway`], go to the [`shard`] group that owns their
//! shard, and are kept in its [`log`]. They speak in the values of [`protocol`] and [`record_log`].

pub mod admin;
mod budget;
mod clock;
pub mod gateway;
pub mod inspect;
pub mod local;
pub mod log;
pub mod protocol;
pub mod serve;
pub mod shard;
