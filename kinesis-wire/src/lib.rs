//! The Kinesis protocol: bytes to values and back.
