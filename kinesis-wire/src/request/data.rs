//! The data of a record that is put, decoded when it is known where the bytes belong.

use std::borrow::Cow;
use std::fmt;

/// Bytes that a request carries, each kind as its format has them. Two are equal if their bytes are.
#[derive(Clone)]
pub struct Data<'a>(Form<'a>);

#[derive(Clone)]
enum Form<'a> {
    Bytes(Cow<'a, [u8]>),
    /// Good base64, and how many bytes it stands for.
    Base64(Cow<'a, str>, usize),
}

impl<'a> Data<'a> {
    /// Bytes as they are.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self(Form::Bytes(bytes.into()))
    }

    /// What base64 (the standard alphabet, with padding) stands for; nothing if it is none.
    #[must_use]
    pub fn from_base64(text: Cow<'a, str>) -> Option<Self> {
        base64_simd::STANDARD.check(text.as_bytes()).ok()?;
        let bytes = base64_simd::STANDARD.decoded_length(text.as_bytes()).ok()?;
        Some(Self(Form::Base64(text, bytes)))
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Bytes(bytes) => bytes.len(),
            Form::Base64(_, bytes) => *bytes,
        }
    }

    /// There are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the bytes.
    pub fn append_to(&self, target: &mut Vec<u8>) {
        match &self.0 {
            Form::Bytes(bytes) => target.extend_from_slice(bytes),
            Form::Base64(text, _) => base64_simd::STANDARD
                .decode_append(text.as_bytes(), target)
                .expect("what was checked is base64"),
        }
    }

    fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        self.append_to(&mut bytes);
        bytes
    }
}

impl PartialEq for Data<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.to_vec() == other.to_vec()
    }
}

impl Eq for Data<'_> {}

impl fmt::Debug for Data<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_vec().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn base64_stands_for_the_bytes_it_was_made_of(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let text = base64_simd::STANDARD.encode_to_string(&bytes);
            let data = Data::from_base64(text.into()).unwrap();
            prop_assert_eq!(data.len(), bytes.len());
            prop_assert_eq!(data, Data::from_bytes(bytes));
        }

        #[test]
        fn what_is_taken_for_base64_can_be_decoded(text in "[A-D+/=]{0,12}") {
            let is_base64 = base64_simd::STANDARD.decode_to_vec(&text).is_ok();
            let data = Data::from_base64(text.into());
            prop_assert_eq!(data.is_some(), is_base64);
            if let Some(data) = data {
                prop_assert_eq!(data.to_vec().len(), data.len());
            }
        }
    }
}
