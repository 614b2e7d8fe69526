use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::*;
use crate::shape::Kind;

fn model() -> Value {
    serde_json::from_str(include_str!("../../../tests/model/kinesis.json")).unwrap()
}

/// The shape as the model writes it, and below it those of its members.
fn describe(shape: &Shape, shapes: &mut Map<String, Value>) {
    let name = |shape: &Shape| json!({"shape": shape.name});
    let mut facts = match &shape.kind {
        Kind::Text => json!({"type": "string"}),
        Kind::Integer => json!({"type": "integer"}),
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Timestamp => json!({"type": "timestamp"}),
        Kind::Blob => json!({"type": "blob"}),
        Kind::List(member) => json!({"type": "list", "member": name(member)}),
        Kind::Map(key, value) => json!({"type": "map", "key": name(key), "value": name(value)}),
        Kind::Structure(members) => {
            let all: Map<_, _> = members.iter().map(|m| (m.name.to_owned(), name(m.shape))).collect();
            let required: Vec<_> = members.iter().filter(|m| m.required).map(|m| m.name).collect();
            json!({"type": "structure", "members": all, "required": required})
        }
    };
    let constraints = [
        ("min", shape.min.map(Value::from)),
        ("max", shape.max.map(Value::from)),
        ("pattern", shape.pattern.map(|pattern| pattern.text.into())),
        ("enum", (!shape.values.is_empty()).then(|| sorted(shape.values.iter().copied()))),
    ];
    for (constraint, value) in constraints {
        if let Some(value) = value {
            facts[constraint] = value;
        }
    }
    shapes.insert(shape.name.into(), facts);
    match &shape.kind {
        Kind::List(member) => describe(member, shapes),
        Kind::Map(key, value) => {
            describe(key, shapes);
            describe(value, shapes);
        }
        Kind::Structure(members) => members.iter().for_each(|member| describe(member.shape, shapes)),
        Kind::Text | Kind::Integer | Kind::Boolean | Kind::Timestamp | Kind::Blob => {}
    }
}

fn sorted<'a>(values: impl Iterator<Item = &'a str>) -> Value {
    values.collect::<BTreeSet<_>>().into_iter().collect()
}

/// AWS prints patterns without the anchors that the model has around some, and enums in an order of its own.
fn as_aws_prints(shapes: &mut Map<String, Value>) {
    for facts in shapes.values_mut() {
        if let Some(pattern) = facts["pattern"].as_str() {
            let bare = pattern.strip_prefix("^(").and_then(|rest| rest.strip_suffix(")$")).unwrap_or(pattern);
            facts["pattern"] = bare.into();
        }
        if let Some(values) = facts["enum"].as_array() {
            facts["enum"] = sorted(values.iter().filter_map(Value::as_str));
        }
        if facts["type"] == "structure" && facts["required"].is_null() {
            facts["required"] = json!([]);
        }
        if let Some(facts) = facts.as_object_mut() {
            facts.retain(|_, fact| !fact.is_null());
        }
    }
}

#[test]
fn table_says_what_the_model_says() {
    let model = model();
    let mut expected = model["shapes"].as_object().unwrap().clone();
    as_aws_prints(&mut expected);
    let mut ours = Map::new();
    for &operation in Operation::ALL {
        if let Some(input) = input_of(operation) {
            assert_eq!(input.name, model["inputs"][operation.name()], "{operation}");
            describe(input, &mut ours);
        }
    }
    assert_eq!(ours.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, facts) in &expected {
        assert_eq!(&ours[name], facts, "{name}");
    }
}

#[test]
fn every_operation_of_the_model_is_known() {
    let names: Vec<_> = Operation::ALL.iter().map(|operation| operation.name()).collect();
    assert_eq!(json!(names), model()["operations"]);
}

#[test]
fn every_error_of_the_model_is_known() {
    let names: BTreeSet<_> = crate::ErrorCode::ALL.iter().map(|code| code.name()).collect();
    for name in model()["errors"].as_array().unwrap() {
        assert!(names.contains(name.as_str().unwrap()), "{name}");
    }
}
