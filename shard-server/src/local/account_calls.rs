//! Calls about the account in the catalog of `local`.

use catalog::control::{
    Commitment, DescribeAccount, DescribeLimits, Limits, Refusal, StreamKey, UpdateAccount,
};

use super::LocalCatalog;
use super::catalog::{on_disk, unavailable};

impl LocalCatalog {
    /// Counts what the account has in a region.
    pub async fn describe_limits(&self, call: &DescribeLimits) -> Limits {
        let entries = self.entries.lock().await;
        let streams =
            entries.values().map(|entry| &entry.stream).filter(|stream| stream.region == call.region);
        Limits::of(streams)
    }

    /// The settings of the account in a region.
    pub async fn describe_account(&self, call: &DescribeAccount) -> Commitment {
        self.account.lock().await.commitment(self.region_of(call.region.as_deref()))
    }

    /// Changes the settings of the account in a region.
    ///
    /// # Errors
    /// If the disk refuses.
    pub async fn update_account(&self, call: UpdateAccount) -> Result<Commitment, Refusal> {
        let mut account = self.account.lock().await;
        let region = self.region_of(call.region.as_deref());
        let before = account.commitment(region);
        let after = before.updated(call.commitment, self.now_ms());
        if after != before {
            let updated = account.with_commitment(region, after);
            let written = on_disk(move || updated.write().map(|()| updated)).await;
            *account = written.map_err(|error| unavailable(&error))?;
        }
        Ok(after)
    }

    /// Whether the account of a stream has a commitment in its region.
    pub(super) async fn has_commitment(&self, key: &StreamKey) -> bool {
        let commitment = self.account.lock().await.commitment(self.region_of(key.region.as_deref()));
        commitment.is_on(self.now_ms())
    }

    fn region_of<'r>(&'r self, region: Option<&'r str>) -> &'r str {
        region.unwrap_or(&self.region)
    }
}
