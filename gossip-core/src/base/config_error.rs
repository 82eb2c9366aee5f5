//! The one error of every configuration check: each problem with field, value and rule.

use std::fmt;

/// One value that cannot work.
///
/// Reads `probe_timeout is 2s, must be at most probe_interval (1s)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The configuration key, as in the manual.
    pub field: &'static str,
    /// The refused value, as the user would write it; secrets are redacted.
    pub value: String,
    /// The rule it breaks, with the limit: `must be at most 255 bytes`.
    pub rule: String,
}

/// A configuration that cannot work, with everything that is wrong with it. Nothing has
/// been changed or opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    first: Problem,
    more: Vec<Problem>,
}

impl ConfigError {
    /// The error that `field` with this `value` breaks `rule`.
    pub fn new(field: &'static str, value: impl fmt::Display, rule: impl Into<String>) -> Self {
        let first = Problem { field, value: value.to_string(), rule: rule.into() };
        Self { first, more: Vec::new() }
    }

    /// The first problem, in the order of the manual.
    pub fn first(&self) -> &Problem {
        &self.first
    }

    /// Every problem, at least one.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        std::iter::once(&self.first).chain(&self.more)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, {}", self.field, self.value, self.rule)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        self.more.iter().try_for_each(|problem| write!(f, "; {problem}"))
    }
}

impl std::error::Error for ConfigError {}

/// Gathers what is wrong with a configuration.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    /// Notes that `field` breaks `rule`, if it does.
    pub(crate) fn refuse(
        &mut self,
        broken: bool,
        field: &'static str,
        value: impl fmt::Display,
        rule: impl Into<String>,
    ) {
        if broken {
            self.0.push(Problem { field, value: value.to_string(), rule: rule.into() });
        }
    }

    /// Notes every problem of `error`.
    pub(crate) fn add(&mut self, error: ConfigError) {
        self.0.push(error.first);
        self.0.extend(error.more);
    }

    /// The error of everything noted.
    pub(crate) fn into_result(self) -> Result<(), ConfigError> {
        let mut problems = self.0.into_iter();
        match problems.next() {
            Some(first) => Err(ConfigError { first, more: problems.collect() }),
            None => Ok(()),
        }
    }
}
