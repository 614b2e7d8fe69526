//! The Kinetes operator.
