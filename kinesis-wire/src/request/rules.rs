//! Rules between members, which no shape can say.

use super::{MAX_PUT_RECORDS_BYTES, Record, Request, StreamArn, StreamRef};
use crate::{Error, ErrorCode};

impl Request<'_> {
    /// Checks that the members go together.
    ///
    /// # Errors
    /// InvalidArgumentException.
    pub(crate) fn check_members_agree(&self) -> Result<(), Error> {
        match self {
            Self::CreateStream(_) | Self::ListStreams(_) => Ok(()),
            Self::DeleteStream(request) => check_stream(&request.stream),
            Self::DescribeStream(request) => check_stream(&request.stream),
            Self::DescribeStreamSummary(request) => check_stream(&request.stream),
            Self::GetShardIterator(request) => check_stream(&request.stream),
            Self::PutRecord(request) => check_stream(&request.stream),
            Self::PutRecords(request) => check_stream(&request.stream).and(check_size(&request.records)),
            Self::ListShards(request) => match &request.next_token {
                None if request.stream.name.is_none() && request.stream.arn.is_none() => {
                    Err(invalid("Either NextToken or StreamName should be provided."))
                }
                None => check_stream(&request.stream),
                Some(_) if request.stream.name.is_some() => Err(together("StreamName")),
                Some(_) if request.stream_creation_ms.is_some() => Err(together("StreamCreationTimestamp")),
                Some(_) if request.exclusive_start_shard_id.is_some() => {
                    Err(together("ExclusiveStartShardId"))
                }
                Some(_) => check_arn(&request.stream),
            },
            Self::GetRecords(request) => check_arn(&request.stream),
        }
    }
}

fn check_stream(stream: &StreamRef<'_>) -> Result<(), Error> {
    if stream.name.is_none() && stream.arn.is_none() {
        return Err(invalid("Either StreamName or StreamARN must be provided."));
    }
    check_arn(stream)
}

fn check_arn(stream: &StreamRef<'_>) -> Result<(), Error> {
    let Some(arn) = stream.arn.as_deref() else { return Ok(()) };
    let Some(parts) = StreamArn::parse(arn) else {
        return Err(invalid(format!("StreamARN {arn} is not the ARN of a stream.")));
    };
    match stream.name.as_deref() {
        Some(name) if name != parts.stream_name => {
            Err(invalid(format!("StreamName {name} and StreamARN {arn} must refer to the same stream.")))
        }
        _ => Ok(()),
    }
}

fn check_size(records: &[Record<'_>]) -> Result<(), Error> {
    let bytes =
        records.iter().map(|record| record.data.len() + record.partition_key.as_deref().map_or(0, str::len));
    if bytes.sum::<usize>() > MAX_PUT_RECORDS_BYTES { Err(Error::records_too_large()) } else { Ok(()) }
}

fn together(member: &str) -> Error {
    invalid(format!("NextToken and {member} cannot be provided together."))
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidArgumentException, message)
}
