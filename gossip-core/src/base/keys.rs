//! Configuration keys: one row per knob, from which the string setters of the
//! bindings and the tables of the manual come.

use std::fmt;
use std::time::Duration;

use crate::base::config_error::ConfigError;

/// What kind of value a key takes, and how it is written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false` (also `1`, `0`, `on`, `off`, `yes`, `no`).
    Flag,
    /// A whole number.
    Count,
    /// A duration, written as a whole number of milliseconds.
    Duration,
    /// Text as it stands.
    Text,
    /// Several values separated by commas; the empty text is the empty list.
    List,
}

/// One configuration key of a configuration `C`.
pub struct Key<C: 'static> {
    /// The field's name, as in Rust and Python.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Which values are allowed.
    pub range: &'static str,
    /// What it means and how to choose it.
    pub about: &'static str,
    /// The value as text, in the form that `set` reads.
    pub get: fn(&C) -> String,
    /// Parses a text into the field; the error is the rule that the text breaks.
    pub set: fn(&mut C, &str) -> Result<(), String>,
}

impl<C> Key<C> {
    /// The key's name in text form: durations carry their unit, `probe_interval_ms`.
    pub fn text_name(&self) -> String {
        match self.kind {
            Kind::Duration => format!("{}_ms", self.name),
            _ => self.name.to_owned(),
        }
    }
}

impl<C> fmt::Debug for Key<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Sets the key named `name` (with or without `_ms`) of `config` from its text form.
/// On an error nothing has changed.
pub fn set<C>(keys: &'static [Key<C>], config: &mut C, name: &str, text: &str) -> Result<(), ConfigError> {
    let key = find(keys, name)
        .ok_or_else(|| ConfigError::new("key", format!("{name:?}"), "is no configuration key"))?;
    (key.set)(config, text).map_err(|rule| ConfigError::new(key.name, format!("{text:?}"), rule))
}

/// The text form of the key named `name`.
pub fn get<C>(keys: &'static [Key<C>], config: &C, name: &str) -> Result<String, ConfigError> {
    let key = find(keys, name)
        .ok_or_else(|| ConfigError::new("key", format!("{name:?}"), "is no configuration key"))?;
    Ok((key.get)(config))
}

fn find<C>(keys: &'static [Key<C>], name: &str) -> Option<&'static Key<C>> {
    keys.iter().find(|key| {
        key.name == name || (key.kind == Kind::Duration && name.strip_suffix("_ms") == Some(key.name))
    })
}

/// The row of a plain field: a flag, a count between two bounds, or a duration.
macro_rules! row {
    (flag $field:ident, $about:literal) => {
        $crate::base::keys::Key {
            name: stringify!($field),
            kind: $crate::base::keys::Kind::Flag,
            range: "true or false",
            about: $about,
            get: |config| config.$field.to_string(),
            set: |config, text| $crate::base::keys::parse_flag(text).map(|value| config.$field = value),
        }
    };
    (count $field:ident, $min:literal, $max:literal, $about:literal) => {
        $crate::base::keys::Key {
            name: stringify!($field),
            kind: $crate::base::keys::Kind::Count,
            range: concat!(stringify!($min), " to ", stringify!($max)),
            about: $about,
            get: |config| config.$field.to_string(),
            set: |config, text| {
                $crate::base::keys::parse_count(text, $min, $max).map(|value| config.$field = value)
            },
        }
    };
    (duration $field:ident, $range:literal, $about:literal) => {
        $crate::base::keys::Key {
            name: stringify!($field),
            kind: $crate::base::keys::Kind::Duration,
            range: $range,
            about: $about,
            get: |config| $crate::base::keys::write_duration(config.$field),
            set: |config, text| $crate::base::keys::parse_duration(text).map(|value| config.$field = value),
        }
    };
}

pub(crate) use row;

/// Reads a flag.
pub fn parse_flag(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// Reads a whole number between `min` and `max`.
pub fn parse_count<N>(text: &str, min: u64, max: u64) -> Result<N, String>
where
    N: TryFrom<u64>,
{
    let rule = || format!("must be a whole number from {min} to {max}");
    let number: u64 = text.trim().parse().map_err(|_| rule())?;
    if number < min || number > max {
        return Err(rule());
    }
    N::try_from(number).map_err(|_| rule())
}

/// Reads a duration: a whole number of milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let millis: u64 =
        text.trim().parse().map_err(|_| "must be a whole number of milliseconds, 0 or more".to_owned())?;
    Ok(Duration::from_millis(millis))
}

/// Writes a duration as `parse_duration` reads it.
pub fn write_duration(duration: Duration) -> String {
    duration.as_millis().to_string()
}

/// Reads a list separated by commas, each part with `parse`.
pub fn parse_list<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(parse).collect()
}

/// Writes a list as `parse_list` reads it.
pub fn write_list<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
