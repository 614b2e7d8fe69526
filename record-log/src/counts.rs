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
    /// Recovery: incomplete batches at the end that were cut off.
    torn_tails,
    /// Recovery: ranges that are no batch, with good ones behind them.
    corrupt_headers,
    /// Recovery: good headers with a corrupt block, with good batches behind them.
    corrupt_blocks,
    /// Recovery: the newest segment's header was corrupt, so the log takes no appends.
    corrupt_newest_header,
    /// Recovery: the disk did not give the end of the newest segment, so the log takes no appends.
    unreadable_tail,
    /// Recovery: the newest segment had a footer, so the one behind it is lost, and the log takes no appends.
    missing_newest,
    /// Ends of the log that were lost and accepted, so that it takes appends again.
    corrupt_tails_accepted,
    /// Recovery: segments that are not there between others.
    missing_segments,
    /// Recovery: the segment before the oldest one was lost.
    missing_oldest,
    /// Recovery: the oldest segment's header was corrupt.
    corrupt_oldest_header,
    /// Recovery: one of the two slots was corrupt.
    corrupt_slots,
    /// Recovery: offsets that are not used, as records that cannot be read may have them.
    offsets_left_out,
    /// Recovery: the newest segment had no batch.
    empty_segments,
    /// Recovery: there was a spare.
    spares_found,
    /// Reads answered from the tail.
    tail_reads,
    /// Runs that a read left for the next one, as they were more than it had room for.
    runs_left,
    /// Segments whose index entries came from their footer.
    footers_read,
    /// Segments without a good footer that were read from front to back for their index entries.
    footers_rebuilt,
    /// Reads of corruption, refused.
    corrupt_reads,
    /// Reads that gave what they found before corruption, which the next read begins with.
    corrupt_reads_cut,
    /// Times that a read passed over corruption that was accepted.
    losses_passed,
}
