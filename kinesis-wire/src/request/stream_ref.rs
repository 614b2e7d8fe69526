//! How requests name a stream.

use std::borrow::Cow;

/// The stream that a request means.
///
/// In a decoded request one of the two is there, and if both are, they name the same stream; exceptions are said
/// where they are ([`super::ListShards`], [`super::GetRecords`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamRef<'a> {
    /// StreamName.
    pub name: Option<Cow<'a, str>>,
    /// StreamARN.
    pub arn: Option<Cow<'a, str>>,
}

impl StreamRef<'_> {
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

/// The parts of `arn:<partition>:kinesis:<region>:<account>:stream/<name>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamArn<'a> {
    /// The region, as it is written.
    pub region: &'a str,
    /// The 12 digits of the account.
    pub account_id: &'a str,
    /// The stream's name.
    pub stream_name: &'a str,
}

impl<'a> StreamArn<'a> {
    /// Takes an ARN apart. None if it is not a stream's.
    #[must_use]
    pub fn parse(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (scheme, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account_id, resource) = (parts.next()?, parts.next()?, parts.next()?);
        let stream_name = resource.strip_prefix("stream/")?;
        let is_stream = scheme == "arn"
            && partition.starts_with("aws")
            && service == "kinesis"
            && account_id.len() == 12
            && account_id.bytes().all(|byte| byte.is_ascii_digit())
            && !stream_name.is_empty()
            && !stream_name.contains('/');
        is_stream.then_some(Self { region, account_id, stream_name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arn_of_a_stream_is_taken_apart() {
        let arn = StreamArn::parse("arn:aws:kinesis:us-east-1:000000000000:stream/orders").unwrap();
        let expected = StreamArn { region: "us-east-1", account_id: "000000000000", stream_name: "orders" };
        assert_eq!(arn, expected);
    }

    #[test]
    fn other_arns_are_refused() {
        for arn in [
            "",
            "arn:aws:kinesis:us-east-1:000000000000:stream/",
            "arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/c:1",
            "arn:aws:kinesis:us-east-1:00000000000:stream/orders",
            "arn:aws:sqs:us-east-1:000000000000:stream/orders",
        ] {
            assert_eq!(StreamArn::parse(arn), None, "{arn}");
        }
    }
}
