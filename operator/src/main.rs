//! The Kinetes operator.

fn main() {}
