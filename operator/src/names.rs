//! How the objects of a stream are named and labelled.

use std::collections::BTreeMap;

use catalog::member::GROUP_PORT;
use catalog::resource::DataStream;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};

/// The field manager of everything that the controllers write.
pub const FIELD_MANAGER: &str = "kinetes-operator";
/// The field manager of what Kinesis API calls write.
pub const API_FIELD_MANAGER: &str = "kinetes-api";
/// Keeps a deleted stream until its pods are gone, and its volumes where they go with it.
pub const FINALIZER: &str = "kinetes.dev/stream";
/// The annotation of a DataStream by which somebody accepts the loss of corrupt records: `LOG:FILE:POSITION`, as the
/// condition StorageDamaged names them.
pub const ACCEPT_LOSS: &str = "kinetes.dev/accept-loss";
/// The annotation of a DataStream by which somebody hands it over to another installation: `NAMESPACE/RELEASE` of that
/// one.
pub const ADOPT: &str = "kinetes.dev/adopt";
/// The label that names a stream's object.
pub const STREAM_LABEL: &str = "kinetes.dev/stream";
/// The label that carries a stream's UID: by it everything of a stream is found, and nothing of a stream of the
/// same name that was before.
pub const STREAM_UID_LABEL: &str = "kinetes.dev/stream-uid";
/// The label that carries the suffix of a group, such as `g0`.
pub const GROUP_LABEL: &str = "kinetes.dev/group";
/// The volume of a storage pod, in its claim's name.
pub const VOLUME: &str = "data";

/// Selects the objects that belong to streams, besides Shards.
pub const OWNED_SELECTOR: &str = "app.kubernetes.io/name=kinetes,app.kubernetes.io/component=shard-group";

/// Names for one stream. All carry a part of its UID, so that a stream made again under the same name never meets
/// what the old one left.
#[derive(Clone, Debug)]
pub struct Names {
    /// The stream's `metadata.name`.
    pub stream: String,
    /// Its namespace.
    pub namespace: String,
    /// Its UID.
    pub uid: String,
    base: String,
}

impl Names {
    /// The names for a stream as it came from the API server.
    #[must_use]
    pub fn of(stream: &DataStream) -> Self {
        let uid = stream.uid().unwrap_or_default();
        let name = stream.name_any();
        let base = format!("{name}-{}", uid.get(..5).unwrap_or(&uid));
        Self { stream: name, namespace: stream.namespace().unwrap_or_default(), uid, base }
    }

    /// The headless Service, under which every pod has a DNS name.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.base
    }

    /// The StatefulSet that a log is opened in.
    #[must_use]
    pub fn group(&self, log: &str) -> String {
        format!("{}-{log}", self.base)
    }

    /// The object that mirrors a shard.
    #[must_use]
    pub fn shard(&self, index: u32) -> String {
        format!("{}-s{index}", self.base)
    }

    /// Where a member's pod answers the internal protocol; the name outlives the pod and its IP.
    #[must_use]
    pub fn address(&self, member: &Member) -> String {
        format!("{}.{}.{}.svc:{GROUP_PORT}", member.pod(), self.service(), self.namespace)
    }

    /// Selects everything of the stream.
    #[must_use]
    pub fn selector(&self) -> String {
        format!("{STREAM_UID_LABEL}={}", self.uid)
    }

    /// The labels of everything of the stream.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        [
            ("app.kubernetes.io/name", "kinetes"),
            ("app.kubernetes.io/component", "shard-group"),
            ("app.kubernetes.io/managed-by", FIELD_MANAGER),
            (STREAM_LABEL, &self.stream),
            (STREAM_UID_LABEL, &self.uid),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }
}

/// A member of a shard group: the group's StatefulSet, and the ordinal of the member's pod in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// The StatefulSet's name.
    pub group: String,
    /// From 0.
    pub ordinal: u32,
}

impl Member {
    /// The members of a group, by ordinal.
    pub fn of_group(group: &str, replicas: i32) -> impl Iterator<Item = Self> + use<'_> {
        (0..u32::try_from(replicas).unwrap_or(0)).map(|ordinal| Self { group: group.to_owned(), ordinal })
    }

    /// The member whose pod has this name.
    #[must_use]
    pub fn of_pod(pod: &str) -> Option<Self> {
        let (group, ordinal) = pod.rsplit_once('-')?;
        Some(Self { group: group.to_owned(), ordinal: ordinal.parse().ok()? })
    }

    /// The member whose claim has this name.
    #[must_use]
    pub fn of_claim(claim: &str) -> Option<Self> {
        Self::of_pod(claim.strip_prefix(VOLUME)?.strip_prefix('-')?)
    }

    /// Its pod's name.
    #[must_use]
    pub fn pod(&self) -> String {
        format!("{}-{}", self.group, self.ordinal)
    }

    /// Its claim's name.
    #[must_use]
    pub fn claim(&self) -> String {
        format!("{VOLUME}-{}-{}", self.group, self.ordinal)
    }
}

/// The ConfigMap, in the release's namespace, that has the settings of an account.
#[must_use]
pub fn account_config_map(account_id: &str) -> String {
    format!("kinetes-account-{account_id}")
}

/// The suffix of a group's name that says which log it was made for: `g0`.
#[must_use]
pub fn group_suffix(group: &str) -> &str {
    group.rsplit_once('-').map_or(group, |(_, suffix)| suffix)
}

/// The reference by which the garbage collector knows a stream's objects.
///
/// It does not block the stream's deletion: the finalizer does, and blocking asks for one more permission.
#[must_use]
pub fn owner(stream: &DataStream) -> OwnerReference {
    OwnerReference {
        api_version: DataStream::api_version(&()).into_owned(),
        kind: DataStream::kind(&()).into_owned(),
        name: stream.name_any(),
        uid: stream.uid().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_named_by_group_and_ordinal_and_found_by_its_pod() {
        let members: Vec<_> = Member::of_group("orders-1a2b3-g0", 3).collect();
        assert_eq!(members.len(), 3);
        assert_eq!(members[2].pod(), "orders-1a2b3-g0-2");
        assert_eq!(members[2].claim(), "data-orders-1a2b3-g0-2");
        assert_eq!(Member::of_pod("orders-1a2b3-g0-2").as_ref(), Some(&members[2]));
        assert_eq!(Member::of_claim("data-orders-1a2b3-g0-2").as_ref(), Some(&members[2]));
        assert_eq!(Member::of_claim("orders-1a2b3-g0-2"), None);
        assert_eq!(Member::of_pod("orders"), None);
        assert_eq!(Member::of_pod("orders-x"), None);
    }
}
