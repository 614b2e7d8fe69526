//! The wall clock, passed in as an argument so that tests can replace it, and the clocks in the headers of calls.

use std::sync::Arc;

use catalog::machine_id;
use catalog::member::{CLOCK_HEADER, MACHINE_HEADER};
use http::{HeaderMap, HeaderValue};

use record_log::clock::{Clock as _, SystemClock};

/// Returns the time in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The time of the system.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| SystemClock.wall_ms())
}

/// Writes this machine's id and clock to the headers of a call.
pub fn write_headers(headers: &mut HeaderMap) {
    if let Some(machine) = machine_id().and_then(|id| HeaderValue::from_str(id).ok()) {
        headers.insert(MACHINE_HEADER, machine);
        headers.insert(CLOCK_HEADER, SystemClock.wall_ms().into());
    }
}

/// The wall clock in the headers of a call from another machine, in milliseconds since 1970.
pub fn from_headers(headers: &HeaderMap) -> Option<u64> {
    let other = headers.get(MACHINE_HEADER)?;
    let clock = headers.get(CLOCK_HEADER)?.to_str().ok()?;
    (machine_id()? != other).then(|| clock.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_clock_of_another_machine_is_read() {
        let mut headers = HeaderMap::new();
        assert_eq!(from_headers(&headers), None);
        write_headers(&mut headers);
        assert_eq!(from_headers(&headers), None, "it is this machine's own");
        headers.insert(MACHINE_HEADER, HeaderValue::from_static("another"));
        assert!(from_headers(&headers).is_some_and(|ms| ms > 0));
    }
}
