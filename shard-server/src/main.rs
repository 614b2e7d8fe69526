//! The data plane of Kinetes.

fn main() {}
