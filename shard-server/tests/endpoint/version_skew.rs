//! A client of a newer version and a pod, which is of the same version or, by `tests/run skew`, of this one.

use catalog::ShardId;
use record_log::record::{Record, RecordBlockBuilder};
use shard_server::protocol::skew::{Newer, Requiring};
use shard_server::protocol::{Append, Locate, Located, Position, Refusal, Run};
use shard_server::shard::client::{Client, HOLD, HoldBudget};

use crate::installation::installation;
use crate::program::POD_BINARY;

#[tokio::test]
async fn pod_serves_known_calls_and_refuses_those_of_a_newer_version() {
    let installation = installation().await;
    let client = Client::new(installation.pods[0].address.to_string(), HoldBudget::new());
    let (stream_uid, log) = (installation.stream.uid.clone(), "g0".to_owned());
    let locate = Locate {
        stream_uid: stream_uid.clone(),
        log: log.clone(),
        shard: ShardId::FIRST,
        position: Position::Latest,
    };
    let mut builder = RecordBlockBuilder::default();
    builder.push(Record { partition_key: "key", data: b"data" });
    let runs = vec![Run { shard: ShardId::FIRST, block: builder.build() }];
    let append = Append { stream_uid, log, id: None, runs };
    let outcomes = client.send_append(append, HOLD).await.unwrap();
    assert_eq!(outcomes[0].as_ref().unwrap().first_offset, 1);
    let located = Located { offset: 2, time_ms: None };
    assert_eq!(client.call(locate.clone()).await, Ok(located));

    let newer = client.call(Newer(locate.clone())).await;
    let requiring = client.call(Requiring(locate)).await;
    match std::env::var_os(POD_BINARY) {
        Some(_this_version) => {
            assert!(matches!(newer, Err(Refusal::Unsupported(_))), "{newer:?}");
            assert!(matches!(requiring, Err(Refusal::Unsupported(_))), "{requiring:?}");
        }
        None => assert_eq!((newer, requiring), (Ok(located), Ok(located))),
    }
}
