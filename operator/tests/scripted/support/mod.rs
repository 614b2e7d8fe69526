//! An API server that answers from a script of objects and writes down every call, and pods that answer `/status`.

mod api_server;
mod pod;
mod stage;

pub use api_server::{ApiServer, Call};
pub use pod::FakePod;
pub use stage::{NAMESPACE, Stage, UID, orders, settings};
