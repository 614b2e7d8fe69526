//! What a log did, counted since it was opened.

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// How often each thing happened.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counts {
            /// Every count with its name.
            #[must_use]
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

counts! {
    /// Batches of records.
    batches,
    /// First batches of a term: one an opening behind which something is written.
    terms_begun,
    /// Empty batches that confirmed the one before.
    confirmations,
    /// Segments begun.
    segments_begun,
    /// Segments begun in an expired one.
    segments_recycled,
    /// Segments begun smaller than wanted, as the disk had no more.
    segments_small,
    /// Segments closed with a footer.
    footers_written,
    /// Footers that could not be written; the segment is read from front to back instead.
    footers_failed,
    /// Times that the oldest records expired.
    trims,
    /// Segments that expired.
    segments_trimmed,
    /// Times that the disk had no room for a segment.
    full,
    /// Times that it had room again.
    room_again,
    /// Recovery: torn tails, which were cut off.
    torn_tails,
    /// Recovery: ranges without a batch, with good batches behind them.
    corrupt_headers,
    /// Recovery: good headers with a corrupt block, with good batches behind them.
    corrupt_blocks,
    /// Recovery: the newest segment's header was corrupt, so the log takes no appends.
    corrupt_newest_header,
    /// Recovery: the disk did not give the end of the newest segment, so the log takes no appends.
    unreadable_tail,
    /// Recovery: the newest segment had a footer, so the one behind it is missing, and the log takes no appends.
    missing_newest,
    /// Corrupt tails whose loss was accepted, so that the log takes appends again.
    corrupt_tails_accepted,
    /// Recovery: segments missing between others.
    missing_segments,
    /// Recovery: the segment before the oldest one was missing.
    missing_oldest,
    /// Recovery: the oldest segment's header was corrupt.
    corrupt_oldest_header,
    /// Recovery: one of the two slots was corrupt.
    corrupt_slots,
    /// Recovery: offsets that were skipped, as unreadable records may have them.
    offsets_left_out,
    /// Recovery: the newest segment had no batch.
    empty_segments,
    /// Recovery: there was a spare.
    spares_found,
    /// Reads answered from the tail.
    tail_reads,
    /// Runs that a read left for the next one, as they did not fit.
    runs_left,
    /// Segments whose index came from their footer.
    footers_read,
    /// Segments without a good footer, read from front to back to rebuild their index.
    footers_rebuilt,
    /// Reads that were refused for corruption.
    corrupt_reads,
    /// Reads that gave what they found before corruption, which the next read begins with.
    corrupt_reads_cut,
    /// Times that a read passed over an accepted loss.
    losses_passed,
}
