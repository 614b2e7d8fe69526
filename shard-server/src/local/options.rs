//! The flags of the role `local`.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::gateway;

/// Serves the Kinesis API from this process alone, with all records in one directory
///
/// Streams come from the API and from DataStream manifests, the same as for kubectl. Everything is there again
/// after a restart. Without --credentials any access key is accepted.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Address of the Kinesis endpoint: HTTP/1.1 and HTTP/2 by prior knowledge; port 0 takes a free one
    #[arg(long, env = "KINETES_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:4567")]
    pub listen: SocketAddr,
    /// Address of /healthz, /readyz and /metrics; they are not served without it
    #[arg(long, env = "KINETES_ADMIN_LISTEN", value_name = "ADDRESS")]
    pub admin_listen: Option<SocketAddr>,
    /// Directory of all streams and records; made if absent, used by one process at a time
    #[arg(long, env = "KINETES_DATA_DIR", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// YAML file of DataStream manifests, applied at every start: creates and updates, never deletes; may be
    /// repeated
    #[arg(short = 'f', long = "manifest", value_name = "FILE")]
    pub manifests: Vec<PathBuf>,
    /// YAML or JSON file of the access keys that are accepted; without it any key is. It maps the ids of keys to secretKey
    /// and, if wanted, principalArn (for logs) and sessionToken (for temporary keys), as in
    /// `AKIAEXAMPLE: {secretKey: "..."}`; read again as it changes
    #[arg(long, env = "KINETES_CREDENTIALS", value_name = "FILE")]
    pub credentials: Option<PathBuf>,
    /// Account that owns the streams, 12 digits
    #[arg(long, env = "KINETES_ACCOUNT_ID", value_name = "ID", default_value = "000000000000", value_parser = gateway::account_id)]
    pub account_id: String,
    /// Region of the manifests' streams, and of calls that are not signed; a signed call has the streams of the region that
    /// it is signed for
    #[arg(long, env = "KINETES_REGION", default_value = "us-east-1")]
    pub region: String,
}
