//! The SHA-256 of a body that its sender may tell in X-Amz-Content-SHA256.

use sha2::{Digest, Sha256};

/// Whether a body is not the one that was hashed. What is no hash, as UNSIGNED-PAYLOAD, says nothing about it.
pub fn contradicts(told: &str, body: &[u8]) -> bool {
    let Some(told) = decoded(told) else { return false };
    told != Sha256::digest(body)[..]
}

fn decoded(told: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if told.len() != 2 * hash.len() || !told.is_ascii() {
        return None;
    }
    for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&told[at..at + 2], 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of FIPS 180-4's example message "abc".
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn only_a_hash_of_another_body_contradicts() {
        assert!(!contradicts(ABC, b"abc"));
        assert!(!contradicts(&ABC.to_uppercase(), b"abc"));
        assert!(contradicts(ABC, b"abd"));
        for no_hash in ["UNSIGNED-PAYLOAD", "", &ABC[1..], &ABC.replace('b', "ü")] {
            assert!(!contradicts(no_hash, b"abd"), "{no_hash}");
        }
    }
}
