//! All control calls as one value, all their answers as one value, and both as JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    ChangeShards, ChangeStream, Commitment, Consumer, CreateStream, DeleteStream, DeregisterConsumer,
    DescribeAccount, DescribeLimits, FindConsumer, FindStream, Limits, ListConsumers, ListTags,
    RegisterConsumer, SettingsChange, TagResource, Tags, UntagResource, UpdateAccount,
};
use crate::Stream;

/// Path of [`CreateStream`]; its answer is empty.
pub const CREATE_STREAM_PATH: &str = "/v1/create-stream";
/// Path of [`DeleteStream`]; its answer is empty.
pub const DELETE_STREAM_PATH: &str = "/v1/delete-stream";
/// Path of [`FindStream`]; answers `Option<Stream>` as JSON.
pub const FIND_STREAM_PATH: &str = "/v1/find-stream";

/// A control call, and the type of its answer.
pub trait Control: Into<ControlCall> + Serialize + DeserializeOwned {
    /// What it answers.
    type Answer;

    /// The answer to a call of this type; `None` if the answer is to another one.
    fn answer(answer: ControlAnswer) -> Option<Self::Answer>;
}

macro_rules! control_calls {
    ($($name:ident($answer:ty) $path:tt,)*) => {
        /// Any control call.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "every variant says all by its value's type")]
        pub enum ControlCall {
            $($name($name),)*
        }

        /// The answer to a control call: that of the variant with the call's name.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "every variant says all by the call of its name")]
        pub enum ControlAnswer {
            $($name($answer),)*
        }

        impl ControlCall {
            /// The path to which it is posted.
            #[must_use]
            pub fn path(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $path,)*
                }
            }

            /// The call as JSON.
            ///
            /// # Errors
            /// None that a value of these types can cause.
            pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
                match self {
                    $(Self::$name(call) => serde_json::to_vec(call),)*
                }
            }

            /// Reads a call that was posted to a path; `None` if the path is of no call.
            #[must_use]
            pub fn read(path: &str, json: &[u8]) -> Option<serde_json::Result<Self>> {
                $(if path == $path {
                    return Some(serde_json::from_slice(json).map(Self::$name));
                })*
                None
            }

            /// Reads the answer to this call.
            ///
            /// # Errors
            /// If it is not an answer to this call.
            pub fn read_answer(&self, json: &[u8]) -> serde_json::Result<ControlAnswer> {
                match self {
                    $(Self::$name(_) => serde_json::from_slice(json).map(ControlAnswer::$name),)*
                }
            }
        }

        impl ControlAnswer {
            /// The answer as JSON.
            ///
            /// # Errors
            /// None that a value of these types can cause.
            pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
                match self {
                    $(Self::$name(answer) => serde_json::to_vec(answer),)*
                }
            }
        }

        $(
            impl From<$name> for ControlCall {
                fn from(call: $name) -> Self {
                    Self::$name(call)
                }
            }

            impl Control for $name {
                type Answer = $answer;

                fn answer(answer: ControlAnswer) -> Option<$answer> {
                    match answer {
                        ControlAnswer::$name(answer) => Some(answer),
                        _ => None,
                    }
                }
            }
        )*
    };
}

control_calls! {
    CreateStream(()) CREATE_STREAM_PATH,
    DeleteStream(()) DELETE_STREAM_PATH,
    FindStream(Option<Stream>) FIND_STREAM_PATH,
    ChangeStream(SettingsChange) "/v1/change-stream",
    ChangeShards(u32) "/v1/change-shards",
    TagResource(()) "/v1/tag-resource",
    UntagResource(()) "/v1/untag-resource",
    ListTags(Tags) "/v1/list-tags",
    RegisterConsumer(Consumer) "/v1/register-consumer",
    DeregisterConsumer(()) "/v1/deregister-consumer",
    FindConsumer(Consumer) "/v1/find-consumer",
    ListConsumers(Vec<Consumer>) "/v1/list-consumers",
    DescribeLimits(Limits) "/v1/describe-limits",
    DescribeAccount(Commitment) "/v1/describe-account",
    UpdateAccount(Commitment) "/v1/update-account",
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StreamSettings;
    use crate::control::{StreamChange, StreamKey};

    fn key() -> StreamKey {
        StreamKey {
            account_id: "000000000000".into(),
            region: Some("eu-west-1".into()),
            name: "orders".parse().unwrap(),
        }
    }

    #[test]
    fn call_and_answer_round_trip_by_their_path() {
        let call: ControlCall =
            ChangeStream { stream: key(), change: StreamChange::IncreaseRetention(48) }.into();
        let json = call.to_json().unwrap();
        assert_eq!(ControlCall::read(call.path(), &json).unwrap().unwrap(), call);
        assert!(ControlCall::read("/v1/nonsense", &json).is_none());
        assert!(ControlCall::read(call.path(), b"{}").unwrap().is_err());
        let (before, after) =
            (StreamSettings::default(), StreamSettings { consumer_count: 1, ..Default::default() });
        let answer = ControlAnswer::ChangeStream(SettingsChange { before, after });
        assert_eq!(call.read_answer(&answer.to_json().unwrap()).unwrap(), answer);
    }

    #[test]
    fn answer_to_another_call_is_none() {
        assert_eq!(DeleteStream::answer(ControlAnswer::DeleteStream(())), Some(()));
        assert_eq!(DeleteStream::answer(ControlAnswer::CreateStream(())), None);
    }

    #[test]
    fn calls_of_earlier_versions_are_read() {
        let json = br#"{"accountId":"000000000000","name":"orders"}"#;
        let read = |path| ControlCall::read(path, json).unwrap().unwrap();
        let (account_id, name) = ("000000000000".to_owned(), "orders".parse().unwrap());
        let find = FindStream { account_id: account_id.clone(), region: None, name };
        assert_eq!(read(FIND_STREAM_PATH), find.clone().into());
        let delete =
            DeleteStream { account_id, region: None, name: find.name, enforce_consumer_deletion: false };
        assert_eq!(read(DELETE_STREAM_PATH), delete.into());
    }
}
