//! The flags of the role `gateway`.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Serves the Kinesis API of an installation: routes records to the pods that own their shards
///
/// Any number of gateways may run side by side; they share nothing but the iterator keys.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Address of the Kinesis endpoint: HTTP/1.1 and HTTP/2 by prior knowledge
    #[arg(long, env = "KINETES_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:4567")]
    pub listen: SocketAddr,
    /// Address of /healthz, /readyz and /metrics
    #[arg(long, env = "KINETES_ADMIN_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:7401")]
    pub admin_listen: SocketAddr,
    /// Address at which this gateway hands its copy of the catalog to its peers
    #[arg(long, env = "KINETES_PEER_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:7402")]
    pub peer_listen: SocketAddr,
    /// URL of the operator's catalog service, such as http://kinetes-operator.kinetes-system.svc:7402
    #[arg(long, env = "KINETES_CATALOG", value_name = "URL")]
    pub catalog: http::Uri,
    /// HOST:PORT of the other gateways, asked for the catalog at start where the operator is away; every address
    /// of the host is tried
    #[arg(long, env = "KINETES_PEERS", value_name = "HOST:PORT")]
    pub peers: Option<String>,
    /// Account that owns the streams, 12 digits
    #[arg(long, env = "KINETES_ACCOUNT_ID", value_name = "ID", default_value = "000000000000", value_parser = account_id)]
    pub account_id: String,
    /// Region of all streams
    #[arg(long, env = "KINETES_REGION", default_value = "us-east-1")]
    pub region: String,
    /// Folder with the keys of shard iterators: `current` and, while keys change, `previous`, each of at least 32
    /// bytes; read again as they change
    #[arg(long, env = "KINETES_ITERATOR_KEYS", value_name = "DIR")]
    pub iterator_keys: PathBuf,
    /// Folder with the access keys that are accepted; without it any key is. A file per key, named after the key's id,
    /// with the fields secretKey, principalArn and namespace (of a cluster's streams; it limits nothing yet) and, for
    /// temporary keys, sessionToken, in YAML or JSON; read again as they change
    #[arg(long, env = "KINETES_ACCESS_KEYS", value_name = "DIR")]
    pub access_keys: Option<PathBuf>,
}

/// Takes an account's 12 digits.
///
/// # Errors
/// If the text is anything else.
pub fn account_id(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.into())
    } else {
        Err("an account id has 12 digits".into())
    }
}
