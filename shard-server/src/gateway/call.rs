//! A call: which operation, by whom, on whose streams, and until when.

use std::time::{Duration, Instant};

use catalog::StreamName;
use catalog::control::{ConsumerKey, StreamKey};
use kinesis_wire::request::{ConsumerArn, StreamArn, StreamRef};
use kinesis_wire::{Encoding, Error, ErrorCode, Operation};

use super::authentication::Caller;
use super::catalog::Scope;

/// How long a caller is assumed to wait for an answer. SDKs wait 30 or 60 seconds by default.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Whose streams an endpoint serves.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The account of all callers, 12 digits.
    pub account_id: String,
    /// The region of the endpoint.
    pub region: String,
    /// Which regions it serves.
    pub regions: Regions,
}

/// The regions that an endpoint serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regions {
    /// Its own one, whichever a caller signs for if keys are not verified. The streams of its catalog name no region.
    Own,
    /// Any: a call is of the region that its signature is for, and of the endpoint's own if it is not signed. The
    /// streams of its catalog name theirs.
    OfSignature,
}

/// What the head of a request says about it, as every operation gets it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The operation.
    pub operation: Operation,
    /// The encoding of its answer.
    pub encoding: Encoding,
    /// Who calls, for logs: a principal's ARN or the id of an access key. It is verified where access keys are.
    pub caller: Option<&'a str>,
    /// The account whose streams the call may name.
    pub account_id: &'a str,
    /// The region whose streams the call may name.
    pub region: &'a str,
    /// When nobody waits for the answer any more.
    pub deadline: Instant,
    regions: Regions,
}

impl Identity {
    /// The one region for which a signature counts; `None` if any does.
    #[must_use]
    pub fn signed_region(&self) -> Option<&str> {
        match self.regions {
            Regions::Own => Some(&self.region),
            Regions::OfSignature => None,
        }
    }

    /// The call of an operation that began at `start`.
    #[must_use]
    pub fn call<'a>(
        &'a self,
        operation: Operation,
        encoding: Encoding,
        caller: Option<Caller<'a>>,
        start: Instant,
    ) -> Call<'a> {
        let signed = caller.map(|caller| caller.region);
        let region = match self.regions {
            Regions::Own => None,
            Regions::OfSignature => signed,
        };
        Call {
            operation,
            encoding,
            caller: caller.map(|caller| caller.name),
            account_id: &self.account_id,
            region: region.unwrap_or(&self.region),
            deadline: start + TIMEOUT,
            regions: self.regions,
        }
    }
}

impl<'a> Call<'a> {
    /// Where the catalog has the streams that the call may name.
    #[must_use]
    pub fn scope(&self) -> Scope<'a> {
        let region = match self.regions {
            Regions::Own => None,
            Regions::OfSignature => Some(self.region),
        };
        Scope { account_id: self.account_id, region }
    }

    /// How control calls name a stream.
    #[must_use]
    pub fn key(&self, name: &StreamName) -> StreamKey {
        let Scope { account_id, region } = self.scope();
        StreamKey { account_id: account_id.into(), region: region.map(str::to_owned), name: name.clone() }
    }

    /// The name of the stream that a request names; `None` if it names none.
    ///
    /// # Errors
    /// If it names a stream of another region or account: there is none here.
    pub fn name_of(&self, stream: &StreamRef<'_>) -> Result<Option<StreamName>, Error> {
        if let Some(arn) = stream.parsed_arn() {
            return self.name_of_arn(arn).map(Some);
        }
        let Some(name) = stream.stream_name() else { return Ok(None) };
        name.parse().map(Some).map_err(|_| Error::stream_not_found(name, self.account_id))
    }

    /// The name of the stream of an ARN.
    ///
    /// # Errors
    /// If it is of another region or account: there is no such stream here.
    pub fn name_of_arn(&self, arn: StreamArn<'_>) -> Result<StreamName, Error> {
        let not_found = || Error::stream_not_found(arn.stream_name, arn.account_id);
        if arn.region != self.region || arn.account_id != self.account_id {
            return Err(not_found());
        }
        arn.stream_name.parse().map_err(|_| not_found())
    }

    /// The consumer of an ARN, and its stream.
    ///
    /// # Errors
    /// If it is of another region or account: there is no such stream here.
    pub fn consumer_of_arn(&self, arn: ConsumerArn<'_>) -> Result<(StreamName, ConsumerKey), Error> {
        let stream = self.name_of_arn(arn.stream)?;
        // No consumer was registered in a second that is no number.
        let created_seconds = Some(arn.creation.parse().unwrap_or(i64::MAX));
        Ok((stream, ConsumerKey { name: arn.consumer_name.into(), created_seconds }))
    }

    /// The ARN of a stream.
    #[must_use]
    pub fn arn_of(&self, name: &StreamName) -> String {
        format!("arn:aws:kinesis:{}:{}:stream/{name}", self.region, self.account_id)
    }

    /// The name of the stream of a request that must name one.
    ///
    /// # Errors
    /// If it names none, or a stream of another region or account.
    pub fn required_name_of(&self, stream: &StreamRef<'_>) -> Result<StreamName, Error> {
        self.name_of(stream)?.ok_or_else(|| {
            Error::new(
                ErrorCode::InvalidArgumentException,
                "Either StreamName or StreamARN should be provided.",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(regions: Regions) -> Identity {
        Identity { account_id: "000000000000".into(), region: "us-east-1".into(), regions }
    }

    fn region(regions: Regions, signed: Option<&str>) -> (String, Option<String>) {
        let identity = identity(regions);
        let caller = signed.map(|region| Caller { name: "AKID", region });
        let call = identity.call(Operation::ListStreams, Encoding::Json, caller, Instant::now());
        (call.region.to_owned(), call.scope().region.map(str::to_owned))
    }

    #[test]
    fn endpoint_of_one_region_serves_it_whatever_is_signed() {
        assert_eq!(region(Regions::Own, Some("eu-west-1")), ("us-east-1".into(), None));
    }

    #[test]
    fn endpoint_of_any_region_serves_the_signed_one_or_else_its_own() {
        let both = |region: &str| (region.to_owned(), Some(region.to_owned()));
        assert_eq!(region(Regions::OfSignature, Some("eu-west-1")), both("eu-west-1"));
        assert_eq!(region(Regions::OfSignature, None), both("us-east-1"));
    }

    #[test]
    fn arn_of_another_region_or_account_names_no_stream() {
        let identity = identity(Regions::Own);
        let call = identity.call(Operation::ListShards, Encoding::Json, None, Instant::now());
        let name = |region: &str, account: &str| {
            let arn = format!("arn:aws:kinesis:{region}:{account}:stream/orders");
            call.required_name_of(&StreamRef { name: None, arn: Some(arn.into()) })
        };
        assert_eq!(name("us-east-1", "000000000000").unwrap().as_str(), "orders");
        for (region, account) in [("eu-west-1", "000000000000"), ("us-east-1", "111111111111")] {
            assert_eq!(name(region, account).unwrap_err(), Error::stream_not_found("orders", account));
        }
    }
}
