//! The settings of an operator.

use std::net::SocketAddr;
use std::time::Duration;

use catalog::resource::Defaults;
use clap::Args;

/// The settings of `operator run`. Each is also read from the environment variable named in the help.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Where the catalog service listens, which gateways follow
    #[arg(long, env = "KINETES_CATALOG_LISTEN", default_value = "0.0.0.0:7402")]
    pub catalog_listen: SocketAddr,
    /// Where /healthz, /readyz and /metrics are served
    #[arg(long, env = "KINETES_ADMIN_LISTEN", default_value = "0.0.0.0:7401")]
    pub admin_listen: SocketAddr,
    /// The name of this installation, which its Lease and its Secret are named after
    #[arg(long, env = "KINETES_RELEASE")]
    pub release: String,
    /// The namespace of this installation
    #[arg(long, env = "KINETES_NAMESPACE")]
    pub namespace: String,
    /// The image of the storage pods
    #[arg(long, env = "KINETES_SHARD_SERVER_IMAGE")]
    pub shard_server_image: String,
    /// When the kubelet pulls that image: Always, IfNotPresent or Never
    #[arg(long, env = "KINETES_IMAGE_PULL_POLICY", default_value = "IfNotPresent")]
    pub image_pull_policy: String,
    /// A Secret to pull that image with, in the namespace of each stream; may be repeated or separated by commas
    #[arg(long = "image-pull-secret", env = "KINETES_IMAGE_PULL_SECRETS", value_delimiter = ',')]
    pub image_pull_secrets: Vec<String>,
    /// The 12 digits of the account that owns all streams
    #[arg(long, env = "KINETES_ACCOUNT_ID", default_value = "000000000000")]
    pub account_id: String,
    /// The region in every ARN
    #[arg(long, env = "KINETES_REGION", default_value = "us-east-1")]
    pub region: String,
    /// The size of a volume where a stream does not say it
    #[arg(long, env = "KINETES_DEFAULT_STORAGE_SIZE", default_value = "20Gi")]
    pub default_storage_size: String,
    /// The storage class where a stream does not say it; empty: the cluster's default
    #[arg(long, env = "KINETES_DEFAULT_STORAGE_CLASS", default_value = "")]
    pub default_storage_class: String,
    /// How many open shards share a pod where a stream does not say it
    #[arg(long, env = "KINETES_DEFAULT_SHARDS_PER_GROUP", default_value_t = 16)]
    #[arg(value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub default_shards_per_group: i32,
    /// How often a stream is looked at though nothing happened, in seconds
    #[arg(long, env = "KINETES_REQUEUE_SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub requeue_seconds: u64,
    /// A namespace whose streams are managed; may be repeated or separated by commas; none: every namespace
    #[arg(long = "watch-namespace", env = "KINETES_WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,
}

impl Settings {
    /// The name under which this installation marks its streams: `<namespace>/<release>`.
    #[must_use]
    pub fn installation(&self) -> String {
        format!("{}/{}", self.namespace, self.release)
    }

    /// What a stream gets that does not say.
    #[must_use]
    pub fn defaults(&self) -> Defaults {
        let class = &self.default_storage_class;
        Defaults {
            storage_size: self.default_storage_size.clone(),
            storage_class_name: (!class.is_empty()).then(|| class.clone()),
            shards_per_group: self.default_shards_per_group,
        }
    }

    /// The namespaces to watch, one scope each; `None` alone stands for all of them.
    #[must_use]
    pub fn scopes(&self) -> Vec<Option<String>> {
        let mut named: Vec<_> =
            self.watch_namespaces.iter().filter(|name| !name.is_empty()).cloned().collect();
        named.sort();
        named.dedup();
        if named.is_empty() { vec![None] } else { named.into_iter().map(Some).collect() }
    }

    /// Whether streams of a namespace are managed.
    #[must_use]
    pub fn watches(&self, namespace: &str) -> bool {
        self.scopes().iter().any(|scope| scope.as_deref().is_none_or(|name| name == namespace))
    }

    /// The Secrets to pull images with.
    pub fn pull_secrets(&self) -> impl Iterator<Item = &String> {
        self.image_pull_secrets.iter().filter(|name| !name.is_empty())
    }

    /// How long until a stream is looked at again though nothing happened.
    #[must_use]
    pub fn requeue(&self) -> Duration {
        Duration::from_secs(self.requeue_seconds)
    }
}
