//! An API server that answers from a script of objects and writes down every call, and pods that answer `/status`.

mod api_server;
mod pod;
mod port;
mod stage;

pub use api_server::{ApiServer, Call};
pub use pod::FakePod;
pub use port::{Port, managed_by, named, now, refusal};
pub use stage::{
    GROUP_0, GROUP_1, NAMESPACE, NO_POD, Stage, UID, condition, made, message, one_shard, orders, ready,
    serving, settings,
};
