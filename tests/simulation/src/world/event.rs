//! What happens in a world.

use crate::totals::named;

named! {
    /// The operations on the log, its answers, and what happened around it.
    Event {
        /// The log was opened, and takes no appends.
        OpenedStopped = "opened, stopped",
        /// The log was not opened.
        DidNotOpen = "did not open",
        /// The log was opened, whole or with corruption.
        Opened = "opened",
        /// A later version was installed, for the first time or again.
        RolledForward = "rolled forward",
        /// This version was installed in place of a later one.
        RolledBack = "rolled back",
        /// The log was not opened, as a newer version wrote it.
        RefusedAsNewer = "did not open, newer",
        /// The log was opened to be read alone, as a newer version wrote it.
        OpenedReadOnly = "opened, read-only",
        /// A read was refused, as a newer version wrote what comes next.
        ReadRefusedAsNewer = "read, newer",
        /// The world ended, as its log does not open any more.
        EndedEarly = "ended early",
        /// Records were appended.
        Append = "append",
        /// They were not, as the disk is full.
        AppendFull = "append, disk full",
        /// Whether they were appended is unknown.
        AppendNotAnswered = "append, not answered",
        /// They were not, as the log could not go on.
        AppendStopped = "append, stopped",
        /// The log was maintained.
        Maintain = "maintain",
        /// The retention was set.
        SetRetention = "set retention",
        /// Shards were split or merged.
        Reshard = "reshard",
        /// An operation that was done was asked for again.
        ReshardAgain = "reshard, done before",
        /// They were not, as the disk is full.
        ReshardFull = "reshard, disk full",
        /// Whether they were is unknown.
        ReshardNotAnswered = "reshard, not answered",
        /// A sealed shard has expired.
        ShardExpired = "shard expired",
        /// The last batch was confirmed.
        Confirm = "confirm",
        /// The loss of what is corrupt was accepted.
        AcceptLoss = "accept loss",
        /// One of these was refused, as the disk is full.
        ControlFull = "control, disk full",
        /// One of these stopped the log.
        ControlStopped = "control, stopped",
        /// The wall clock was far from log time, which went on without it.
        ClockSuspect = "clock suspect",
        /// The log gave back memory.
        Rest = "rest",
        /// Somebody set the clock.
        ClockStep = "clock step",
        /// Time passed.
        TimePasses = "time passes",
        /// The disk grew.
        MoreRoom = "more room",
        /// The machine is to crash in what follows.
        CrashPlanned = "crash planned",
        /// The machine crashed, between two operations or in one.
        MachineRestart = "machine restart",
        /// The process was killed.
        ProcessRestart = "process restart",
        /// The disk was corrupted.
        Corruption = "corruption",
        /// Something was read.
        Read = "read",
        /// A read would have had to wait.
        ReadWouldBlock = "read, would block",
        /// A read was refused.
        ReadRefused = "read, refused",
        /// A shard was read from front to back.
        ReadAll = "read all",
        /// A read was made between two operations of a write.
        ReadInAWrite = "read in the midst of a write",
        /// Writes were made between two operations of a read.
        WritesInARead = "writes in the midst of a read",
        /// The world ended.
        End = "end",
    }
}
