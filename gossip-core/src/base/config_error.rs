//! The one error of every configuration check: field, value, rule.

use std::fmt;

/// A value that cannot work. Nothing has been changed or opened.
///
/// Reads `probe_timeout is 2s, must be shorter than probe_interval (1s)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The configuration key, as in the manual.
    pub field: &'static str,
    /// The refused value, as the user would write it; secrets are redacted.
    pub value: String,
    /// The rule it breaks, with the limit: `must be at most 255 bytes`.
    pub rule: String,
}

impl ConfigError {
    /// The error that `field` with this `value` breaks `rule`.
    pub fn new(field: &'static str, value: impl fmt::Display, rule: impl Into<String>) -> Self {
        Self { field, value: value.to_string(), rule: rule.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, {}", self.field, self.value, self.rule)
    }
}

impl std::error::Error for ConfigError {}
