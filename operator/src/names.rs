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
/// The annotation of a DataStream by which somebody gives up damaged records: `LOG:FILE:POSITION`, as the condition
/// StorageDamaged names them.
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

    /// Where a group's pod answers the internal protocol; the name outlives the pod and its IP.
    #[must_use]
    pub fn address(&self, group: &str) -> String {
        format!("{}.{}.{}.svc:{GROUP_PORT}", pod(group), self.service(), self.namespace)
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

/// The one pod of a group.
#[must_use]
pub fn pod(group: &str) -> String {
    format!("{group}-0")
}

/// The claim of a group's one pod.
#[must_use]
pub fn claim(group: &str) -> String {
    format!("{VOLUME}-{group}-0")
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
