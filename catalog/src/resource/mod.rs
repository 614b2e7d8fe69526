//! The custom resources of `kinetes.dev/v1alpha1`, and the rules that a manifest must keep.
//!
//! The same types serve the operator, `shard-server local -f` and the generated CRDs; the same rules stand in
//! the CRD as CEL and here as `validate()`, held together by one table of cases.
