//! What an installation needs before it can work: CRDs that know what we know, and the key of its iterators.

mod iterator_keys;
mod schema;

pub use iterator_keys::make_iterator_key;
pub use schema::{SchemaError, check_schema, missing_fields};
