//! Asks a member that does not answer for its status until it serves again: calls wait for that, and are not tried.

use std::sync::Weak;
use std::time::Duration;

use catalog::member::{MemberPhase, MemberStatus};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::health::OutageKind;
use super::{FIRST_PAUSE, LAST_PAUSE, Shared, attempt};

/// How long a member may take to tell its status.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// A log that is at one write for longer makes no progress.
const STALLED_WRITE: Duration = Duration::from_secs(1);
/// An outage is logged once it has lasted so long.
const REPORT_AFTER: Duration = Duration::from_secs(1);

/// Probes until the outage ends or nobody has a client any more. Appends that were held for too long are refused
/// meanwhile.
pub(super) async fn run(client: Weak<Shared>, mut pause: Duration) {
    let mut is_reported = false;
    loop {
        let Some(shared) = client.upgrade() else { return };
        let before = pause;
        let mut look = std::pin::pin!(async {
            if !before.is_zero() {
                sleep(before).await;
            }
            timeout(PROBE_TIMEOUT, shared.look()).await.unwrap_or_else(|_| Err("it tells no status".into()))
        });
        let found = loop {
            let deadline = {
                let state = shared.state();
                // An answer has ended the outage.
                let Some(outage) = state.health.outage() else { return };
                state.appends.first_deadline(outage)
            };
            tokio::select! {
                found = look.as_mut() => break found,
                () = sleep_until(deadline.unwrap_or_else(|| Instant::now() + LAST_PAUSE)) => shared.refuse_late(),
            }
        };
        let authority = shared.authority.as_str();
        match found {
            Ok(()) => {
                let ended = shared.end_outage(&mut shared.state());
                if let Some(outage) = ended.filter(|_| is_reported) {
                    let seconds = outage.since.elapsed().as_secs();
                    tracing::info!(member = authority, seconds, "a shard group serves again");
                }
                return;
            }
            Err(why) => {
                let mut state = shared.state();
                let Some(outage) = state.health.outage_mut() else { return };
                if !is_reported && outage.since.elapsed() >= REPORT_AFTER {
                    tracing::warn!(
                        member = authority,
                        why,
                        "a shard group does not answer: its calls are held for a while, then refused at once"
                    );
                    is_reported = true;
                }
                outage.why = why;
            }
        }
        pause = (pause * 2).clamp(FIRST_PAUSE, LAST_PAUSE);
    }
}

impl Shared {
    /// Whether the member serves; else why not.
    async fn look(&self) -> Result<(), String> {
        let sender = match self.connection.open() {
            Some(sender) => sender,
            None => self.connection.connect().await.map_err(|error| error.to_string())?,
        };
        let status = attempt::status(&self.authority, sender).await?;
        let kind = self.state().health.outage().map(|outage| outage.kind);
        verdict(&status, kind)
    }
}

/// Whether calls may go on after this status; else why not.
fn verdict(status: &MemberStatus, outage: Option<OutageKind>) -> Result<(), String> {
    match status.phase {
        MemberPhase::Serving => {}
        // Its appends are refused with the reason, and its reads are answered.
        MemberPhase::Stopped => return Ok(()),
        phase => {
            return Err(status.reason.clone().unwrap_or_else(|| format!("it does not serve yet: {phase:?}")));
        }
    }
    let writing = status.logs.iter().map(|log| Duration::from_millis(log.writing_ms)).max();
    match writing.filter(|writing| *writing >= STALLED_WRITE) {
        Some(writing) if outage == Some(OutageKind::Stalled) => {
            Err(format!("its disk has not taken a write for {} s", writing.as_secs()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use catalog::member::LogStatus;

    use super::*;

    fn status(phase: MemberPhase, writing_ms: u64) -> MemberStatus {
        let log = LogStatus {
            name: "g0".into(),
            durable_bytes: 0,
            retention_period_hours: None,
            writing_ms,
            conditions: Vec::new(),
            shards: Vec::new(),
        };
        MemberStatus {
            version: "1".into(),
            stream_uid: "uid".into(),
            group: "g0".into(),
            phase,
            reason: None,
            replica_id: None,
            logs: vec![log],
        }
    }

    #[test]
    fn member_that_serves_ends_an_outage_but_a_disk_that_hangs_does_not_end_a_stall() {
        let (unreachable, stalled) = (Some(OutageKind::Unreachable), Some(OutageKind::Stalled));
        assert!(verdict(&status(MemberPhase::Recovering, 0), unreachable).is_err());
        assert!(verdict(&status(MemberPhase::Serving, 0), unreachable).is_ok());
        assert!(verdict(&status(MemberPhase::Stopped, 0), unreachable).is_ok());
        assert!(verdict(&status(MemberPhase::Serving, 5_000), unreachable).is_ok());
        assert_eq!(
            verdict(&status(MemberPhase::Serving, 5_000), stalled).unwrap_err(),
            "its disk has not taken a write for 5 s"
        );
        assert!(verdict(&status(MemberPhase::Serving, 20), stalled).is_ok());
    }
}
