//! The headless Service of a stream.

use catalog::member::GROUP_PORT;
use catalog::resource::DataStream;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::names::{Names, STREAM_UID_LABEL, owner};

/// Gives every pod of the stream a DNS name, also before it is ready: gateways hold their requests until it is.
#[must_use]
pub fn service(stream: &DataStream, names: &Names) -> Service {
    Service {
        metadata: ObjectMeta {
            name: Some(names.service().into()),
            namespace: Some(names.namespace.clone()),
            labels: Some(names.labels()),
            owner_references: Some(vec![owner(stream)]),
            ..Default::default()
        },
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".into()),
            publish_not_ready_addresses: Some(true),
            selector: Some([(STREAM_UID_LABEL.to_owned(), names.uid.clone())].into()),
            ports: Some(vec![ServicePort {
                name: Some("group".into()),
                port: GROUP_PORT.into(),
                target_port: Some(IntOrString::String("group".into())),
                protocol: Some("TCP".into()),
                ..Default::default()
            }]),
            ..Default::default()
        }),
        status: None,
    }
}
