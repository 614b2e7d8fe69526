//! Has idle logs looked after now and then: records expire also where nobody appends.

use std::sync::Arc;
use std::time::Duration;

use super::queue::Queue;

/// How often an idle log is looked after.
const PERIOD: Duration = Duration::from_secs(60);

/// Wakes the queue's worker every minute, as long as there is the queue. The first time is drawn, so that a thousand
/// logs do not wake at once.
pub fn start(queue: &Arc<Queue>) {
    let queue = Arc::downgrade(queue);
    let first = PERIOD.mul_f64(rand::random::<f64>());
    tokio::spawn(async move {
        tokio::time::sleep(first).await;
        while let Some(queue) = queue.upgrade() {
            queue.wake();
            drop(queue);
            tokio::time::sleep(PERIOD).await;
        }
    });
}
