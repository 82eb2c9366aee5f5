//! The golden vectors, for the unit tests of the rules.

use serde_json::Value;

/// The vectors of one file of `tests/vectors`.
pub(crate) fn load(file: &str) -> Vec<Value> {
    let path = format!("{}/tests/vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let Value::Object(mut file) = serde_json::from_str(&text).unwrap() else { panic!("{path} is no object") };
    let Some(Value::Array(vectors)) = file.remove("vectors") else { panic!("{path} has no vectors") };
    vectors
}

/// The bytes of a hex text, with or without the `hex:` mark; null is nil.
pub(crate) fn bytes(value: &Value) -> Option<Vec<u8>> {
    let text = value.as_str()?;
    let hex = text.strip_prefix("hex:").unwrap_or(text);
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    Some((0..hex.len()).step_by(2).map(digit).collect())
}
