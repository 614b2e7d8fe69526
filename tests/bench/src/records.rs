//! What is put, and how it is known again: a count and a hash that do not depend on the order.

use std::hash::{DefaultHasher, Hash, Hasher};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Bytes of a record's data.
pub const RECORD_BYTES: usize = 1024;

/// Different requests of a case.
pub const DISTINCT_REQUESTS: usize = 64;

/// A record: random data under a random key.
pub struct Record {
    /// The partition key.
    pub key: String,
    /// [`RECORD_BYTES`] of data.
    pub data: Vec<u8>,
}

/// How many records, and a hash over all of them in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records.
    pub count: u64,
    /// The wrapping sum of their hashes.
    pub hash: u64,
}

impl Tally {
    /// Takes one more record in.
    pub fn add(&mut self, key: &[u8], data: &[u8]) {
        let mut hasher = DefaultHasher::new();
        (key, data).hash(&mut hasher);
        self.count += 1;
        self.hash = self.hash.wrapping_add(hasher.finish());
    }

    /// Takes all records of another tally in, `times` times.
    pub fn add_times(&mut self, other: Self, times: u64) {
        self.count += other.count * times;
        self.hash = self.hash.wrapping_add(other.hash.wrapping_mul(times));
    }
}

/// The records of each of a case's requests, `batch` a request; the same for the same `seed`.
#[must_use]
pub fn requests(batch: usize, seed: u64) -> Vec<Vec<Record>> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..DISTINCT_REQUESTS).map(|_| (0..batch).map(|_| record(&mut random)).collect()).collect()
}

/// The tally of these records.
#[must_use]
pub fn tally(records: &[Record]) -> Tally {
    let mut tally = Tally::default();
    for record in records {
        tally.add(record.key.as_bytes(), &record.data);
    }
    tally
}

fn record(random: &mut StdRng) -> Record {
    let mut data = vec![0; RECORD_BYTES];
    random.fill(&mut data[..]);
    Record { key: format!("customer-{:08x}", random.random::<u32>()), data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tally_is_the_same_in_any_order_and_differs_where_a_record_is_lost_doubled_or_changed() {
        let of = |records: &[(&str, &[u8])]| {
            let mut tally = Tally::default();
            records.iter().for_each(|(key, data)| tally.add(key.as_bytes(), data));
            tally
        };
        let whole = of(&[("a", b"1"), ("b", b"2")]);
        assert_eq!(whole, of(&[("b", b"2"), ("a", b"1")]));
        for other in
            [&[("a", &b"1"[..])][..], &[("a", b"1"), ("b", b"2"), ("b", b"2")], &[("a", b"1"), ("b", b"3")]]
        {
            assert_ne!(whole, of(other));
        }
    }

    #[test]
    fn tally_of_a_request_put_thrice_is_that_of_its_records_thrice() {
        let request = &requests(3, 7)[0];
        let (mut thrice, mut each) = (Tally::default(), Tally::default());
        thrice.add_times(tally(request), 3);
        for record in request.iter().chain(request).chain(request) {
            each.add(record.key.as_bytes(), &record.data);
        }
        assert_eq!(thrice, each);
    }
}
