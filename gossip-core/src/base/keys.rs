//! Configuration keys: one row per knob, from which the checks, the string setters of
//! the bindings and the tables of the manual come.

use std::fmt;
use std::time::Duration;

use crate::base::config_error::{ConfigError, Problems};

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
    /// Several values separated by commas.
    List,
}

impl Kind {
    /// Its name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Count => "count",
            Self::Duration => "duration",
            Self::Text => "text",
            Self::List => "list",
        }
    }
}

/// Which values a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Both of a flag's.
    Either,
    /// The whole numbers from the first to the second.
    Count(u64, u64),
    /// From one millisecond to the longest.
    Span(Duration),
    /// The same, or zero, which means what the words say.
    SpanOrZero(Duration, &'static str),
    /// What the words say.
    Words(&'static str),
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Either => write!(f, "true or false"),
            Self::Count(min, max) => write!(f, "{min} to {max}"),
            Self::Span(max) => write!(f, "1 ms to {}", Hours(*max)),
            Self::SpanOrZero(max, zero) => write!(f, "1 ms to {}, or 0: {zero}", Hours(*max)),
            Self::Words(words) => f.write_str(words),
        }
    }
}

/// A duration in whole hours.
struct Hours(Duration);

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} h", self.0.as_secs() / 3600)
    }
}

/// One configuration key of a configuration `C`.
pub struct Key<C: 'static> {
    /// The field's name, as in Rust and Python.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What a number counts: `bytes`, `connections`; empty where there is nothing to count.
    pub unit: &'static str,
    /// Which values are allowed.
    pub range: Range,
    /// What it means and how to choose it.
    pub about: &'static str,
    /// The value as text, in the form that `set` reads.
    pub get: fn(&C) -> String,
    /// Parses a text into the field; the error is the rule that the text breaks.
    pub set: fn(&mut C, &str) -> Result<(), String>,
    /// The rule that the field breaks by itself; how fields fit together is checked elsewhere.
    pub check: fn(&C) -> Result<(), String>,
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
pub fn set<C: Clone>(
    keys: &'static [Key<C>],
    config: &mut C,
    name: &str,
    text: &str,
) -> Result<(), ConfigError> {
    let key = find(keys, name)?;
    let mut changed = config.clone();
    (key.set)(&mut changed, text)
        .and_then(|()| (key.check)(&changed))
        .map_err(|rule| ConfigError::new(key.name, format!("{text:?}"), rule))?;
    *config = changed;
    Ok(())
}

/// Sets several keys; the error lists every one that cannot be set, and the others are set.
pub fn set_all<C: Clone>(
    keys: &'static [Key<C>],
    config: &mut C,
    values: &[(String, String)],
) -> Result<(), ConfigError> {
    let mut problems = Problems::default();
    for (name, text) in values {
        if let Err(error) = set(keys, config, name, text) {
            problems.add(error);
        }
    }
    problems.into_result()
}

/// The text form of the key named `name`.
pub fn get<C>(keys: &'static [Key<C>], config: &C, name: &str) -> Result<String, ConfigError> {
    Ok((find(keys, name)?.get)(config))
}

/// Notes every key whose value cannot work.
pub(crate) fn check<C>(keys: &'static [Key<C>], config: &C, problems: &mut Problems) {
    for key in keys {
        if let Err(rule) = (key.check)(config) {
            let text = (key.get)(config);
            let value = match key.kind {
                Kind::Duration => format!("{text}ms"),
                Kind::Count | Kind::Flag => text,
                Kind::Text | Kind::List if text.len() > 64 => format!("{} bytes long", text.len()),
                Kind::Text | Kind::List => format!("{text:?}"),
            };
            problems.refuse(true, key.name, value, rule);
        }
    }
}

fn find<C>(keys: &'static [Key<C>], name: &str) -> Result<&'static Key<C>, ConfigError> {
    let is_it = |key: &&Key<C>| {
        key.name == name || (key.kind == Kind::Duration && name.strip_suffix("_ms") == Some(key.name))
    };
    keys.iter()
        .find(is_it)
        .ok_or_else(|| ConfigError::new("key", format!("{name:?}"), "is no configuration key"))
}

/// The row of a plain field: a flag, a count between two bounds, or a duration up to so
/// many hours, which may also be zero if the row says what that means.
macro_rules! row {
    (flag $field:ident, $about:literal) => {
        $crate::base::keys::Key {
            name: stringify!($field),
            kind: $crate::base::keys::Kind::Flag,
            unit: "",
            range: $crate::base::keys::Range::Either,
            about: $about,
            get: |config| config.$field.to_string(),
            set: |config, text| $crate::base::keys::parse_flag(text).map(|value| config.$field = value),
            check: |_| Ok(()),
        }
    };
    (count $field:ident, $min:literal, $max:literal, $unit:literal, $about:literal) => {
        $crate::base::keys::Key {
            name: stringify!($field),
            kind: $crate::base::keys::Kind::Count,
            unit: $unit,
            range: $crate::base::keys::Range::Count($min, $max),
            about: $about,
            get: |config| config.$field.to_string(),
            set: |config, text| {
                $crate::base::keys::parse_count(text, $min, $max).map(|value| config.$field = value)
            },
            #[allow(trivial_numeric_casts)]
            check: |config| $crate::base::keys::check_count(config.$field as u64, $min, $max),
        }
    };
    (duration $field:ident, $hours:literal h, $about:literal) => {
        $crate::base::keys::row!(@duration $field, $crate::base::keys::Range::Span(
            std::time::Duration::from_secs($hours * 3600)), $about)
    };
    (duration $field:ident, $hours:literal h, 0: $zero:literal, $about:literal) => {
        $crate::base::keys::row!(@duration $field, $crate::base::keys::Range::SpanOrZero(
            std::time::Duration::from_secs($hours * 3600), $zero), $about)
    };
    (@duration $field:ident, $range:expr, $about:literal) => {
        $crate::base::keys::Key {
            name: stringify!($field),
            kind: $crate::base::keys::Kind::Duration,
            unit: "ms",
            range: $range,
            about: $about,
            get: |config| $crate::base::keys::write_duration(config.$field),
            set: |config, text| $crate::base::keys::parse_duration(text).map(|value| config.$field = value),
            check: |config| $crate::base::keys::check_duration(config.$field, $range),
        }
    };
}

pub(crate) use row;

/// Checks a count against its bounds.
pub fn check_count(count: u64, min: u64, max: u64) -> Result<(), String> {
    if (min..=max).contains(&count) { Ok(()) } else { Err(format!("must be from {min} to {max}")) }
}

/// Checks a duration against its range.
pub fn check_duration(duration: Duration, range: Range) -> Result<(), String> {
    let (max, may_be_zero) = match range {
        Range::Span(max) => (max, false),
        Range::SpanOrZero(max, _) => (max, true),
        Range::Either | Range::Count(..) | Range::Words(_) => return Ok(()),
    };
    let fits = (Duration::from_millis(1)..=max).contains(&duration) || may_be_zero && duration.is_zero();
    if fits { Ok(()) } else { Err(format!("must be from {range}")) }
}

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

/// Writes a duration as `parse_duration` reads it, with a fraction where it has one.
pub fn write_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    match duration.subsec_nanos() % 1_000_000 {
        0 => millis.to_string(),
        nanos => format!("{millis}.{nanos:06}").trim_end_matches('0').to_owned(),
    }
}

/// Reads a list separated by commas, each part with `parse`.
pub fn parse_list<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(parse).collect()
}

/// Writes a list as `parse_list` reads it.
pub fn write_list<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
