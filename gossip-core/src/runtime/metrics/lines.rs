//! The lines of the text format, version 0.0.4.
//!
//! <https://github.com/prometheus/docs/blob/main/docs/instrumenting/exposition_formats.md>

use std::fmt::{Display, Write};

use crate::base::histogram::{Histogram, Scale, Seconds};
use crate::pool::config::PoolConfig;
use crate::runtime::metrics::table::Metric;

/// Milliseconds in a second: the unit of timers in Go's metrics library.
const MILLIS: f64 = 1000.0;

/// The text so far, and the metric that is being written.
#[derive(Default)]
pub(crate) struct Lines {
    text: String,
    metric: Option<&'static Metric>,
    is_described: bool,
    /// Labels of each line, rendered.
    common: String,
}

/// The labels that all lines of a pool have, rendered.
pub(super) fn common(pool: &PoolConfig) -> String {
    let mut labels = String::new();
    label(&mut labels, "pool", &pool.id.to_string());
    for (name, value) in &pool.metric_labels {
        label(&mut labels, name, value);
    }
    labels
}

impl Lines {
    /// What follows belongs to `metric`. It is described in front of its first line.
    pub(super) fn begin(&mut self, metric: &'static Metric) {
        self.metric = Some(metric);
        self.is_described = false;
    }

    pub(super) fn set_common(&mut self, labels: &str) {
        labels.clone_into(&mut self.common);
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    /// The metric's only value.
    pub(crate) fn value(&mut self, value: impl Display) {
        self.line("", None, value);
    }

    /// Its value with a label of its own.
    pub(crate) fn labelled(&mut self, name: &str, text: &str, value: impl Display) {
        self.line("", Some((name, text)), value);
    }

    /// Values with a label each.
    pub(crate) fn each<'t, V>(&mut self, name: &str, values: impl IntoIterator<Item = (&'t str, V)>)
    where
        V: Display,
    {
        values.into_iter().for_each(|(text, value)| self.labelled(name, text, value));
    }

    /// The lines of a histogram.
    pub(crate) fn histogram<S: Scale>(&mut self, histogram: &Histogram<S>) {
        for (upper, count) in histogram.cumulative() {
            self.line("_bucket", Some(("le", &upper.to_string())), count);
        }
        self.line("_bucket", Some(("le", "+Inf")), histogram.count());
        self.line("_sum", None, histogram.sum());
        self.line("_count", None, histogram.count());
    }

    /// Durations as Go's metrics library tells timers, in milliseconds; without its quantiles.
    pub(crate) fn timer(&mut self, durations: &Histogram<Seconds>) {
        self.line("_sum", None, durations.sum() * MILLIS);
        self.line("_count", None, durations.count());
    }

    fn line(&mut self, suffix: &str, own: Option<(&str, &str)>, value: impl Display) {
        let Some(metric) = self.metric else { return };
        let name = metric.name;
        if !std::mem::replace(&mut self.is_described, true) {
            let (kind, help) = (metric.kind.word(), metric.help);
            let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        }
        let mut labels = self.common.clone();
        if let Some((name, text)) = own {
            label(&mut labels, name, text);
        }
        // Writing to a string cannot fail.
        let _ = match labels.is_empty() {
            true => writeln!(self.text, "{name}{suffix} {value}"),
            false => writeln!(self.text, "{name}{suffix}{{{labels}}} {value}"),
        };
    }
}

/// Appends a label to others.
fn label(labels: &mut String, name: &str, value: &str) {
    if !labels.is_empty() {
        labels.push(',');
    }
    labels.push_str(name);
    labels.push_str("=\"");
    for letter in value.chars() {
        match letter {
            '\\' => labels.push_str("\\\\"),
            '"' => labels.push_str("\\\""),
            '\n' => labels.push_str("\\n"),
            letter => labels.push(letter),
        }
    }
    labels.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_in_order() {
        let metric_labels =
            vec![("zone".to_owned(), "a\\b".to_owned()), ("x".to_owned(), "\"1\"\n".to_owned())];
        let config = PoolConfig { metric_labels, ..PoolConfig::lan(7) };

        assert_eq!(common(&config), r#"pool="7",zone="a\\b",x="\"1\"\n""#);
    }
}
