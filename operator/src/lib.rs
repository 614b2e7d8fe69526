//! The Kinetes operator: turns DataStreams into shard groups, and serves the catalog that gateways follow.
//!
//! The rooms: [`world`] keeps copies of what is in the cluster; [`prober`] asks the storage pods, through [`members`],
//! and adds what they report; [`objects`] says what should be there; [`controller`] makes it so; [`catalog_service`]
//! hands out the result and takes the control calls of the Kinesis API; [`lease`] lets one replica alone run the
//! controllers and the prober; [`install`] sees to what an installation needs; [`drain`] ends
//! connections well; [`admin`] shows how it goes;
//! [`signals`] lists every condition, reason, event and metric. [`run`](run::run) puts them together.
//!
//! It is the only part of Kinetes that talks to the Kubernetes API, and it never sees a record.

pub mod admin;
pub mod catalog_service;
pub mod cli;
pub mod controller;
pub mod crds;
pub mod drain;
pub mod install;
pub mod lease;
pub mod listener;
pub mod members;
pub mod names;
pub mod objects;
pub mod prober;
pub mod run;
pub mod settings;
pub mod signals;
pub mod world;
