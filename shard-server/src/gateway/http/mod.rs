//! HTTP around the operations: it reads requests within bounds of size, time and memory, and sends answers.
//! `kinesis_wire` decodes and encodes them.

mod body;
mod service;
#[cfg(test)]
mod tests;

pub use body::MAX_BODY_BYTES;
pub use service::KinesisService;
