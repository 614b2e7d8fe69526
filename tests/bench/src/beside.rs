//! This commit beside an earlier one. Both run at the same time and are put under each load in short turns, first one and
//! then the other, so that both are measured on the same machine: what it gives changes from one minute to the next.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::load;
use crate::measurements::Measurements;
use crate::records::{Tally, requests};
use crate::run::{Fresh, MANY_SHARDS, Run, SHARDS, forget, kinesis};
use crate::service::kinesis::Kinesis;
use crate::system::System;
use crate::what::{self, GetLoad, PUT_LOADS};

/// How often each is put under a load.
const TURNS: usize = 21;
/// How often each creates a thousand streams.
const STREAM_TURNS: usize = 7;
/// A turn takes this part of what a load takes otherwise.
const TURN_DIVISOR: u32 = 16;
/// Records are put for so many turns before they are read.
const FILL_TURNS: u32 = 12;
/// Putting to getting is measured for so many turns at a time: it is the slowest of some hundred records that counts.
const TAIL_TURNS: u32 = 2;

/// One of the two.
struct Side {
    system: System,
    folder: PathBuf,
    fresh: Fresh<Kinesis>,
}

/// Measures this commit and the earlier one in turns; the round of a measurement is its turn.
///
/// # Errors
/// If one of them does not come up, refuses a record, or gives back other records than it acknowledged.
pub async fn measure(run: &Run) -> Result<Measurements> {
    let (duration, warm_up) = (run.duration / TURN_DIVISOR, run.warm_up / TURN_DIVISOR);
    let (programs, folder, log_gib) = (run.programs.clone(), run.folder.clone(), run.log_gib);
    let measurements = Measurements::default();
    let mut turns = Run { programs, duration, warm_up, log_gib, folder, round: 0, measurements };
    puts(&mut turns).await.context("puts")?;
    let (memory, disk) = ([what::GET_MEMORY, what::GET_MEMORY_ONE], [what::GET_DISK, what::GET_DISK_ONE]);
    gets(&mut turns, SHARDS, &memory, &disk).await.context("gets of 4 shards")?;
    let (memory, disk) = ([what::GET_MEMORY_ONE_OF_16], [what::GET_DISK_ONE_OF_16]);
    gets(&mut turns, MANY_SHARDS, &memory, &disk).await.context("gets of 16 shards")?;
    put_to_get(&mut turns).await.context("put to get")?;
    for turn in 0..STREAM_TURNS {
        turns.round = turn;
        for system in in_turn(turn, [System::Kinetes, System::Earlier]) {
            turns.streams(system).await.context("streams")?;
        }
    }
    Ok(turns.measurements)
}

async fn puts(run: &mut Run) -> Result<()> {
    let sides = sides(run, SHARDS).await?;
    for (seed, load) in (0..).zip(&PUT_LOADS) {
        let requests = requests(load.batch, seed);
        for turn in 0..TURNS {
            run.round = turn;
            for Side { system, fresh, .. } in in_turn(turn, sides.each_ref()) {
                let service = kinesis(fresh.server.address, load.hashed);
                run.put_load(*system, load, &requests, &fresh.server, &service).await?;
            }
        }
    }
    for Side { system, fresh, .. } in &sides {
        run.note_peak_memory(*system, &fresh.server)?;
    }
    Ok(())
}

async fn gets(run: &mut Run, shards: usize, memory: &[GetLoad], disk: &[GetLoad]) -> Result<()> {
    let sides = sides(run, shards).await?;
    let mut acknowledged = Vec::new();
    for Side { fresh, .. } in &sides {
        let puts = load::put(&fresh.service, &requests(500, 0), 8, run.duration * FILL_TURNS).await?;
        acknowledged.push(puts.acknowledged);
    }
    for load in memory {
        for turn in 0..TURNS {
            run.round = turn;
            for Side { system, fresh, .. } in in_turn(turn, sides.each_ref()) {
                run.catch_up(*system, load, &fresh.server, &fresh.service).await?;
            }
        }
    }
    // The servers end here; their folders are read again.
    let closed = sides.map(|Side { system, folder, .. }| (system, folder));
    for load in disk {
        for turn in 0..TURNS {
            run.round = turn;
            for (system, folder) in in_turn(turn, closed.each_ref()) {
                forget(folder)?;
                let server = run.programs.start(*system, folder).await?;
                run.catch_up(*system, load, &server, &kinesis(server.address, false)).await?;
            }
        }
    }
    read_back(run, &closed, &acknowledged).await
}

async fn read_back(run: &Run, sides: &[(System, PathBuf)], acknowledged: &[Tally]) -> Result<()> {
    for ((system, folder), acknowledged) in sides.iter().zip(acknowledged) {
        let server = run.programs.start(*system, folder).await?;
        load::read_back(&kinesis(server.address, false), *acknowledged).await?;
    }
    Ok(())
}

async fn put_to_get(run: &mut Run) -> Result<()> {
    let sides = sides(run, 1).await?;
    for turn in 0..TURNS {
        run.round = turn;
        for Side { system, fresh, .. } in in_turn(turn, sides.each_ref()) {
            run.tail(*system, &fresh.service, run.duration * TAIL_TURNS).await?;
        }
    }
    Ok(())
}

/// Both, started over empty folders, with a stream each.
async fn sides(run: &Run, shards: usize) -> Result<[Side; 2]> {
    let side = async |system, name| {
        let fresh = run.fresh(system, name, kinesis, shards).await?;
        anyhow::Ok(Side { system, folder: fresh.folder.clone(), fresh })
    };
    Ok([side(System::Kinetes, "now").await?, side(System::Earlier, "earlier").await?])
}

/// Both in the order of a turn: each is first as often as last.
fn in_turn<T>(turn: usize, mut sides: [T; 2]) -> [T; 2] {
    if turn % 2 == 1 {
        sides.reverse();
    }
    sides
}
