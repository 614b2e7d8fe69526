//! How often each thing happened over many worlds.

use std::collections::BTreeMap;
use std::fmt;

/// Defines an enum of events. Every world's totals have all variants, so that an event that never happens shows.
macro_rules! named {
    ($(#[$doc:meta])* $kind:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $kind {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $kind {
            /// All variants.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in the totals.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

pub(crate) use named;

/// Sums by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    sums: BTreeMap<String, u64>,
}

impl Totals {
    /// Adds to a sum, which is there from then on even if it is 0.
    pub fn add(&mut self, name: &str, count: u64) {
        *self.sums.entry(name.into()).or_default() += count;
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        other.sums.iter().for_each(|(name, count)| self.add(name, *count));
    }

    /// The names of what never happened.
    #[must_use]
    pub fn never(&self) -> Vec<&str> {
        self.sums.iter().filter(|(_, count)| **count == 0).map(|(name, _)| name.as_str()).collect()
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.sums {
            writeln!(formatter, "{count:>12}  {name}")?;
        }
        Ok(())
    }
}
