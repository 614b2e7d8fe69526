//! The calls that create, delete and look up streams.

use std::sync::Arc;

use catalog::control::{CreateStream, DeleteStream, FindStream, Refusal, RefusalCode};
use catalog::resource::{DataStream, DataStreamSpec, StreamModeDetails};
use catalog::{Stream, StreamMode, StreamName, StreamStatus};
use kube::ResourceExt;
use kube::api::{DeleteParams, ObjectMeta, PostParams, Preconditions};
use sha2::{Digest, Sha256};

use super::ownership::spec_managers;
use super::settings::mode_text;
use super::{Control, refused, unavailable};
use crate::catalog_service::entry::entry;
use crate::controller::name_owner;
use crate::names::API_FIELD_MANAGER;

impl Control {
    /// Creates a stream as a DataStream in the release's namespace. Its volumes go with it, because DeleteStream of
    /// the Kinesis API deletes records.
    ///
    /// # Errors
    /// If the name is taken, a value makes no sense, or the API server does not answer.
    pub(super) async fn create(&self, call: &CreateStream) -> Result<(), Refusal> {
        let namespace = &self.settings.namespace;
        if !self.settings.watches(namespace) {
            let message =
                format!("Streams are not created by the API here: namespace {namespace} is not watched.");
            return Err(Refusal::new(RefusalCode::InvalidArgument, message));
        }
        self.own_account(&call.account_id)?;
        let commitment = call.warm_throughput_mibps.is_some() && self.has_commitment().await?;
        call.check_warm_throughput(commitment)?;
        call.check_tags()?;
        if self.owner(&call.name).await?.is_some() {
            return Err(call.key().already_exists());
        }
        let stream = new_stream(call, namespace)?;
        let streams = self.streams_of(namespace);
        let params = PostParams { field_manager: Some(API_FIELD_MANAGER.into()), ..Default::default() };
        match streams.create(&params, &stream).await {
            Ok(_) => {
                tracing::info!(namespace, name = stream.name_any(), stream = %call.name, "created by the API");
                self.told(|published| published.find(&call.name).is_some()).await;
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Err(call.key().already_exists()),
            Err(error) => Err(refused(&error)),
        }
    }

    /// Deletes a stream that the API created and nobody else took over.
    ///
    /// # Errors
    /// If there is none, somebody else manages it, it has consumers that are not to go with it, or the API server does not answer.
    pub(super) async fn delete(&self, call: &DeleteStream) -> Result<(), Refusal> {
        let stream = self.stream(&call.key()).await?;
        let (namespace, name) = (stream.namespace().unwrap_or_default(), stream.name_any());
        let managers = spec_managers(&*stream);
        if !managers.iter().eq([API_FIELD_MANAGER]) {
            let others: Vec<_> =
                managers.iter().map(String::as_str).filter(|name| *name != API_FIELD_MANAGER).collect();
            let message = format!(
                "Stream {} under account {} is managed in Kubernetes by {}: delete it there (kubectl delete dstream {name} -n \
                 {namespace}).",
                call.name,
                call.account_id,
                others.join(", "),
            );
            return Err(Refusal::new(RefusalCode::ResourceInUse, message));
        }
        self.check_consumers_go(call, &stream).await?;
        let streams = self.streams_of(&namespace);
        let same = Preconditions { uid: stream.uid(), resource_version: None };
        match streams.delete(&name, &DeleteParams::background().preconditions(same)).await {
            Ok(_) => {
                tracing::info!(namespace, name, stream = %call.name, "deleted by the API");
                let uid = stream.uid().unwrap_or_default();
                let going = |entry: Arc<Stream>| entry.status == StreamStatus::Deleting;
                self.told(|published| published.get(&uid).is_none_or(going)).await;
                Ok(())
            }
            // Gone, or gone and made again: what was asked for is gone.
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// The stream of a name, if there is one. The API server is asked about a name that is not in the copy alone, and
    /// for all who ask at once.
    ///
    /// # Errors
    /// If the API server does not answer, or nobody can say what the stream's map is.
    pub(super) async fn find(&self, call: &FindStream) -> Result<Option<Stream>, Refusal> {
        if call.account_id != self.settings.account_id {
            return Ok(None);
        }
        if let Some(known) = self.published.find(&call.name) {
            return Ok(Some((*known).clone()));
        }
        let streams = self.live.streams_for_lookup().await.map_err(|error| unavailable(&error))?;
        let Some(stream) = name_owner(&streams, call.name.as_str(), &self.settings.installation()) else {
            return Ok(None);
        };
        let shards = self.live.shards(stream).await.map_err(|error| unavailable(&error))?;
        let found = entry(stream, &shards, &self.settings.account_id, &self.settings.defaults());
        let unsure = || {
            Refusal::new(RefusalCode::Unavailable, format!("Stream {} is changing: ask again.", call.name))
        };
        found.ok_or_else(unsure).map(|found| Some(found.stream))
    }
}

fn new_stream(call: &CreateStream, namespace: &str) -> Result<DataStream, Refusal> {
    let too_large = |_| Refusal::new(RefusalCode::InvalidArgument, "A value is too large.");
    let number = |value: Option<u32>| value.map(i32::try_from).transpose().map_err(too_large);
    let spec = DataStreamSpec {
        name: Some(call.name.to_string()),
        stream_mode_details: Some(StreamModeDetails { stream_mode: mode_text(call.mode).into() }),
        // On-demand streams take no count: AWS ignores one, and a CRD rule refuses it.
        shard_count: if call.mode == StreamMode::OnDemand { None } else { number(call.shard_count)? },
        max_record_size_kib: number(call.max_record_size_kib)?,
        warm_throughput_mibps: number(call.warm_throughput_mibps)?,
        tags: call.tags.clone(),
        deletion_policy: Some("Delete".into()),
        ..Default::default()
    };
    let metadata = ObjectMeta {
        name: Some(metadata_name(&call.name)),
        namespace: Some(namespace.into()),
        ..Default::default()
    };
    let stream = DataStream { metadata, spec, status: None };
    match stream.validate() {
        Ok(()) => Ok(stream),
        Err(violations) => {
            let sentences: Vec<_> = violations.iter().map(ToString::to_string).collect();
            Err(Refusal::new(RefusalCode::InvalidArgument, sentences.join("; ")))
        }
    }
}

/// The name of the object for a stream that the API creates: the stream's own where it can be one; else lower-cased,
/// with `-` for what an object's name cannot have, cut to 30 characters, and six digits of the name's SHA-256, so
/// that two names that differ in case alone do not meet.
#[must_use]
pub fn metadata_name(name: &StreamName) -> String {
    let text = name.as_str();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.len() <= 30
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(fits)
        && !text.ends_with('-')
    {
        return text.into();
    }
    let lower: String =
        text.to_ascii_lowercase().chars().map(|c| if fits(c) { c } else { '-' }).take(30).collect();
    let start = if lower.starts_with(|c: char| c.is_ascii_lowercase()) { "" } else { "s" };
    let digest = Sha256::digest(text.as_bytes());
    format!("{start}{}-{:02x}{:02x}{:02x}", lower.trim_end_matches('-'), digest[0], digest[1], digest[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_names_are_valid_and_never_the_same_for_two_streams() {
        for (stream, object) in [
            ("orders", "orders"),
            ("Orders", "orders-d3b0a8"),
            ("Orders_V2", "orders-v2-"),
            ("123", "s123-"),
            ("_._", "s-"),
            ("a-very-long-name-of-a-stream-that-goes-on", "a-very-long-name-of-a-stream-t-"),
        ] {
            let name = metadata_name(&stream.parse().unwrap());
            let start = object.trim_end_matches(|c: char| c.is_ascii_hexdigit());
            assert!(name.starts_with(start), "{name} for {stream}");
            assert!(name.len() <= 40, "{name}");
            let made = DataStream::new(&name, DataStreamSpec::default());
            assert!(made.validate().is_ok(), "{name}");
        }
        assert_ne!(metadata_name(&"ORDERS".parse().unwrap()), metadata_name(&"Orders".parse().unwrap()));
    }
}
