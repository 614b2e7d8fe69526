//! botocore's model: its shapes, values that keep them, and values that do not.

use std::sync::LazyLock;

use serde_json::Value;

use crate::tree::Tree;

static MODEL: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../model/kinesis.json")).unwrap());

/// A shape of the model.
#[derive(Clone, Copy)]
pub struct Shape {
    pub name: &'static str,
    facts: &'static Value,
}

/// Operations by name, with the shapes of their requests.
pub fn inputs() -> impl Iterator<Item = (&'static str, Shape)> {
    let inputs = MODEL["inputs"].as_object().unwrap();
    inputs.iter().map(|(operation, input)| (operation.as_str(), Shape::named(input.as_str().unwrap())))
}

impl Shape {
    fn named(name: &'static str) -> Self {
        Self { name, facts: &MODEL["shapes"][name] }
    }

    fn referred(reference: &'static Value) -> Self {
        Self::named(reference["shape"].as_str().unwrap())
    }

    pub fn kind(self) -> &'static str {
        self.facts["type"].as_str().unwrap()
    }

    pub fn min(self) -> Option<i64> {
        self.facts["min"].as_i64()
    }

    pub fn max(self) -> Option<i64> {
        self.facts["max"].as_i64()
    }

    pub fn pattern(self) -> Option<&'static str> {
        self.facts["pattern"].as_str()
    }

    pub fn values(self) -> Option<Vec<&'static str>> {
        Some(self.facts["enum"].as_array()?.iter().map(|value| value.as_str().unwrap()).collect())
    }

    /// The elements of a list.
    pub fn element(self) -> Shape {
        Self::referred(&self.facts["member"])
    }

    /// The keys and the values of a map.
    pub fn entry(self) -> (Shape, Shape) {
        (Self::referred(&self.facts["key"]), Self::referred(&self.facts["value"]))
    }

    /// The members of a structure, and whether each must be there.
    pub fn members(self) -> impl Iterator<Item = (&'static str, Shape, bool)> {
        let required = self.facts["required"].as_array();
        let members = self.facts["members"].as_object().unwrap();
        members.iter().map(move |(name, reference)| {
            let is_required = required.is_some_and(|required| required.iter().any(|other| other == name));
            (name.as_str(), Self::referred(reference), is_required)
        })
    }

    /// A value that keeps every constraint, without members that may be absent.
    pub fn least(self) -> Tree {
        match self.kind() {
            "string" => match self.values() {
                Some(values) => Tree::text(values[0]),
                None => Tree::Text(self.text_of(self.min().unwrap_or(0).max(1) as usize)),
            },
            "integer" => Tree::Integer(self.min().unwrap_or(1)),
            "boolean" => Tree::Boolean(true),
            "timestamp" => Tree::Time(1_459_799_926_480),
            "blob" => Tree::Blob(b"x".to_vec()),
            "list" => Tree::List(vec![self.element().least()]),
            "map" => {
                let (key, value) = self.entry();
                Tree::Map(vec![(key.text_of(1), value.least())])
            }
            "structure" => {
                let required = self.members().filter(|(_, _, is_required)| *is_required);
                Tree::Map(required.map(|(name, shape, _)| (name.to_owned(), shape.least())).collect())
            }
            other => panic!("what is a {other}?"),
        }
    }

    /// A text of so many characters, or the fewest above that, which matches the pattern.
    fn text_of(self, characters: usize) -> String {
        const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
        let padded = |start: &str, end: &str| {
            let missing = characters.saturating_sub(start.len() + end.len());
            format!("{start}{}{end}", "a".repeat(missing))
        };
        match self.pattern() {
            None => "é".repeat(characters),
            Some(pattern) if pattern.contains("consumer") => padded(&format!("{STREAM}/consumer/c"), ":1"),
            Some(pattern) if pattern.starts_with("arn:") => padded(STREAM, ""),
            Some(pattern) if pattern.contains("{20}") => format!("{}-abc", "0".repeat(20)),
            Some(pattern) if pattern.contains("[1-9]") => "1".repeat(characters),
            Some(_) => "a".repeat(characters),
        }
    }

    /// Values of every kind: wrong types, sizes at, under and over the bounds, other texts, absent and null; and for
    /// what is inside, the same.
    pub fn variants(self) -> Vec<Tree> {
        let mut variants = vec![
            Tree::Null,
            Tree::Boolean(true),
            Tree::Integer(23),
            Tree::Integer(-2_147_483_648),
            Tree::Integer(2_147_483_648),
            Tree::Fraction(34.56),
            Tree::text("23456"),
            Tree::Blob(vec![0xff, 0, 1]),
            Tree::List(Vec::new()),
            Tree::Map(Vec::new()),
            self.least(),
        ];
        let bounds = [self.min().map(|min| min - 1), self.min(), self.max(), self.max().map(|max| max + 1)];
        let bounds = bounds.into_iter().flatten();
        match self.kind() {
            "string" => {
                variants.extend(bounds.filter(|n| *n >= 0).map(|n| Tree::Text(self.text_of(n as usize))));
                let others =
                    ["", "ü", "a b", "a\nb", "0", "01", "latest", "arn:aws:sqs:us-east-1:000000000000:q"];
                variants.extend(others.map(Tree::text));
                variants.push(Tree::Text("9".repeat(40)));
                variants.push(Tree::Text("9".repeat(130)));
                variants.extend(self.values().into_iter().flatten().map(Tree::text));
            }
            "integer" => variants.extend(bounds.map(Tree::Integer)),
            "blob" => {
                let sizes = bounds.filter(|n| *n >= 0);
                variants.extend(sizes.map(|n| Tree::Blob(vec![7; n as usize])));
            }
            "list" => {
                let element = self.element();
                let sizes = bounds.filter(|n| *n >= 0);
                variants.extend(sizes.map(|n| Tree::List(vec![element.least(); n as usize])));
                let others = element.variants().into_iter();
                variants.extend(others.map(|other| Tree::List(vec![element.least(), other])));
            }
            "map" => {
                let (key, value) = self.entry();
                let keyed = |n: i64| (format!("k{n}"), value.least());
                let sizes = bounds.filter(|n| *n >= 0);
                variants.extend(sizes.map(|n| Tree::Map((0..n).map(keyed).collect())));
                let keys = key.variants().into_iter().filter_map(|other| match other {
                    Tree::Text(text) => Some(Tree::Map(vec![(text, value.least())])),
                    _ => None,
                });
                variants.extend(keys);
                variants
                    .extend(value.variants().into_iter().map(|other| Tree::Map(vec![("k".into(), other)])));
            }
            "structure" => {
                let least = self.least();
                for (name, shape, _) in self.members() {
                    variants.extend(shape.variants().into_iter().map(|other| least.with(name, other)));
                }
            }
            _ => {}
        }
        variants
    }
}
