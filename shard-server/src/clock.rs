//! The time, which parts are given rather than look for, so that tests give another.

use std::sync::Arc;

use catalog::machine_id;
use catalog::member::{CLOCK_HEADER, MACHINE_HEADER};
use http::{HeaderMap, HeaderValue};

use record_log::clock::{Clock as _, SystemClock};

/// Gives the time in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The time of the system.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| SystemClock.wall_ms())
}

/// Shows this machine's clock in the headers of a call.
pub fn show(headers: &mut HeaderMap) {
    if let Some(machine) = machine_id().and_then(|id| HeaderValue::from_str(id).ok()) {
        headers.insert(MACHINE_HEADER, machine);
        headers.insert(CLOCK_HEADER, SystemClock.wall_ms().into());
    }
}

/// The wall clock of another machine in the headers of a call, in milliseconds since 1970.
pub fn shown(headers: &HeaderMap) -> Option<u64> {
    let other = headers.get(MACHINE_HEADER)?;
    let clock = headers.get(CLOCK_HEADER)?.to_str().ok()?;
    (machine_id()? != other).then(|| clock.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_clock_of_another_machine_is_seen() {
        let mut headers = HeaderMap::new();
        assert_eq!(shown(&headers), None);
        show(&mut headers);
        assert_eq!(shown(&headers), None, "it is the own one");
        headers.insert(MACHINE_HEADER, HeaderValue::from_static("another"));
        assert!(shown(&headers).is_some_and(|ms| ms > 0));
    }
}
