//! What AWS says, and where that was seen. The tests fill the placeholders from botocore's model.
//!
//! `kinesalite` is github.com/mhart/kinesalite, whose tests are run against AWS too; `moto` is github.com/getmoto/moto,
//! whose texts are copied from AWS; `model` is botocore's model, where no answer of AWS is on record.

/// A text with its source.
pub struct Wording {
    /// What it is for.
    pub case: &'static str,
    pub text: &'static str,
    #[allow(dead_code, reason = "it is for readers")]
    pub source: &'static str,
}

const fn wording(case: &'static str, text: &'static str, source: &'static str) -> Wording {
    Wording { case, text, source }
}

/// Broken constraints.
pub const CONSTRAINTS: &[Wording] = &[
    wording(
        "null",
        "Value null at '{path}' failed to satisfy constraint: Member must not be null",
        "kinesalite test/addTagsToStream.js",
    ),
    wording(
        "pattern",
        "Value{value} at '{path}' failed to satisfy constraint: Member must satisfy regular expression pattern: {pattern}",
        "kinesalite test/addTagsToStream.js",
    ),
    wording(
        "enum",
        "Value{value} at '{path}' failed to satisfy constraint: Member must satisfy enum value set: [{values}]",
        "kinesalite test/updateShardCount.js",
    ),
    wording(
        "shorter",
        "Value{value} at '{path}' failed to satisfy constraint: Member must have length greater than or equal to {min}",
        "kinesalite test/removeTagsFromStream.js; without the value, moto tests/test_kinesis/test_kinesis_boto3.py",
    ),
    wording(
        "longer",
        "Value{value} at '{path}' failed to satisfy constraint: Member must have length less than or equal to {max}",
        "kinesalite test/removeTagsFromStream.js; without the value, moto tests/test_kinesis/test_kinesis_boto3.py",
    ),
    wording(
        "less",
        "Value{value} at '{path}' failed to satisfy constraint: Member must have value greater than or equal to {min}",
        "kinesalite test/createStream.js",
    ),
    wording(
        "greater",
        "Value{value} at '{path}' failed to satisfy constraint: Member must have value less than or equal to {max}",
        "kinesalite test/describeStream.js",
    ),
    wording(
        "elements",
        "Value at '{path}' failed to satisfy constraint: Member must satisfy constraint: [{constraints}]",
        "kinesalite test/removeTagsFromStream.js",
    ),
    wording(
        "keys",
        "Value at '{path}' failed to satisfy constraint: Map keys must satisfy constraint: [{constraints}]",
        "kinesalite test/addTagsToStream.js",
    ),
    wording(
        "values",
        "Value at '{path}' failed to satisfy constraint: Map value must satisfy constraint: [{constraints}]",
        "kinesalite test/addTagsToStream.js",
    ),
];

/// What each element of a list or map must keep, in the order in which AWS lists it.
pub const ELEMENT_CONSTRAINTS: &[Wording] = &[
    wording(
        "max",
        "Member must have length less than or equal to {max}",
        "kinesalite test/addTagsToStream.js",
    ),
    wording(
        "min",
        "Member must have length greater than or equal to {min}",
        "kinesalite test/addTagsToStream.js",
    ),
    wording("enum", "Member must satisfy enum value set: [{values}]", "kinesalite test/updateShardCount.js"),
];

/// The words of an enum that AWS lists in another order than the model.
pub const PRINTED_ENUMS: &[Wording] = &[wording(
    "ShardIteratorType",
    "AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON",
    "kinesalite test/getShardIterator.js",
)];

/// The texts for a value of a wrong type. The case is what the model wants, and what came. `{class}` is Java's name
/// of it.
pub const TYPES: &[Wording] = &[
    wording("any list", "Start of list found where not expected", TYPES_SOURCE),
    wording("any map", "Start of structure or map found where not expected.", TYPES_SOURCE),
    wording("string scalar", "class {class} can not be converted to an String", TYPES_SOURCE),
    wording("integer scalar", "class {class} can not be converted to an Integer", TYPES_SOURCE),
    wording("boolean scalar", "class {class} can not be converted to an Boolean", TYPES_SOURCE),
    wording("boolean text", "'{text}' can not be converted to an Boolean", TYPES_SOURCE),
    wording("blob scalar", "class {class} can not be converted to a Blob", TYPES_SOURCE),
    wording(
        "blob text",
        "'{text}' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: {n}",
        TYPES_SOURCE,
    ),
    wording(
        "timestamp scalar",
        "class {class} can not be converted to milliseconds since epoch",
        "kinesalite validations/index.js",
    ),
    wording("list scalar", "Expected list or null", TYPES_SOURCE),
    wording("map scalar", "Expected map or null", TYPES_SOURCE),
    wording("structure scalar", "Expected null", TYPES_SOURCE),
];

const TYPES_SOURCE: &str = "kinesalite test/helpers.js, assertType";

/// Java's names of what comes. That of bytes is what Java's SDK has them in; AWS's answer is not on record.
pub const CLASSES: &[Wording] = &[
    wording("boolean", "java.lang.Boolean", TYPES_SOURCE),
    wording("number", "com.amazon.coral.value.json.numbers.TruncatingBigNumber", TYPES_SOURCE),
    wording("text", "java.lang.String", TYPES_SOURCE),
    wording("bytes", "java.nio.HeapByteBuffer", "kinesalite validations/index.js, valueStr"),
];

/// The text of a case.
pub fn text_of(table: &[Wording], case: &str) -> &'static str {
    table.iter().find(|wording| wording.case == case).unwrap_or_else(|| panic!("no wording for {case}")).text
}
