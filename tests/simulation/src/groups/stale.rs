//! Stale batches, which must not follow the end of a log: those of an earlier term, or behind an earlier end.

use anyhow::{Result, ensure};
use group_core::{Change, Continuity, State, Step};

/// Offers stale batches to a state, which must refuse them.
pub fn check_stale(state: &State) -> Result<()> {
    let refuses = |step: Step<Vec<Change>>| {
        let mut folded = state.clone();
        ensure!(
            folded.apply(step, Continuity::Required).is_err() && folded == *state,
            "a stale batch is taken"
        );
        Ok(())
    };
    let (index, term, time_ms) = (state.index + 1, state.term, state.time_ms);
    let next = |changes| Step { index, term, time_ms, changes };
    refuses(Step { index: index - 1, ..next(Vec::new()) })?;
    refuses(Step { index: index + 1, ..next(Vec::new()) })?;
    refuses(Step { time_ms: time_ms - 1, ..next(Vec::new()) })?;
    if let Some(term) = term.checked_sub(1) {
        refuses(Step { term, ..next(Vec::new()) })?;
    }
    for (shard, known) in &state.shards {
        let (next_offset, last_ms) = (known.next_offset, known.last_arrival_ms);
        let append = |first_offset, arrival_ms| {
            next(vec![Change::Append { shard: *shard, first_offset, records: 1, arrival_ms }])
        };
        refuses(append(next_offset + 1, last_ms))?;
        refuses(append(next_offset - 1, last_ms))?;
        if let Some(earlier_ms) = last_ms.checked_sub(1) {
            refuses(append(next_offset, earlier_ms))?;
        }
    }
    Ok(())
}
