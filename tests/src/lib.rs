//! What the scenarios share: a cluster seen as its users see it, through `kubectl`, `helm` and boto3.
//!
//! Nothing here starts or ends a cluster: `tests/run` does, and runs the scenarios inside its network.

mod audit;
mod installation;
mod kubectl;
mod manifest;
mod namespace;
mod process;
mod records;
mod shell;
mod volume;
mod wait;

pub use audit::{AuditLog, Mutation};
pub use installation::{Installation, NAMESPACE, RELEASE};
pub use kubectl::{Kubectl, condition};
pub use manifest::{stream, stream_of_one_group};
pub use namespace::Namespace;
pub use process::Process;
pub use records::Records;
pub use shell::{Failed, repository, run, run_with_input};
pub use volume::{SecondProcess, Volume};
pub use wait::until;
