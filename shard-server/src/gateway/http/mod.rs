//! HTTP around the operations: a request's head and body in, an answer out. Which bytes they are is decided in
//! `kinesis_wire`; here they are read within bounds of size, time and memory.

mod body;
mod service;
#[cfg(test)]
mod tests;

pub use body::MAX_BODY_BYTES;
pub use service::KinesisService;
