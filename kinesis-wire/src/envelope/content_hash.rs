//! The SHA-256 of a body that its sender may declare in X-Amz-Content-SHA256.

use sha2::{Digest, Sha256};

/// Whether a body is not the one that was hashed. What is no hash, as UNSIGNED-PAYLOAD, says nothing about it.
pub fn contradicts(declared: &str, body: &[u8]) -> bool {
    let Some(declared) = decoded(declared) else { return false };
    declared != Sha256::digest(body)[..]
}

fn decoded(declared: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if declared.len() != 2 * hash.len() || !declared.is_ascii() {
        return None;
    }
    for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&declared[at..at + 2], 16).ok()?;
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
