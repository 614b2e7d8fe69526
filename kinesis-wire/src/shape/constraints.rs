//! Finds what breaks the model's constraints, in AWS's words.

use std::fmt::{Display, Write};

use super::{Kind, Members, Shape, Value};
use crate::{Error, ErrorCode};

/// AWS lists at most so many.
const MAX_LISTED: usize = 10;

/// A text that is longer is not repeated in a message.
const MAX_REPEATED_CHARACTERS: usize = 2048;

/// Checks the members of a request.
///
/// # Errors
/// ValidationException with the first ten constraints that are broken, in the order of the shape's members.
pub(crate) fn check(shape: &Shape, members: &Members<'_>) -> Result<(), Error> {
    let mut findings = Findings::default();
    findings.structure(shape, members, "");
    let count = findings.broken.len();
    if count == 0 {
        return Ok(());
    }
    let errors = if count == 1 { "error" } else { "errors" };
    let message = format!("{count} validation {errors} detected: {}", findings.broken.join("; "));
    Err(Error::new(ErrorCode::ValidationException, message))
}

/// Whether a text keeps all constraints of its shape.
pub(crate) fn text_fits(shape: &Shape, text: &str) -> bool {
    let matches = shape.pattern.is_none_or(|pattern| (pattern.matches)(text));
    let known = shape.values.is_empty() || shape.values.contains(&text);
    matches && known && length_fits(shape, text)
}

/// Whether bytes keep all constraints of their shape.
pub(crate) fn blob_fits(shape: &Shape, bytes: usize) -> bool {
    within(shape, bytes as u64)
}

fn length_fits(shape: &Shape, text: &str) -> bool {
    // A character has at most four bytes: most texts need no counting.
    let bytes = text.len() as u64;
    let surely =
        shape.min.is_none_or(|min| bytes.div_ceil(4) >= min) && shape.max.is_none_or(|max| bytes <= max);
    surely || within(shape, text.chars().count() as u64)
}

fn within(shape: &Shape, size: u64) -> bool {
    shape.min.is_none_or(|min| size >= min) && shape.max.is_none_or(|max| size <= max)
}

fn is_fitting_text(shape: &Shape, value: Option<&Value<'_>>) -> bool {
    matches!(value, Some(Value::Text(text)) if text_fits(shape, text))
}

fn at_least(min: u64) -> String {
    format!("Member must have length greater than or equal to {min}")
}

fn at_most(max: u64) -> String {
    format!("Member must have length less than or equal to {max}")
}

fn one_of(values: &[&str]) -> String {
    format!("Member must satisfy enum value set: [{}]", values.join(", "))
}

/// What is broken so far.
#[derive(Default)]
struct Findings {
    broken: Vec<String>,
}

impl Findings {
    fn structure(&mut self, shape: &Shape, members: &Members<'_>, path: &str) {
        let Kind::Structure(known) = shape.kind else { return };
        for member in known {
            let path =
                format!("{path}{}{}", if path.is_empty() { "" } else { "." }, lower_camel(member.name));
            match members.get(member.name) {
                Some(value) => self.value(member.shape, value, &path),
                None if member.required => self.null(&path),
                None => {}
            }
        }
    }

    fn value(&mut self, shape: &Shape, value: &Value<'_>, path: &str) {
        match value {
            Value::Text(text) => self.text(shape, text, path),
            Value::Integer(value) => self.integer(shape, *value, path),
            Value::Blob(bytes) => self.length(shape, bytes.len(), None, path),
            Value::List(elements) => {
                self.length(shape, elements.len(), None, path);
                self.elements(shape, elements, path);
            }
            Value::Map(entries) => {
                self.length(shape, entries.len(), None, path);
                self.entries(shape, entries, path);
            }
            Value::Structure(members) => self.structure(shape, members, path),
            Value::Boolean(_) | Value::TimestampMs(_) => {}
        }
    }

    fn text(&mut self, shape: &Shape, text: &str, path: &str) {
        let repeated = (text.len() <= MAX_REPEATED_CHARACTERS).then_some(text);
        if let Some(pattern) = shape.pattern.filter(|pattern| !(pattern.matches)(text)) {
            self.broken(
                repeated,
                path,
                format_args!("Member must satisfy regular expression pattern: {pattern:?}"),
            );
        }
        if !shape.values.is_empty() && !shape.values.contains(&text) {
            self.broken(repeated, path, one_of(shape.values));
        }
        if !length_fits(shape, text) {
            self.length(shape, text.chars().count(), repeated, path);
        }
    }

    fn integer(&mut self, shape: &Shape, value: i32, path: &str) {
        if let Some(min) = shape.min.filter(|min| i64::from(value) < *min as i64) {
            let constraint = format_args!("Member must have value greater than or equal to {min}");
            self.broken(Some(value), path, constraint);
        }
        if let Some(max) = shape.max.filter(|max| i64::from(value) > *max as i64) {
            self.broken(
                Some(value),
                path,
                format_args!("Member must have value less than or equal to {max}"),
            );
        }
    }

    fn length(&mut self, shape: &Shape, length: usize, value: Option<&str>, path: &str) {
        let length = length as u64;
        if let Some(min) = shape.min.filter(|min| length < *min) {
            self.broken(value, path, at_least(min));
        }
        if let Some(max) = shape.max.filter(|max| length > *max) {
            self.broken(value, path, at_most(max));
        }
    }

    fn elements(&mut self, shape: &Shape, elements: &[Option<Value<'_>>], path: &str) {
        let Kind::List(member) = shape.kind else { return };
        if let Kind::Text = member.kind {
            let fit = elements.iter().all(|text| is_fitting_text(member, text.as_ref()));
            return self.together(fit, "Member", member, path);
        }
        for (index, element) in elements.iter().enumerate() {
            if self.broken.len() >= MAX_LISTED {
                return;
            }
            let path = format!("{path}.{}.member", index + 1);
            match element {
                Some(value) => self.value(member, value, &path),
                None => self.null(&path),
            }
        }
    }

    fn entries<'a>(
        &mut self,
        shape: &Shape,
        entries: impl IntoIterator<Item = (impl AsRef<str>, &'a Option<Value<'a>>)>,
        path: &str,
    ) {
        let Kind::Map(key_shape, value_shape) = shape.kind else { return };
        let (mut keys_fit, mut values_fit) = (true, true);
        for (key, value) in entries {
            keys_fit &= text_fits(key_shape, key.as_ref());
            values_fit &= is_fitting_text(value_shape, value.as_ref());
        }
        self.together(keys_fit, "Map keys", key_shape, path);
        self.together(values_fit, "Map value", value_shape, path);
    }

    /// Texts in a list or map are judged together: one finding, which lists all that each of them must keep.
    fn together(&mut self, fit: bool, what: &str, shape: &Shape, path: &str) {
        if fit {
            return;
        }
        let mut constraints = Vec::new();
        constraints.extend(shape.max.map(at_most));
        constraints.extend(shape.min.map(at_least));
        constraints.extend((!shape.values.is_empty()).then(|| one_of(shape.values)));
        let constraints = constraints.join(", ");
        self.broken(None::<&str>, path, format_args!("{what} must satisfy constraint: [{constraints}]"));
    }

    fn null(&mut self, path: &str) {
        self.add(format!("Value null at '{path}' failed to satisfy constraint: Member must not be null"));
    }

    /// Adds a finding. What has no value to repeat, or one that may be long, is named by its path alone, as AWS
    /// does in its newer messages.
    fn broken(&mut self, value: Option<impl Display>, path: &str, constraint: impl Display) {
        let mut text = String::from("Value");
        if let Some(value) = value {
            let _ = write!(text, " '{value}'");
        }
        let _ = write!(text, " at '{path}' failed to satisfy constraint: {constraint}");
        self.add(text);
    }

    fn add(&mut self, text: String) {
        if self.broken.len() < MAX_LISTED {
            self.broken.push(text);
        }
    }
}

/// `streamName` of `StreamName`; AWS lowers but the first letter.
fn lower_camel(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(characters).collect()
}
