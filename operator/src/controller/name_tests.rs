use catalog::resource::{DataStreamSpec, DataStreamStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;

const OURS: &str = "kinetes-system/kinetes";

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

/// A stream named `orders`, created at this second.
fn stream(uid: &str, created: i64) -> DataStream {
    let mut stream = DataStream::new("orders", DataStreamSpec::default());
    stream.metadata.uid = Some(uid.into());
    stream.metadata.creation_timestamp = Some(at(created));
    stream
}

fn of(mut stream: DataStream, installation: &str, name_held_since: Option<i64>) -> Arc<DataStream> {
    stream.status = Some(DataStreamStatus {
        installation: Some(installation.into()),
        name_held_since: name_held_since.map(at),
        ..Default::default()
    });
    Arc::new(stream)
}

fn owner(streams: &[Arc<DataStream>]) -> Option<String> {
    name_owner(streams, "orders", OURS)?.uid()
}

#[test]
fn the_oldest_gets_a_name_that_nobody_has_and_the_lower_uid_of_two() {
    let [first, second, third] = [("b", 1), ("c", 1), ("a", 2)].map(|(uid, at)| Arc::new(stream(uid, at)));
    assert_eq!(owner(&[third.clone(), second.clone(), first.clone()]).as_deref(), Some("b"));
    assert_eq!(owner(&[third.clone(), second]).as_deref(), Some("c"));
    assert_eq!(owner(&[third]).as_deref(), Some("a"));
}

#[test]
fn who_has_a_name_keeps_it_whatever_is_older() {
    let incumbent = of(stream("z", 9), OURS, Some(10));
    for rival in [stream("a", 1), stream("a", 9)] {
        let rivals = [Arc::new(rival.clone()), Arc::clone(&incumbent)];
        assert_eq!(owner(&rivals).as_deref(), Some("z"));
        assert_eq!(owns_name(&incumbent, &rivals, OURS), Ok(()));
        assert_eq!(owns_name(&rival, &rivals, OURS), Err(Arc::clone(&incumbent)));
    }
}

#[test]
fn of_two_that_have_a_name_the_later_grant_counts() {
    // The older one's namespace was not watched when the younger one got the name.
    let (older, younger) = (of(stream("a", 1), OURS, Some(2)), of(stream("b", 5), OURS, Some(6)));
    assert_eq!(owner(&[older, younger]).as_deref(), Some("b"));
}

#[test]
fn what_an_earlier_version_served_has_its_name_and_what_it_refused_has_not() {
    let served = |reason: Option<&str>| {
        let mut stream = stream("z", 9);
        let stalled = |reason: &str| k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition {
            type_: ConditionType::Stalled.as_str().into(),
            status: "True".into(),
            reason: reason.into(),
            message: String::new(),
            observed_generation: None,
            last_transition_time: at(9),
        };
        stream.status = Some(DataStreamStatus {
            installation: Some(OURS.into()),
            stream_status: Some("ACTIVE".into()),
            conditions: reason.map(stalled).into_iter().collect(),
            ..Default::default()
        });
        Arc::new(stream)
    };
    let older = Arc::new(stream("a", 1));
    assert_eq!(owner(&[Arc::clone(&older), served(None)]).as_deref(), Some("z"));
    assert_eq!(owner(&[Arc::clone(&older), served(Some("VolumeLost"))]).as_deref(), Some("z"));
    assert_eq!(owner(&[older, served(Some(Reason::NameTaken.as_str()))]).as_deref(), Some("a"));
}

#[test]
fn a_stream_of_another_installation_has_no_name_here_until_it_is_adopted() {
    let theirs = of(stream("a", 1), "elsewhere/kinetes", Some(1));
    assert_eq!(owner(std::slice::from_ref(&theirs)), None);
    assert_eq!(foreign_manager(&theirs, OURS), Some("elsewhere/kinetes"));
    let mut handed = (*theirs).clone();
    handed.metadata.annotations = Some([(ADOPT.to_owned(), OURS.to_owned())].into());
    assert!(is_handed_to(&handed, OURS) && !is_ours(&handed, OURS));
    assert!(!is_handed_to(&handed, "third/kinetes"));
    let younger = Arc::new(stream("b", 5));
    let rivals = [Arc::new(handed.clone()), Arc::clone(&younger)];
    assert_eq!(owns_name(&handed, &rivals, OURS), Err(younger));
    handed.status.as_mut().unwrap().installation = Some(OURS.into());
    assert_eq!(foreign_manager(&handed, "elsewhere/kinetes"), None, "it was handed over, and all know");
}

#[test]
fn a_name_is_granted_once_however_late_the_copy_is() {
    let register = NameRegister::default();
    let (first, second) = (stream("b", 1), stream("a", 1));
    let copy = [Arc::new(first.clone()), Arc::new(second.clone())];
    assert_eq!(register.grant(&first, &copy), Ok(()));
    assert_eq!(register.grant(&first, &copy), Ok(()), "its own");
    assert_eq!(register.grant(&second, &copy), Err(Arc::clone(&copy[0])));
    assert_eq!(register.grant(&second, &copy[1..]), Ok(()), "the other one is gone");
}

#[test]
fn a_stream_of_another_installation_is_reported_once() {
    let register = NameRegister::default();
    assert!(register.reports_foreign(&stream("a", 1)));
    assert!(!register.reports_foreign(&stream("a", 1)));
    assert!(register.reports_foreign(&stream("b", 1)));
    register.not_reported(&stream("a", 1));
    assert!(register.reports_foreign(&stream("a", 1)));
}
