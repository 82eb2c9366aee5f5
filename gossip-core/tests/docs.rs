//! The tables of the manual that are made from the source are what the source says.
//!
//! A page is written by hand, except for what stands between
//! `<!-- generated: NAME -->` and `<!-- end -->`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use gossip_core::base::keys::Key;
use gossip_core::pool::keys::KEYS as POOL_KEYS;
use gossip_core::runtime::config::KEYS as NODE_KEYS;
use gossip_core::runtime::metrics::table;
use gossip_core::{Config, Gossip, PoolConfig};

/// Fails if the part `name` of the page `docs/FILE` is not `generated`; with `UPDATE_DOCS`
/// set, it is made so.
#[track_caller]
fn check(file: &str, name: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(file);
    let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let (begin, end) = (format!("<!-- generated: {name} -->\n"), "<!-- end -->");
    let (front, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("{file} has no part {name}"));
    let (_, back) = rest.split_once(end).unwrap_or_else(|| panic!("{file}: the part {name} has no end"));
    let fresh = format!("{front}{begin}{generated}{end}{back}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &fresh).unwrap_or_else(|error| panic!("{file}: {error}"));
    } else {
        assert!(page == fresh, "docs/{file} is stale; run: make docs");
    }
}

/// The rows of a table of keys, with the value of each in some configurations.
fn key_rows<C>(keys: &[Key<C>], configs: &[C]) -> String {
    let cell = |text: &str| if text.is_empty() { "–".to_owned() } else { text.replace('|', "\\|") };
    let mut rows = String::new();
    for key in keys {
        let mut cells = vec![format!("`{}`", key.name), key.kind.name().to_owned()];
        cells.extend([cell(key.unit), cell(&key.range.to_string())]);
        let values: Vec<_> = configs.iter().map(|config| (key.get)(config)).collect();
        cells.extend(values.iter().enumerate().map(|(index, value)| match value.as_str() {
            value if index > 0 && value == values[0] => "same".to_owned(),
            "" => "empty".to_owned(),
            value => format!("`{value}`"),
        }));
        cells.push(cell(key.about));
        let _ = writeln!(rows, "| {} |", cells.join(" | "));
    }
    rows
}

#[test]
fn the_configuration_reference_is_that_of_the_source() {
    let head = |columns: &str, count: usize| format!("| {columns} |\n|{}\n", " --- |".repeat(count));
    let node = head("key | kind | unit | range | default | meaning", 6);
    check("configuration.md", "node", &(node + &key_rows(NODE_KEYS, &[Config::default()])));
    let pool = head("key | kind | unit | range | lan | wan | local | meaning", 8);
    let presets = [PoolConfig::lan(0), PoolConfig::wan(0), PoolConfig::local(0)];
    check("configuration.md", "pool", &(pool + &key_rows(POOL_KEYS, &presets)));
}

#[test]
fn the_metrics_are_those_of_the_source() {
    let part_of = |name: &str| match name {
        name if name.starts_with("memberlist_") => "memberlist",
        name if name.starts_with("gossip_pool_") => "pools",
        _ => "port",
    };
    for part in ["memberlist", "pools", "port"] {
        let mut rows = String::from("| name | type | labels | meaning |\n| --- | --- | --- | --- |\n");
        for metric in table::all().filter(|metric| part_of(metric.name) == part) {
            let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let (name, kind, help) = (metric.name, metric.kind.word(), metric.help);
            let _ = writeln!(rows, "| `{name}` | {kind} | {} | {help} |", labels.join(", "));
        }
        check("metrics.md", part, &rows);
    }
}

#[test]
fn every_reason_to_drop_and_every_queue_is_explained() {
    let loopback = vec![[127, 0, 0, 1].into()];
    let node = Gossip::new(Config { bind_addr: loopback, bind_port: 0, ..Config::default() }).unwrap();
    node.register_pool(PoolConfig::lan(1), None).unwrap();
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md")).unwrap();

    let mut seen = 0;
    for line in node.metrics().lines() {
        for (metric, label) in
            [("gossip_pool_dropped_total{", "reason"), ("gossip_pool_queue_depth{", "queue")]
        {
            let Some(labels) = line.strip_prefix(metric) else { continue };
            let value =
                labels.split_once(&format!("{label}=\"")).and_then(|(_, rest)| rest.split('"').next());
            let value = value.unwrap_or_else(|| panic!("{line} has no {label}"));
            assert!(page.contains(&format!("`{value}`")), "docs/metrics.md does not explain {label} {value}");
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen} seen");
}
