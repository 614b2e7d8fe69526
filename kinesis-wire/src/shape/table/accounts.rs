//! Requests about the account.

use crate::shape::{Shape, required};
use crate::words::CommitmentRequest;

pub(super) static DESCRIBE_ACCOUNT_SETTINGS: Shape = Shape::structure("DescribeAccountSettingsInput", &[]);

pub(super) static DESCRIBE_LIMITS: Shape = Shape::structure("DescribeLimitsInput", &[]);

pub(super) static UPDATE_ACCOUNT_SETTINGS: Shape = Shape::structure(
    "UpdateAccountSettingsInput",
    &[required("MinimumThroughputBillingCommitment", &COMMITMENT)],
);

static COMMITMENT: Shape =
    Shape::structure("MinimumThroughputBillingCommitmentInput", &[required("Status", &COMMITMENT_STATUS)]);
static COMMITMENT_STATUS: Shape =
    Shape::text("MinimumThroughputBillingCommitmentInputStatus").one_of(CommitmentRequest::NAMES);
