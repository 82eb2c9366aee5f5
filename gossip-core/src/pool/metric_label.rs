//! Labels that a pool's metrics carry by configuration (memberlist's `MetricLabels`).

use crate::base::config_error::Problems;

/// Labels that metrics have themselves.
pub const RESERVED: [&str; 9] =
    ["pool", "listener", "reason", "queue", "copy", "outcome", "node_state", "le", "quantile"];

/// The most labels of one pool: each of them stands on each of its lines.
const LABELS_MAX: usize = 16;

/// The longest name or value, in bytes.
const LEN_MAX: usize = 128;

/// Reads `name=value`; the error is the rule that it breaks.
pub(super) fn parse(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} must be name=value"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// Notes the labels that a metric cannot carry.
pub(super) fn check(labels: &[(String, String)], problems: &mut Problems) {
    let mut refuse = |broken, value: String, rule| problems.refuse(broken, "metric_labels", value, rule);
    let rule = format!("must be at most {LABELS_MAX}");
    refuse(labels.len() > LABELS_MAX, format!("{} labels", labels.len()), rule);
    for (place, (name, value)) in labels.iter().enumerate().take(LABELS_MAX) {
        let quoted = format!("{name:?}");
        if !is_name(name) {
            let rule = "must be named with letters, digits and underscores, neither a digit nor two underscores first";
            refuse(true, quoted, rule.to_owned());
        } else if RESERVED.contains(&name.as_str()) {
            refuse(true, quoted, "must not be named as a label of the metrics themselves".to_owned());
        } else {
            let again = labels.iter().take(place).any(|(earlier, _)| earlier == name);
            refuse(again, quoted, "must be there once".to_owned());
        }
        let rule = "must be without a comma, which separates labels";
        refuse(value.contains(','), format!("{value:?}"), rule.to_owned());
        let longest = name.len().max(value.len());
        let rule = format!("must be at most {LEN_MAX} bytes each");
        refuse(longest > LEN_MAX, format!("{longest} bytes long"), rule);
    }
}

/// Whether Prometheus takes this as the name of a label; two underscores are its own.
fn is_name(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    letters
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.starts_with("__")
        && !name.is_empty()
}

#[cfg(test)]
mod tests {
    use crate::base::keys;
    use crate::pool::config::PoolConfig;
    use crate::pool::keys::KEYS;

    fn checked(text: &str) -> Result<Vec<(String, String)>, String> {
        let mut config = PoolConfig::lan(1);
        keys::set(KEYS, &mut config, "metric_labels", text).map_err(|error| error.to_string())?;
        let checked = config.check().map_err(|error| error.to_string())?;
        Ok(checked.config().metric_labels.clone())
    }

    #[test]
    fn labels_are_pairs_and_keep_their_order() {
        let pairs = [("zone", "b=1"), ("_dc", ""), ("A9", "ü")].map(|(n, v)| (n.to_owned(), v.to_owned()));

        assert_eq!(checked("zone=b=1, _dc= ,A9=ü").unwrap(), pairs);
        assert_eq!(checked("").unwrap(), []);
    }

    #[test]
    fn a_label_that_no_metric_can_carry_is_refused_with_the_rule() {
        for (text, rule) in [
            ("zone", "must be name=value"),
            ("=x", "must be named with letters"),
            ("9a=x", "must be named with letters"),
            ("a-b=x", "must be named with letters"),
            ("__a=x", "must be named with letters"),
            ("ü=x", "must be named with letters"),
            ("pool=x", "must not be named as a label of the metrics themselves"),
            ("a=1,a=2", "must be there once"),
            (&format!("a={}", "x".repeat(129)), "must be at most 128 bytes each"),
        ] {
            let error = checked(text).unwrap_err();
            assert!(error.contains("metric_labels") && error.contains(rule), "{text}: {error}");
        }
        let many: Vec<_> = (0..17).map(|number| format!("a{number}=x")).collect();
        assert!(checked(&many.join(",")).unwrap_err().contains("must be at most 16"));
        let config = PoolConfig { metric_labels: vec![("a".into(), "1,b=2".into())], ..PoolConfig::lan(1) };
        assert!(config.check().unwrap_err().to_string().contains("without a comma"));
    }
}
