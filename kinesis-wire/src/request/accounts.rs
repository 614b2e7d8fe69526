//! Requests about the account.

use crate::Error;
use crate::shape::Members;
use crate::words::CommitmentRequest;

/// Commits the account to a minimum of throughput, or ends that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateAccountSettings {
    /// MinimumThroughputBillingCommitment.
    pub commitment: CommitmentRequest,
}

impl UpdateAccountSettings {
    pub(super) fn build(members: &mut Members<'_>) -> Result<Self, Error> {
        let mut commitment = members.take_structure("MinimumThroughputBillingCommitment").unwrap_or_default();
        let status = commitment.take_word("Status", CommitmentRequest::from_name);
        Ok(Self { commitment: status.unwrap_or(CommitmentRequest::Disabled) })
    }
}
