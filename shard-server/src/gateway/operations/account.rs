//! The operations on the account.

use catalog::control::{Commitment, CommitmentStatus, DescribeAccount, DescribeLimits, UpdateAccount};
use kinesis_wire::request::{CommitmentRequest, UpdateAccountSettings};
use kinesis_wire::{Error, response};

use super::Answer;
use crate::gateway::catalog::Scope;
use crate::gateway::{Call, Endpoint};

/// An account has no quotas: the highest numbers that the API can show (AWS API reference, DescribeLimits).
const NO_QUOTA: u32 = 1_000_000;

pub async fn describe_limits(endpoint: &Endpoint, call: &Call<'_>) -> Result<Answer, Error> {
    let Scope { account_id, region } = call.scope();
    let describe = DescribeLimits { account_id: account_id.into(), region: region.map(str::to_owned) };
    let limits = endpoint.control(call, describe).await?;
    let answer = response::DescribeLimits {
        shard_limit: NO_QUOTA,
        open_shard_count: limits.open_shards,
        on_demand_stream_count: limits.on_demand_streams,
        on_demand_stream_count_limit: NO_QUOTA,
    };
    Ok(answer.encode(call.encoding).into())
}

pub async fn describe_settings(endpoint: &Endpoint, call: &Call<'_>) -> Result<Answer, Error> {
    let commitment = endpoint.control(call, describe_account(call)).await?;
    Ok(settings_of(&commitment, endpoint.now_ms()).encode(call.encoding).into())
}

pub async fn update_settings(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: UpdateAccountSettings,
) -> Result<Answer, Error> {
    let DescribeAccount { account_id, region } = describe_account(call);
    let commitment = request.commitment == CommitmentRequest::Enabled;
    let commitment = endpoint.control(call, UpdateAccount { account_id, region, commitment }).await?;
    Ok(settings_of(&commitment, endpoint.now_ms()).encode(call.encoding).into())
}

/// The control call for the settings of the caller's account.
pub(super) fn describe_account(call: &Call<'_>) -> DescribeAccount {
    let Scope { account_id, region } = call.scope();
    DescribeAccount { account_id: account_id.into(), region: region.map(str::to_owned) }
}

fn settings_of(commitment: &Commitment, now_ms: u64) -> response::AccountSettings {
    let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
    response::AccountSettings {
        status: match commitment.status(now_ms) {
            CommitmentStatus::Disabled => response::CommitmentStatus::Disabled,
            CommitmentStatus::Enabled => response::CommitmentStatus::Enabled,
            CommitmentStatus::EnabledUntilEarliestAllowedEnd => {
                response::CommitmentStatus::EnabledUntilEarliestAllowedEnd
            }
        },
        started_ms: commitment.started_ms,
        ended_ms: commitment.end_ms.filter(|end_ms| *end_ms <= now_ms),
        earliest_allowed_end_ms: commitment.earliest_end_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_is_shown_once_it_has_come() {
        const DAY_MS: u64 = 24 * 3_600_000;
        let ending = Commitment::default().updated(true, 1_000).updated(false, 2_000);
        let before = settings_of(&ending, DAY_MS);
        assert_eq!(before.status, response::CommitmentStatus::EnabledUntilEarliestAllowedEnd);
        assert_eq!((before.started_ms, before.ended_ms), (Some(1_000), None));
        let after = settings_of(&ending, DAY_MS + 1_000);
        assert_eq!(after.status, response::CommitmentStatus::Disabled);
        assert_eq!(after.ended_ms, after.earliest_allowed_end_ms);
    }
}
