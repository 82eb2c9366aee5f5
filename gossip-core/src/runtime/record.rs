//! What a log sink is given: levels and records.

use std::fmt::{self, Write};
use std::str::FromStr;
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use crate::base::config_error::ConfigError;
use crate::base::ids::PoolId;

/// How much is logged; each level includes those before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// A pool or the node cannot go on.
    Error,
    /// An operator should act; the field `hint` says how. Each at most once a minute.
    Warn,
    /// The life of the node and its pools.
    #[default]
    Info,
    /// Each event: a member joined, a message was refused.
    Debug,
    /// Each packet.
    Trace,
}

impl LogLevel {
    /// Every level, from nothing to everything.
    pub const ALL: [Self; 6] = [Self::Off, Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The name of the level, as [`FromStr`] reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for LogLevel {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let rule = "must be off, error, warn, info, debug or trace";
        Self::ALL
            .into_iter()
            .find(|level| level.name() == text)
            .ok_or_else(|| ConfigError::new("log_level", format!("{text:?}"), rule))
    }
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::ERROR => Self::Error,
            Level::WARN => Self::Warn,
            Level::INFO => Self::Info,
            Level::DEBUG => Self::Debug,
            Level::TRACE => Self::Trace,
        }
    }
}

/// One line of the log. `Display` writes level, target, message, pool and fields on one
/// line, without the time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// How important it is; never `Off`.
    pub level: LogLevel,
    /// The part of the library that says it, as a Rust path.
    pub target: &'static str,
    /// What happened: a short text that is always the same for the same thing.
    pub message: String,
    /// The particulars as `key=value`, separated by spaces. Values with spaces, quotes or
    /// control characters stand in quotes, escaped, so that a record is one line whatever
    /// names others give themselves.
    pub fields: String,
    /// The pool it concerns, if it is one.
    pub pool: Option<PoolId>,
    /// When it happened.
    pub time: SystemTime,
}

impl Record {
    /// The record of `event`, which happened in `pool` unless it says otherwise.
    pub(super) fn of(event: &Event<'_>, pool: Option<PoolId>, time: SystemTime) -> Self {
        let metadata = event.metadata();
        let mut record = Self {
            level: (*metadata.level()).into(),
            target: metadata.target(),
            message: String::new(),
            fields: String::new(),
            pool,
            time,
        };
        event.record(&mut record);
        record
    }

    fn add(&mut self, name: &str, value: &str) {
        match name {
            "message" => value.clone_into(&mut self.message),
            "pool" if value.parse::<u8>().is_ok() => self.pool = value.parse().ok().map(PoolId),
            _ => {
                let separator = if self.fields.is_empty() { "" } else { " " };
                let plain = |letter: char| !letter.is_whitespace() && !letter.is_control() && letter != '"';
                // Writing to a string cannot fail.
                let _ = if !value.is_empty() && value.chars().all(plain) {
                    write!(self.fields, "{separator}{name}={value}")
                } else {
                    write!(self.fields, "{separator}{name}={value:?}")
                };
            }
        }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:5} {}: {}", self.level, self.target, self.message)?;
        if let Some(pool) = self.pool {
            write!(f, " pool={pool}")?;
        }
        if !self.fields.is_empty() {
            write!(f, " {}", self.fields)?;
        }
        Ok(())
    }
}

/// Fields as text. What is text already is not quoted twice.
impl Visit for Record {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_whatever_a_name_contains() {
        let mut record = Record {
            level: LogLevel::Warn,
            target: "gossip_core::pool",
            message: "refused".to_owned(),
            fields: String::new(),
            pool: Some(PoolId(7)),
            time: SystemTime::UNIX_EPOCH,
        };

        for (name, value) in [("from", "10.0.0.1:7"), ("name", "a\nERROR \"b\""), ("empty", "")] {
            record.add(name, value);
        }

        let expected =
            r#"warn  gossip_core::pool: refused pool=7 from=10.0.0.1:7 name="a\nERROR \"b\"" empty="""#;
        assert_eq!(record.to_string(), expected);
    }

    #[test]
    fn levels_are_read_as_they_are_written_and_ordered() {
        for level in LogLevel::ALL {
            assert_eq!(level.to_string().parse::<LogLevel>().unwrap(), level);
        }
        assert!(LogLevel::ALL.is_sorted());
        assert_eq!(
            "loud".parse::<LogLevel>().unwrap_err().to_string(),
            "log_level is \"loud\", must be off, error, warn, info, debug or trace"
        );
    }
}
