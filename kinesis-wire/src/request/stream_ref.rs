//! How requests name a stream.

use std::borrow::Cow;

use super::StreamArn;
use crate::shape::Members;

/// The stream that a request means.
///
/// In a decoded request one of the two is there, and if both are, they name the same stream; the exceptions
/// are documented where they are ([`super::ListShards`], [`super::GetRecords`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamRef<'a> {
    /// StreamName; some operations know streams by ARN alone.
    pub name: Option<Cow<'a, str>>,
    /// StreamARN.
    pub arn: Option<Cow<'a, str>>,
}

impl<'a> StreamRef<'a> {
    /// StreamId is checked by its shape and then dropped: AWS reserves it for the future.
    pub(super) fn build(members: &mut Members<'a>) -> Self {
        Self { name: members.take_text("StreamName"), arn: members.take_text("StreamARN") }
    }

    /// The stream's name, from StreamName or else out of StreamARN. None if the request has neither.
    #[must_use]
    pub fn stream_name(&self) -> Option<&str> {
        self.name.as_deref().or_else(|| self.parsed_arn().map(|arn| arn.stream_name))
    }

    /// The parts of StreamARN, if the request has one.
    #[must_use]
    pub fn parsed_arn(&self) -> Option<StreamArn<'_>> {
        StreamArn::parse(self.arn.as_deref()?)
    }
}
