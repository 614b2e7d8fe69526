//! The Kinetes operator: turns DataStreams into shard groups, and serves the catalog that gateways follow.
//!
//! The rooms: [`world`] keeps copies of what is in the cluster; [`objects`] says what should be there; [`controller`]
//! makes it so, calling storage pods through [`members`]; [`catalog_service`] hands out the result and takes the
//! control calls of the Kinesis API; [`lease`] lets one replica alone run the controllers; [`install`] sees to
//! what an installation needs; [`admin`] tells how it goes. [`run`](run::run) puts them together.
//!
//! It is the only part of Kinetes that talks to the Kubernetes API, and it never sees a record.

pub mod admin;
pub mod catalog_service;
pub mod cli;
pub mod controller;
pub mod crds;
pub mod install;
pub mod lease;
pub mod listener;
pub mod members;
pub mod names;
pub mod objects;
pub mod run;
pub mod settings;
pub mod world;
