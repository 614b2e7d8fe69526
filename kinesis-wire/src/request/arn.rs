//! The parts of ARNs.

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

/// The parts of `<ARN of a stream>/consumer/<name>:<creation>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerArn<'a> {
    /// The stream whose consumer it is.
    pub stream: StreamArn<'a>,
    /// The consumer's name.
    pub consumer_name: &'a str,
    /// The digits behind the name, which distinguish consumers that had the same name: seconds since 1970 at AWS.
    pub creation: &'a str,
}

/// The ARN of something that can have tags or a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceArn<'a> {
    /// A stream's.
    Stream(StreamArn<'a>),
    /// A consumer's.
    Consumer(ConsumerArn<'a>),
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

impl<'a> ConsumerArn<'a> {
    /// Takes an ARN apart. None if it is not a consumer's.
    #[must_use]
    pub fn parse(arn: &'a str) -> Option<Self> {
        let (stream, consumer) = arn.split_once("/consumer/")?;
        let (consumer_name, creation) = consumer.rsplit_once(':')?;
        let is_consumer = !consumer_name.is_empty()
            && !consumer_name.contains(['/', ':'])
            && !creation.is_empty()
            && creation.bytes().all(|byte| byte.is_ascii_digit());
        is_consumer.then_some(Self { stream: StreamArn::parse(stream)?, consumer_name, creation })
    }
}

impl<'a> ResourceArn<'a> {
    /// Takes an ARN apart. None if it is neither a stream's nor a consumer's: there is no such resource.
    #[must_use]
    pub fn parse(arn: &'a str) -> Option<Self> {
        let stream = || StreamArn::parse(arn).map(Self::Stream);
        ConsumerArn::parse(arn).map(Self::Consumer).or_else(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERS: StreamArn<'static> =
        StreamArn { region: "us-east-1", account_id: "000000000000", stream_name: "orders" };

    #[test]
    fn arn_of_a_stream_is_taken_apart() {
        let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
        assert_eq!(StreamArn::parse(arn), Some(ORDERS));
        assert_eq!(ResourceArn::parse(arn), Some(ResourceArn::Stream(ORDERS)));
    }

    #[test]
    fn arn_of_a_consumer_is_taken_apart() {
        let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/billing:1459799926";
        let billing = ConsumerArn { stream: ORDERS, consumer_name: "billing", creation: "1459799926" };
        assert_eq!(ConsumerArn::parse(arn), Some(billing));
        assert_eq!(ResourceArn::parse(arn), Some(ResourceArn::Consumer(billing)));
        assert_eq!(StreamArn::parse(arn), None);
    }

    #[test]
    fn other_arns_are_refused() {
        for arn in [
            "",
            "arn:aws:kinesis:us-east-1:000000000000:stream/",
            "arn:aws:kinesis:us-east-1:000000000000:stream/orders/x",
            "arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/c",
            "arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/:1",
            "arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/c:",
            "arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/c:x",
            "arn:aws:kinesis:us-east-1:000000000000:channel/c",
            "arn:aws:kinesis:us-east-1:00000000000:stream/orders",
            "arn:aws:sqs:us-east-1:000000000000:stream/orders",
        ] {
            assert_eq!(ResourceArn::parse(arn), None, "{arn}");
        }
    }
}
