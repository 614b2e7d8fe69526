//! The rules of tags (AWS API reference, AddTagsToStream and TagResource).

use std::collections::BTreeMap;

use super::{Refusal, RefusalCode};

/// Tags, sorted by key.
pub type Tags = BTreeMap<String, String>;

/// The most tags of a stream or consumer.
pub const MAX_TAGS: usize = 50;

/// The refusal of tags, keys or values that have letters that tags may not have, or keys that are reserved.
///
/// `doing` is how the message begins: `add tags to stream orders under account 000000000000`.
pub(crate) fn check_texts<'t>(
    keys: impl Iterator<Item = &'t str> + Clone,
    values: impl Iterator<Item = &'t str> + Clone,
    doing: &str,
) -> Result<(), Refusal> {
    let mut texts = keys.clone().chain(values);
    if texts.clone().any(|text| !text.chars().all(is_known)) {
        return Err(invalid(
            "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + \
             - % @ :.",
        ));
    }
    // AWS lists the percent sign among the valid characters, and yet refuses it.
    if texts.any(|text| text.contains('%')) {
        return Err(invalid(format!(
            "Failed to {doing} because some tags contained illegal characters. The allowed characters are Unicode \
             letters, white-spaces, '_',',','/','=','+','-','@',':'."
        )));
    }
    if keys.clone().any(|key| key.starts_with("aws:")) {
        return Err(invalid(format!(
            "Failed to {doing} because keys that begin with aws: are reserved: choose other ones."
        )));
    }
    Ok(())
}

/// These tags with others added.
///
/// # Errors
/// If a tag breaks a rule, or there are too many.
pub(crate) fn added(tags: &Tags, more: &Tags, resource: &str) -> Result<Tags, Refusal> {
    let doing = format!("add tags to {resource}");
    check_texts(more.keys().map(String::as_str), more.values().map(String::as_str), &doing)?;
    let mut all = tags.clone();
    all.extend(more.clone());
    if all.len() > MAX_TAGS {
        return Err(invalid(format!(
            "Failed to {doing} because a given resource cannot have more than {MAX_TAGS} tags associated with it."
        )));
    }
    Ok(all)
}

/// These tags without those of some keys.
///
/// # Errors
/// If a key breaks a rule.
pub(crate) fn removed(tags: &Tags, keys: &[String], resource: &str) -> Result<Tags, Refusal> {
    let doing = format!("remove tags from {resource}");
    check_texts(keys.iter().map(String::as_str), std::iter::empty(), &doing)?;
    let mut rest = tags.clone();
    rest.retain(|key, _| !keys.contains(key));
    Ok(rest)
}

fn is_known(letter: char) -> bool {
    letter.is_alphanumeric() || letter.is_whitespace() || "_./=+-%@:".contains(letter)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(RefusalCode::InvalidArgument, message)
}

impl super::TagResource {
    /// The tags of the stream or consumer after the call.
    ///
    /// # Errors
    /// If a tag breaks a rule, or there are too many.
    pub fn applied_to(&self, tags: &Tags) -> Result<Tags, Refusal> {
        added(tags, &self.tags, &resource(&self.stream, self.consumer.as_ref()))
    }
}

impl super::UntagResource {
    /// The tags of the stream or consumer after the call.
    ///
    /// # Errors
    /// If a key breaks a rule.
    pub fn applied_to(&self, tags: &Tags) -> Result<Tags, Refusal> {
        removed(tags, &self.keys, &resource(&self.stream, self.consumer.as_ref()))
    }
}

impl super::RegisterConsumer {
    /// Checks the tags of a new consumer.
    ///
    /// # Errors
    /// If a tag breaks a rule, or there are too many.
    pub fn check_tags(&self) -> Result<(), Refusal> {
        let consumer = super::ConsumerKey { name: self.name.clone(), created_seconds: None };
        added(&Tags::new(), &self.tags, &resource(&self.stream, Some(&consumer))).map(drop)
    }
}

impl super::CreateStream {
    /// Checks the tags of a new stream.
    ///
    /// # Errors
    /// If a tag breaks a rule, or there are too many.
    pub fn check_tags(&self) -> Result<(), Refusal> {
        let resource = format!("stream {} under account {}", self.name, self.account_id);
        added(&Tags::new(), &self.tags, &resource).map(drop)
    }
}

fn resource(stream: &super::StreamKey, consumer: Option<&super::ConsumerKey>) -> String {
    let super::StreamKey { account_id, name, .. } = stream;
    match consumer {
        None => format!("stream {name} under account {account_id}"),
        Some(consumer) => format!("consumer {} of stream {name} under account {account_id}", consumer.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{StreamKey, TagResource, UntagResource};

    fn stream() -> StreamKey {
        StreamKey { account_id: "000000000000".into(), region: None, name: "orders".parse().unwrap() }
    }

    fn add(tags: &[(&str, &str)]) -> Result<Tags, Refusal> {
        let tags = tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        TagResource { stream: stream(), consumer: None, tags }.applied_to(&Tags::new())
    }

    #[test]
    fn letters_of_any_script_and_the_listed_signs_are_allowed() {
        assert_eq!(add(&[("Größe 漢字_.:/=+-@1", "")]).unwrap().len(), 1);
    }

    #[test]
    fn other_signs_the_percent_sign_and_reserved_keys_have_errors_of_their_own() {
        let message = |tags: &[(&str, &str)]| {
            let refusal = add(tags).unwrap_err();
            assert_eq!(refusal.code, RefusalCode::InvalidArgument);
            refusal.message
        };
        assert!(message(&[("a", "b;")]).starts_with("Some tags contain invalid characters."));
        let percent = message(&[("a%", "b")]);
        assert!(
            percent.starts_with(
                "Failed to add tags to stream orders under account 000000000000 because some tags contained illegal"
            ),
            "{percent}"
        );
        assert!(message(&[("aws:a", "b")]).contains("reserved"));
    }

    #[test]
    fn fifty_tags_are_the_most_whichever_calls_add_them() {
        let numbered = |numbers: std::ops::Range<u32>| -> Tags {
            numbers.map(|number| (number.to_string(), String::new())).collect()
        };
        let call = |tags| TagResource { stream: stream(), consumer: None, tags };
        let fifty = call(numbered(10..50)).applied_to(&numbered(0..10)).unwrap();
        assert_eq!(call(numbered(0..50)).applied_to(&fifty), Ok(fifty.clone()));
        assert!(call(numbered(50..51)).applied_to(&fifty).is_err());
    }

    #[test]
    fn keys_that_are_not_there_are_removed_without_an_error() {
        let tags = add(&[("a", "1"), ("b", "2")]).unwrap();
        let remove = |keys: &[&str]| {
            let keys = keys.iter().map(|key| (*key).into()).collect();
            UntagResource { stream: stream(), consumer: None, keys }.applied_to(&tags)
        };
        assert_eq!(remove(&["a", "c"]).unwrap().into_keys().collect::<Vec<_>>(), ["b"]);
        assert!(remove(&["a%"]).unwrap_err().message.starts_with("Failed to remove tags from stream orders"));
    }
}
