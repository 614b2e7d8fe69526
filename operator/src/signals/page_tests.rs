use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;

/// The text of every file of the program but this room's and the tests', which use a row without meaning it.
fn sources() -> String {
    fn read(folder: &Path, text: &mut String) {
        let mut entries: Vec<PathBuf> =
            folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "signals" {
                read(&path, text);
            } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                text.push_str(source.split("#[cfg(test)]").next().unwrap());
            }
        }
    }
    let mut text = String::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
    text
}

#[test]
fn the_checked_in_page_is_that_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/signals.md");
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(checked_in == page(), "{} is stale: run `make signals`", path.display());
}

#[test]
fn every_reason_and_condition_of_the_page_is_used_by_the_program() {
    let sources = sources();
    for reason in &REASONS {
        let kind = crate::members::ErrorKind::ALL.iter().any(|kind| kind.as_str() == reason.as_str());
        let used = sources.contains(&format!("Reason::{reason}"));
        assert!(used || kind, "{reason} has a row, and nothing uses it");
    }
    for condition in ConditionType::ALL {
        let used = sources.contains(&format!("ConditionType::{}", condition.as_str()));
        assert!(used, "{} has a row, and nothing uses it", condition.as_str());
    }
}

#[test]
fn every_row_says_something_of_its_own() {
    let names: BTreeSet<_> = REASONS.iter().map(Reason::as_str).collect();
    assert_eq!(names.len(), REASONS.len());
    let meanings: BTreeSet<_> = REASONS.iter().map(|reason| reason.row().meaning).collect();
    assert_eq!(meanings.len(), REASONS.len());
    assert!(!page().contains(" |  |  |"));
}

/// The variants of the one enum of a file that have no value.
fn variants(source: &str) -> Vec<&str> {
    let (_, body) = source.split_once("pub enum ").unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let names = body.lines().filter_map(|line| line.trim().strip_suffix(','));
    names.filter(|name| name.chars().all(char::is_alphanumeric)).collect()
}

#[test]
fn no_condition_and_no_reason_is_missing_on_the_page() {
    let reasons: Vec<_> = REASONS.iter().map(Reason::as_str).collect();
    assert_eq!(reasons, variants(include_str!("reasons.rs")));
    let conditions: Vec<_> = ConditionType::ALL.into_iter().map(ConditionType::as_str).collect();
    assert_eq!(conditions, variants(include_str!("conditions.rs")));
}
