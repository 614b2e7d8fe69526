//! The keys that seal tokens. One key seals and two keys open, so that a key can be rotated while tokens are valid.

use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;

const PREFIX: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 1];
const NONCE_BYTES: usize = 16;
const BLOCK_BYTES: usize = 16;
const TAG_BYTES: usize = 32;
/// The least length of a key: that of the HMAC tag.
pub const MIN_KEY_BYTES: usize = 32;

/// A key has fewer bytes than [`MIN_KEY_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key needs at least {MIN_KEY_BYTES} bytes, this one has {0}")]
pub struct WeakKey(usize);

/// The purpose of a token. A token of one purpose does not open as one of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Iterator,
    ShardPage,
    StreamPage,
    ConsumerPage,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Iterator => b"shard-iterator",
            Self::ShardPage => b"shard-page",
            Self::StreamPage => b"stream-page",
            Self::ConsumerPage => b"consumer-page",
        }
    }
}

/// The keys of an installation.
#[derive(Clone)]
pub struct TokenKeys {
    current: Hmac<Sha256>,
    previous: Option<Hmac<Sha256>>,
}

impl TokenKeys {
    /// `current` seals; both keys open.
    ///
    /// # Errors
    /// If a key is too short.
    pub fn new(current: &[u8], previous: Option<&[u8]>) -> Result<Self, WeakKey> {
        Ok(Self { current: mac_of(current)?, previous: previous.map(mac_of).transpose()? })
    }

    /// Seals a value as a token, a different one at every call.
    pub(super) fn seal(&self, purpose: Purpose, value: &impl Serialize) -> Option<String> {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let mut bytes = [&PREFIX[..], &nonce].concat();
        bytes.extend(postcard::to_allocvec(value).ok()?);
        let payload_bytes = bytes.len() - PREFIX.len() - NONCE_BYTES;
        bytes.resize(PREFIX.len() + NONCE_BYTES + payload_bytes.next_multiple_of(BLOCK_BYTES), 0);
        let tag = self.current.clone().chain_update(purpose.label()).chain_update(&bytes).finalize();
        bytes.extend(tag.into_bytes());
        Some(base64_simd::STANDARD.encode_to_string(bytes))
    }

    /// The value of a token, if one of the keys sealed it for this purpose.
    pub(super) fn open<T: DeserializeOwned>(&self, purpose: Purpose, token: &str) -> Option<T> {
        let bytes = base64_simd::STANDARD.decode_to_vec(token).ok()?;
        let (sealed, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        let opens = |key: &Hmac<Sha256>| {
            key.clone().chain_update(purpose.label()).chain_update(sealed).verify_slice(tag).is_ok()
        };
        if !opens(&self.current) && !self.previous.as_ref().is_some_and(opens) {
            return None;
        }
        let payload = sealed.strip_prefix(&PREFIX)?.get(NONCE_BYTES..)?;
        postcard::take_from_bytes(payload).ok().map(|(value, _zeros)| value)
    }
}

fn mac_of(key: &[u8]) -> Result<Hmac<Sha256>, WeakKey> {
    if key.len() < MIN_KEY_BYTES {
        return Err(WeakKey(key.len()));
    }
    Hmac::new_from_slice(key).map_err(|_| WeakKey(key.len()))
}

/// The folder of a mounted Secret with the keys: the files `current` and, during a rotation, `previous`.
#[derive(Clone, Debug)]
pub struct KeyFiles {
    folder: PathBuf,
}

impl KeyFiles {
    /// The keys in this folder. Reads nothing yet.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// If `current` cannot be read, or a key is too short. An absent `previous` is no error.
    pub fn read(&self) -> anyhow::Result<TokenKeys> {
        use anyhow::Context as _;
        let current = self.folder.join("current");
        let current = std::fs::read(&current)
            .with_context(|| format!("read the iterator key {}", current.display()))?;
        let previous = match std::fs::read(self.folder.join("previous")) {
            Ok(key) => Some(key),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).context("read the previous iterator key"),
        };
        TokenKeys::new(&current, previous.as_deref())
            .with_context(|| format!("the iterator keys in {}", self.folder.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_of_31_bytes_is_refused() {
        assert!(TokenKeys::new(&[1; 31], None).is_err());
        assert!(TokenKeys::new(&[1; 32], Some(&[2; 31])).is_err());
    }

    #[test]
    fn token_of_one_purpose_does_not_open_as_another() {
        let keys = TokenKeys::new(&[1; 32], None).unwrap();
        let token = keys.seal(Purpose::Iterator, &7u64).unwrap();
        assert_eq!(keys.open::<u64>(Purpose::Iterator, &token), Some(7));
        assert_eq!(keys.open::<u64>(Purpose::ShardPage, &token), None);
    }

    #[test]
    fn token_with_any_changed_byte_does_not_open() {
        let keys = TokenKeys::new(&[1; 32], None).unwrap();
        let bytes =
            base64_simd::STANDARD.decode_to_vec(keys.seal(Purpose::Iterator, &7u64).unwrap()).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let token = base64_simd::STANDARD.encode_to_string(changed);
            assert_eq!(keys.open::<u64>(Purpose::Iterator, &token), None, "byte {at}");
        }
    }

    #[test]
    fn previous_key_may_be_absent_and_the_current_key_may_not() {
        let folder = tempfile::tempdir().unwrap();
        let files = KeyFiles::new(folder.path());
        assert!(files.read().is_err());
        std::fs::write(folder.path().join("current"), [1; 32]).unwrap();
        assert!(files.read().is_ok());
        std::fs::write(folder.path().join("previous"), [1; 8]).unwrap();
        assert!(files.read().is_err());
    }
}
