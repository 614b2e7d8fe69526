//! The Secret that gateways seal shard iterators with.
//!
//! The operator makes it, never Helm: a chart that draws a random value gives another one at every rendering.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

use crate::names::FIELD_MANAGER;
use crate::settings::Settings;

const KEY_BYTES: usize = 32;

/// Makes the key `current` of the Secret `<release>-iterator-keys`, if the Secret is not there.
///
/// # Errors
/// If the API server does not let us.
pub async fn make_iterator_key(client: &Client, settings: &Settings) -> Result<(), kube::Error> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &settings.namespace);
    let name = format!("{}-iterator-keys", settings.release);
    if secrets.get_opt(&name).await?.is_some() {
        return Ok(());
    }
    let key: [u8; KEY_BYTES] = rand::random();
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            labels: Some(
                [
                    ("app.kubernetes.io/name", "kinetes"),
                    ("app.kubernetes.io/instance", &settings.release),
                    ("app.kubernetes.io/managed-by", FIELD_MANAGER),
                ]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            ),
            ..Default::default()
        },
        data: Some([("current".to_owned(), ByteString(key.to_vec()))].into()),
        type_: Some("Opaque".into()),
        ..Default::default()
    };
    let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..Default::default() };
    match secrets.create(&params, &secret).await {
        Ok(_) => {
            tracing::info!(secret = name, "made the key of the iterators");
            Ok(())
        }
        // Another replica was quicker.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        Err(error) => Err(error),
    }
}
