//! Every member of every operation, right and wrong in every way that botocore's model knows, in JSON and in CBOR.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod expected;
mod model;
mod tree;
mod wordings;

use std::collections::BTreeSet;

use expected::{Expected, broken_constraints, expected, has_misplaced_bytes};
use kinesis_wire::{Error, ErrorCode, Operation};
use model::Shape;
use tree::{Form, Tree};

/// A request that names its stream and has what it must have.
fn base(input: Shape) -> Tree {
    let least = input.least();
    match input.members().find(|(name, _, _)| *name == "StreamName") {
        Some((name, shape, _)) => least.with(name, shape.least()),
        None => least,
    }
}

fn operation(name: &str) -> Operation {
    *Operation::ALL.iter().find(|operation| operation.name() == name).unwrap()
}

/// Sends a request in every form and compares the answer with that of AWS. Returns how much is wrong with it.
fn check(operation_name: &str, input: Shape, request: &Tree) -> usize {
    let mut most = 0;
    for form in Form::ALL {
        // JSON has no bytes that could be where they do not belong.
        if form == Form::Json && has_misplaced_bytes(input, request) {
            continue;
        }
        let bytes = request.bytes(form);
        let answer = form.encoding().decode(operation(operation_name), &bytes);
        let about = || {
            let request = format!("{request:?}");
            format!("{operation_name} {form:?} {}", &request[..request.floor_char_boundary(500)])
        };
        match (expected(input, request, form), answer) {
            (Expected::Type(fault), Err(error)) => {
                assert_eq!(error, Error::new(ErrorCode::SerializationException, fault), "{}", about());
                most = most.max(1);
            }
            (Expected::Constraints(findings), Err(error)) => {
                assert_eq!(error.code, ErrorCode::ValidationException, "{}", about());
                check_message(&error.message.unwrap(), &findings, &about);
                most = most.max(findings.len());
            }
            (Expected::Nothing, Err(error)) => {
                // Members that are right one by one need not go together.
                assert_eq!(error.code, ErrorCode::InvalidArgumentException, "{error} {}", about());
            }
            (Expected::Nothing, Ok(_)) => {}
            (expected, Ok(_)) => panic!("{expected:?} was expected of {}", about()),
        }
    }
    most
}

/// AWS's order of findings is that of a hash map: any order is right. At most ten are listed, and counted.
fn check_message(message: &str, findings: &[String], about: &dyn Fn() -> String) {
    let listed = findings.len().min(10);
    let errors = if listed == 1 { "error" } else { "errors" };
    let rest = message.strip_prefix(&format!("{listed} validation {errors} detected: "));
    let rest = rest.unwrap_or_else(|| panic!("{listed} findings: {message} {}", about()));
    let listed_findings: BTreeSet<_> = rest.split("; ").collect();
    let findings: BTreeSet<_> = findings.iter().map(String::as_str).collect();
    assert_eq!(listed_findings.len(), listed, "{message} {}", about());
    assert!(listed_findings.is_subset(&findings), "{listed_findings:#?} is not in {findings:#?} {}", about());
}

#[test]
fn every_value_of_every_member_is_judged_as_by_aws() {
    let mut wrong = 0;
    for (operation, input) in model::inputs() {
        let base = base(input);
        assert_eq!(check(operation, input, &base), 0, "{operation}: the base must be right");
        for (name, shape, _) in input.members() {
            for variant in shape.variants() {
                wrong += usize::from(check(operation, input, &base.with(name, variant)) > 0);
            }
        }
    }
    assert!(wrong > 2_000, "only {wrong} requests were wrong");
}

#[test]
fn nothing_at_all_lacks_every_required_member() {
    for (operation, input) in model::inputs() {
        let required = input.members().filter(|(_, _, is_required)| *is_required).count();
        assert_eq!(check(operation, input, &Tree::Map(Vec::new())), required, "{operation}");
    }
}

/// The value of a shape that breaks most constraints, its type being right.
fn worst(shape: Shape) -> Tree {
    match shape.kind() {
        // Eleven times ten mebibytes would say no more.
        "blob" => shape.least(),
        "list" if shape.element().kind() == "structure" => Tree::List(vec![worst(shape.element()); 11]),
        "structure" => {
            Tree::Map(shape.members().map(|(name, member, _)| (name.into(), worst(member))).collect())
        }
        _ => shape.variants().into_iter().max_by_key(|value| broken_constraints(shape, value)).unwrap(),
    }
}

#[test]
fn of_eleven_errors_at_once_ten_are_listed() {
    let mut eleven = BTreeSet::new();
    for (operation, input) in model::inputs() {
        if check(operation, input, &worst(input)) > 10 {
            eleven.insert(operation);
        }
    }
    assert!(eleven.contains("PutRecords"), "{eleven:?}");
}

#[test]
fn unknown_members_are_passed_over() {
    let deep = Tree::Map(vec![("a".into(), Tree::List(vec![Tree::Map(Vec::new()), Tree::Time(5)]))]);
    for (operation, input) in model::inputs() {
        let base = base(input);
        for unknown in [Tree::Null, Tree::Boolean(false), Tree::text("x"), Tree::Blob(vec![1]), deep.clone()]
        {
            assert_eq!(check(operation, input, &base.with("Unknown", unknown)), 0);
        }
    }
}
