//! A strict reader of the text format of Prometheus: whatever a line is that it does not
//! know, it refuses.

use std::collections::{BTreeMap, BTreeSet};

/// The metrics of a text.
#[derive(Debug)]
pub(crate) struct Exposition {
    /// Each metric with its type and lines, in the order of the text.
    pub(crate) metrics: Vec<Metric>,
}

#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// What the name adds to that of the metric.
    pub(crate) suffix: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
}

impl Exposition {
    /// Reads a text, and checks what belongs together.
    pub(crate) fn read(text: &str) -> Self {
        assert!(text.is_empty() || text.ends_with('\n'), "the last line has no end");
        let mut metrics: Vec<Metric> = Vec::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some(help) = line.strip_prefix("# HELP ") else {
                let metric =
                    metrics.last_mut().unwrap_or_else(|| panic!("a sample without a metric: {line}"));
                metric.samples.push(Sample::read(line, &metric.name));
                continue;
            };
            let (name, about) = help.split_once(' ').unwrap_or_else(|| panic!("no help: {line}"));
            assert!(is_name(name) && !about.trim().is_empty() && !about.contains('\\'), "{line}");
            let type_line = lines.next().unwrap_or_default();
            let kind =
                type_line.strip_prefix(&format!("# TYPE {name} ")).unwrap_or_else(|| panic!("{type_line}"));
            assert!(["counter", "gauge", "histogram", "summary"].contains(&kind), "{type_line}");
            metrics.push(Metric { name: name.to_owned(), kind: kind.to_owned(), samples: Vec::new() });
        }
        let names: BTreeSet<_> = metrics.iter().map(|metric| &metric.name).collect();
        assert_eq!(names.len(), metrics.len(), "a metric stands in two places");
        metrics.iter().for_each(Metric::check);
        Self { metrics }
    }

    pub(crate) fn metric(&self, name: &str) -> &Metric {
        let found = self.metrics.iter().find(|metric| metric.name == name);
        found.unwrap_or_else(|| panic!("no metric is named {name}"))
    }

    /// The one value of a metric whose lines have these labels, whatever others they have.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.sample(name, "", labels)
    }

    /// The same of one of the lines of a histogram or summary.
    pub(crate) fn sample(&self, name: &str, suffix: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |sample: &Sample, (name, value): &(&str, &str)| {
            sample.labels.iter().any(|(own, text)| own == name && text == value)
        };
        let samples = self.metric(name).samples.iter().filter(|sample| sample.suffix == suffix);
        let fitting: Vec<_> =
            samples.filter(|sample| labels.iter().all(|label| has(sample, label))).collect();
        assert_eq!(fitting.len(), 1, "{name}{suffix} {labels:?}: {fitting:?}");
        fitting[0].value
    }

    /// Everything that may only rise, by name and labels.
    pub(crate) fn rising(&self) -> BTreeMap<String, f64> {
        let is_rising = |metric: &&Metric| metric.kind != "gauge";
        let of = |metric: &Metric| {
            let name = metric.name.clone();
            let key =
                move |sample: &Sample| (format!("{name}{} {:?}", sample.suffix, sample.labels), sample.value);
            metric.samples.iter().map(key).collect::<Vec<_>>()
        };
        self.metrics.iter().filter(is_rising).flat_map(of).collect()
    }
}

impl Metric {
    fn check(&self) {
        assert!(!self.samples.is_empty(), "{} has no line", self.name);
        let mut seen = BTreeSet::new();
        for sample in &self.samples {
            let suffixes: &[&str] = match self.kind.as_str() {
                "histogram" => &["_bucket", "_sum", "_count"],
                "summary" => &["_sum", "_count"],
                _ => &[""],
            };
            assert!(suffixes.contains(&sample.suffix.as_str()), "{} {sample:?}", self.name);
            assert!(sample.value.is_finite() && (self.kind == "gauge" || sample.value >= 0.0), "{sample:?}");
            let has_bound = sample.labels.iter().any(|(name, _)| name == "le");
            assert_eq!(has_bound, sample.suffix == "_bucket", "{} {sample:?}", self.name);
            assert!(
                seen.insert(format!("{}{:?}", sample.suffix, sample.labels)),
                "{} twice: {sample:?}",
                self.name
            );
        }
        if self.kind == "histogram" {
            self.check_histograms();
        }
    }

    /// Buckets rise to the one without a bound, which is the count.
    fn check_histograms(&self) {
        let mut by_labels: BTreeMap<String, Vec<&Sample>> = BTreeMap::new();
        for sample in &self.samples {
            let others: Vec<_> = sample.labels.iter().filter(|(name, _)| name != "le").collect();
            by_labels.entry(format!("{others:?}")).or_default().push(sample);
        }
        for samples in by_labels.values() {
            let (buckets, rest) = samples.split_at(samples.len() - 2);
            assert!(
                !buckets.is_empty() && rest[0].suffix == "_sum" && rest[1].suffix == "_count",
                "{samples:?}"
            );
            let bound = |sample: &&Sample| {
                let (_, text) = sample.labels.iter().find(|(name, _)| name == "le").unwrap();
                if text == "+Inf" { f64::INFINITY } else { text.parse().unwrap() }
            };
            let bounds: Vec<f64> = buckets.iter().map(bound).collect();
            assert!(bounds.is_sorted_by(|one, next| one < next) && bounds.last() == Some(&f64::INFINITY));
            assert!(buckets.is_sorted_by(|one, next| one.value <= next.value), "{samples:?}");
            assert_eq!(buckets.last().unwrap().value, rest[1].value, "{samples:?}");
        }
    }
}

impl Sample {
    fn read(line: &str, metric: &str) -> Self {
        let behind = line.strip_prefix(metric).unwrap_or_else(|| panic!("{line:?} is not of {metric}"));
        let end = behind.find(['{', ' ']).unwrap_or_else(|| panic!("no value: {line}"));
        let (suffix, mut rest) = behind.split_at(end);
        let mut labels: Vec<(String, String)> = Vec::new();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            loop {
                let (name, quoted) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
                assert!(is_name(name) && !name.contains(':'), "{line}");
                assert!(labels.iter().all(|(other, _)| other != name), "{line}");
                let (value, behind) = unquoted(quoted);
                labels.push((name.to_owned(), value));
                match behind.strip_prefix(',') {
                    Some(next) => rest = next,
                    None => {
                        rest = behind.strip_prefix('}').unwrap_or_else(|| panic!("no end of labels: {line}"));
                        break;
                    }
                }
            }
        }
        let value = rest.strip_prefix(' ').and_then(|value| value.parse().ok());
        let value = value.unwrap_or_else(|| panic!("no value: {line}"));
        Self { suffix: suffix.to_owned(), labels, value }
    }
}

/// The value in front of the closing quote, and what is behind that.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((place, letter)) = letters.next() {
        match letter {
            '"' => return (value, &text[place + 1..]),
            '\\' => value.push(match letters.next() {
                Some((_, 'n')) => '\n',
                Some((_, escaped @ ('\\' | '"'))) => escaped,
                other => panic!("no escape: {other:?}"),
            }),
            letter => value.push(letter),
        }
    }
    panic!("no closing quote: {text}")
}

fn is_name(text: &str) -> bool {
    let may = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.chars().all(may) && text.starts_with(|first: char| !first.is_ascii_digit())
}
