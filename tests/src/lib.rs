//! What the tests that need several parts of Kinetes share.
