//! What AWS would say of a request: the rules of botocore's model, applied here once more and by other means than in
//! the crate, in the kept wordings.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use regex::Regex;

use crate::model::Shape;
use crate::tree::{Form, Tree};
use crate::wordings::{CLASSES, CONSTRAINTS, ELEMENT_CONSTRAINTS, PRINTED_ENUMS, TYPES, Wording, text_of};

/// What is wrong with a request.
#[derive(Debug, PartialEq)]
pub enum Expected {
    /// The type of a member.
    Type(String),
    /// Constraints, all of them.
    Constraints(Vec<String>),
    /// Nothing that the model knows.
    Nothing,
}

/// What AWS says of a request.
pub fn expected(input: Shape, request: &Tree, form: Form) -> Expected {
    if let Some(fault) = type_fault(input, request, form) {
        return Expected::Type(fault);
    }
    let mut findings = Vec::new();
    members(input, request, "", &mut findings);
    if findings.is_empty() { Expected::Nothing } else { Expected::Constraints(findings) }
}

/// How many constraints a value breaks, if its type is right.
pub fn broken_constraints(shape: Shape, value: &Tree) -> usize {
    let mut findings = Vec::new();
    if type_fault(shape, value, Form::Json).is_none() {
        constraints(shape, value, "", &mut findings);
    }
    findings.len()
}

/// Whether bytes are where the model wants none.
pub fn has_misplaced_bytes(input: Shape, request: &Tree) -> bool {
    type_fault(input, request, Form::CborWithLengths)
        .is_some_and(|fault| fault.contains(text_of(CLASSES, "bytes")))
}

/// The text for the first value of a wrong type.
fn type_fault(shape: Shape, value: &Tree, form: Form) -> Option<String> {
    let wanted = shape.kind();
    let class = match value {
        Tree::Null => return None,
        Tree::List(elements) if wanted == "list" => {
            return elements.iter().find_map(|element| type_fault(shape.element(), element, form));
        }
        Tree::Map(entries) if wanted == "map" => {
            let (_, value_shape) = shape.entry();
            return entries.iter().find_map(|(_, value)| type_fault(value_shape, value, form));
        }
        Tree::Map(members) if wanted == "structure" => {
            return members.iter().find_map(|(name, value)| {
                let (_, member, _) = shape.members().find(|(other, _, _)| other == name)?;
                type_fault(member, value, form)
            });
        }
        Tree::List(_) => return Some(text_of(TYPES, "any list").into()),
        Tree::Map(_) => return Some(text_of(TYPES, "any map").into()),
        Tree::Boolean(_) if wanted == "boolean" => return None,
        Tree::Boolean(_) => "boolean",
        Tree::Integer(_) | Tree::Fraction(_) if matches!(wanted, "integer" | "timestamp") => return None,
        Tree::Time(_) if wanted == "timestamp" => return None,
        Tree::Integer(_) | Tree::Fraction(_) | Tree::Time(_) => "number",
        Tree::Text(_) if wanted == "string" => return None,
        Tree::Text(text) if wanted == "boolean" => {
            let text = text.to_uppercase();
            let fault = text_of(TYPES, "boolean text").replace("{text}", &text);
            return (!["TRUE", "FALSE", "YES", "NO", "1", "0"].contains(&text.as_str())).then_some(fault);
        }
        Tree::Text(text) if wanted == "blob" && form == Form::Json => {
            let fault = text_of(TYPES, "blob text").replace("{text}", text);
            return Some(fault.replace("{n}", &text.len().to_string()));
        }
        Tree::Text(_) => "text",
        Tree::Blob(_) if wanted == "blob" => return None,
        Tree::Blob(_) => "bytes",
    };
    let fault = text_of(TYPES, &format!("{wanted} scalar"));
    Some(fault.replace("{class}", text_of(CLASSES, class)))
}

fn members(shape: Shape, value: &Tree, path: &str, findings: &mut Vec<String>) {
    let Tree::Map(given) = value else { return };
    for (name, member, is_required) in shape.members() {
        let (first, rest) = name.split_at(1);
        let dot = if path.is_empty() { "" } else { "." };
        let path = format!("{path}{dot}{}{rest}", first.to_lowercase());
        match given.iter().find(|(other, _)| other == name).map(|(_, value)| value) {
            None | Some(Tree::Null) if is_required => findings.push(finding("null", &path, None, member)),
            None | Some(Tree::Null) => {}
            Some(value) => constraints(member, value, &path, findings),
        }
    }
}

fn constraints(shape: Shape, value: &Tree, path: &str, findings: &mut Vec<String>) {
    let mut broken = |case: &str, value: Option<String>| findings.push(finding(case, path, value, shape));
    let mut sized = |size: usize, value: Option<String>| {
        if shape.min().is_some_and(|min| (size as i64) < min) {
            broken("shorter", value.clone());
        }
        if shape.max().is_some_and(|max| size as i64 > max) {
            broken("longer", value);
        }
    };
    match value {
        Tree::Text(text) => {
            // A value that is very long is not repeated.
            let repeated = (text.len() <= 2048).then(|| text.clone());
            sized(text.chars().count(), repeated.clone());
            if !matches_pattern(shape, text) {
                broken("pattern", repeated.clone());
            }
            if shape.values().is_some_and(|values| !values.contains(&text.as_str())) {
                broken("enum", repeated);
            }
        }
        Tree::Integer(_) | Tree::Fraction(_) if shape.kind() == "integer" => {
            let number = match value {
                Tree::Integer(number) => *number,
                Tree::Fraction(number) => *number as i64,
                _ => unreachable!("only numbers come here"),
            };
            // AWS cuts numbers to 32 bits.
            let number = number.clamp(i32::MIN.into(), i32::MAX.into());
            if shape.min().is_some_and(|min| number < min) {
                broken("less", Some(number.to_string()));
            }
            if shape.max().is_some_and(|max| number > max) {
                broken("greater", Some(number.to_string()));
            }
        }
        Tree::Blob(bytes) => sized(bytes.len(), None),
        Tree::List(elements) => {
            sized(elements.len(), None);
            let element = shape.element();
            if element.kind() == "string" {
                if !elements.iter().all(|value| is_kept(element, value)) {
                    findings.push(together("elements", path, element));
                }
                return;
            }
            for (index, value) in elements.iter().enumerate() {
                let path = format!("{path}.{}.member", index + 1);
                match value {
                    Tree::Null => findings.push(finding("null", &path, None, element)),
                    Tree::Map(_) => members(element, value, &path, findings),
                    other => panic!("{other:?} in a list"),
                }
            }
        }
        Tree::Map(entries) if shape.kind() == "map" => {
            sized(entries.len(), None);
            let (key_shape, value_shape) = shape.entry();
            if !entries.iter().all(|(key, _)| is_kept(key_shape, &Tree::text(key))) {
                findings.push(together("keys", path, key_shape));
            }
            if !entries.iter().all(|(_, value)| is_kept(value_shape, value)) {
                findings.push(together("values", path, value_shape));
            }
        }
        Tree::Map(_) => members(shape, value, path, findings),
        Tree::Boolean(_) | Tree::Time(_) | Tree::Integer(_) | Tree::Fraction(_) | Tree::Null => {}
    }
}

/// Whether a text inside a list or map keeps its shape.
fn is_kept(shape: Shape, value: &Tree) -> bool {
    let mut findings = Vec::new();
    constraints(shape, value, "", &mut findings);
    *value != Tree::Null && findings.is_empty()
}

fn matches_pattern(shape: Shape, text: &str) -> bool {
    static EXPRESSIONS: LazyLock<Mutex<BTreeMap<&str, Regex>>> = LazyLock::new(Mutex::default);
    let Some(pattern) = shape.pattern() else { return true };
    // Java's \d is ASCII; the regex crate's is Unicode.
    let compiled = || Regex::new(&format!("^(?:{})$", pattern.replace(r"\d", "[0-9]"))).unwrap();
    EXPRESSIONS.lock().unwrap().entry(pattern).or_insert_with(compiled).is_match(text)
}

/// The wording of a broken constraint. AWS prints patterns without the anchors that the model has around some.
fn finding(case: &str, path: &str, value: Option<String>, shape: Shape) -> String {
    let pattern = shape.pattern().unwrap_or_default();
    let bare = pattern.strip_prefix("^(").and_then(|rest| rest.strip_suffix(")$")).unwrap_or(pattern);
    let value = value.map(|value| format!(" '{value}'")).unwrap_or_default();
    let text = filled(text_of(CONSTRAINTS, case), shape);
    text.replace("{pattern}", bare).replace("{path}", path).replace("{value}", &value)
}

/// The wording of what is wrong with a text inside a list or map: all that it must keep.
fn together(case: &str, path: &str, shape: Shape) -> String {
    let applies = |wording: &&Wording| match wording.case {
        "min" => shape.min().is_some(),
        "max" => shape.max().is_some(),
        _ => shape.values().is_some(),
    };
    let constraints = ELEMENT_CONSTRAINTS.iter().filter(applies).map(|wording| filled(wording.text, shape));
    let constraints: Vec<_> = constraints.collect();
    let text = text_of(CONSTRAINTS, case).replace("{path}", path);
    text.replace("{constraints}", &constraints.join(", "))
}

fn filled(text: &str, shape: Shape) -> String {
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    let printed = PRINTED_ENUMS.iter().find(|wording| wording.case == shape.name);
    let values = match printed {
        Some(wording) => wording.text.to_owned(),
        None => shape.values().unwrap_or_default().join(", "),
    };
    text.replace("{min}", &number(shape.min()))
        .replace("{max}", &number(shape.max()))
        .replace("{values}", &values)
}
