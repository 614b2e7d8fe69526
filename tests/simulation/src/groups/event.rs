//! The events and faults of a world of groups.

use crate::totals::named;

named! {
    /// The requests and replies, and what happened around them.
    Event {
        /// A process opened a group's log.
        Opened = "groups: opened",
        /// A batch that must not follow a log's end was refused by its state.
        StaleRefused = "groups: stale batch refused",
        /// A core got a report on a write of an earlier opening.
        ReportedLate = "groups: late report of another opening",
        /// A process waited for the lock of one that still ran.
        WaitedForLock = "groups: waited for the lock",
        /// A router sent an append.
        Append = "groups: append sent",
        /// All runs of an append were acknowledged.
        Acknowledged = "groups: append acknowledged",
        /// A group answered again what it had stored.
        AnsweredAgain = "groups: repeated append answered again",
        /// A reply said that a shard is not in the group.
        NotHere = "groups: not here",
        /// A reply said that nothing was done.
        NotDone = "groups: not done",
        /// A call came after its deadline.
        Late = "groups: not done, late",
        /// The store had no room.
        Full = "groups: not done, full",
        /// A group took no calls any more.
        Halted = "groups: not done, halted",
        /// An append was sent again, as it was certainly not done.
        SentAgain = "groups: append sent again",
        /// The outcome of an append stayed unknown.
        OutcomeUnknown = "groups: outcome unknown",
        /// One of those was stored all the same.
        UnknownStored = "groups: outcome unknown, stored",
        /// And one was not.
        UnknownNotStored = "groups: outcome unknown, not stored",
        /// Nobody listened at a group's address.
        Refused = "groups: connection refused",
        /// A router took a newer copy of the catalog.
        CatalogLearned = "groups: catalog copied",
        /// Records were read.
        Read = "groups: read",
        /// A reader was at the tip.
        ReadTip = "groups: read at the tip",
        /// A reader began behind all that was there.
        ReadLatest = "groups: read from the latest",
        /// A reader began at a time.
        ReadTimestamp = "groups: read from a time",
        /// A reader passed over records that had expired.
        ReadPassedExpired = "groups: read past what expired",
        /// Shards were split or merged.
        Resharded = "groups: resharded",
        /// An operation that was done came again, and got its outcome again.
        ReshardedAgain = "groups: resharded before",
        /// An operation that does not fit was refused.
        ReshardRefused = "groups: reshard refused",
        /// A router's records came behind a seal, and were sent to the shards that took over.
        Rehashed = "groups: append rehashed",
        /// A reader came to the end of a sealed shard.
        ReadEnd = "groups: read to the end of a shard",
        /// A reader asked for a shard that had expired.
        ShardExpired = "groups: shard expired",
        /// The retention was set.
        SetRetention = "groups: retention set",
        /// The core proposed a trim.
        Trim = "groups: trim proposed",
        /// Segments were removed.
        SegmentsRemoved = "groups: segments removed",
        /// The core stepped its log's time.
        ClockStep = "groups: clock step taken",
        /// A wall clock was more than an hour ahead of log time, and nobody agreed.
        ClockSuspect = "groups: clock step not taken",
        /// The last batch was confirmed.
        Confirmed = "groups: confirmed when quiet",
        /// Several batches were under way at once.
        SeveralUnderWay = "groups: several batches under way",
        /// A batch that a crash cut off was durable or not, unknown to all.
        CrashKept = "groups: unanswered batch survived a crash",
        /// And one was lost.
        CrashLost = "groups: unanswered batch lost in a crash",
        /// A newer program's field was passed over.
        FieldPassedOver = "groups: unknown field passed over",
        /// A request without a field that older programs leave out was served.
        FieldAbsent = "groups: field absent",
        /// A request required what was not known.
        Unsupported = "groups: unsupported",
        /// A router did not know an outcome.
        UnknownOutcome = "groups: outcome not understood",
        /// The world ended, at rest and with all read.
        End = "groups: end",
    }
}

named! {
    /// The faults.
    Fault {
        /// A process of a group was killed.
        ProcessCrash = "groups fault: process crash",
        /// A machine crashed, and its boottime clock began anew.
        MachineCrash = "groups fault: machine crash",
        /// A pod was deleted by force, and its process went on for a while.
        ForceDeleted = "groups fault: pod deleted by force",
        /// A router started anew.
        RouterCrash = "groups fault: router crash",
        /// A store had no room.
        FullStore = "groups fault: full store",
        /// A write failed.
        FailedWrite = "groups fault: failed write",
        /// A store took seconds.
        SlowStore = "groups fault: slow store",
        /// A message was dropped.
        Dropped = "groups fault: message dropped",
        /// A message came twice.
        Repeated = "groups fault: message repeated",
        /// A message was passed by later ones.
        Slow = "groups fault: message slow",
        /// Two nodes did not reach each other.
        Cut = "groups fault: network cut",
        /// A wall clock was set off by less than an hour.
        SmallStep = "groups fault: clock off by minutes",
        /// By hours or days ahead.
        ForwardStep = "groups fault: clock far ahead",
        /// By hours or days behind.
        BackStep = "groups fault: clock far behind",
        /// All clocks were set off by the same time.
        AllStep = "groups fault: all clocks off alike",
        /// A wall clock was set right again.
        RightAgain = "groups fault: clock right again",
    }
}
