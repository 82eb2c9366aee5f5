//! The tables of the manual that are made from the source are what the source says.
//!
//! A page is written by hand, except for what stands between
//! `<!-- generated: NAME -->` and `<!-- end -->`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use gossip_core::base::keys::Key;
use gossip_core::pool::keys::KEYS as POOL_KEYS;
use gossip_core::runtime::config::KEYS as NODE_KEYS;
use gossip_core::runtime::metrics::table;
use gossip_core::{Config, Finding, Gossip, PoolConfig};

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

/// A page by its path from the root of the repository.
fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The pages of the manual, by their paths from the root.
fn pages() -> Vec<String> {
    let docs = fs::read_dir(root().join("docs")).unwrap();
    let names = docs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pages = names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}"));
    pages.chain(["README.md".to_owned()]).collect()
}

/// What stands between `open` and `close` in `text`, each time.
fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split_once(close)).map(|(inner, _)| inner)
}

/// What stands between two of `mark` in `text`, each time.
fn quoted(text: &str, mark: char) -> impl Iterator<Item = &str> {
    text.split(mark).skip(1).step_by(2)
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// A page without what stands in its fences.
fn prose(page: &str) -> String {
    page.split("```").step_by(2).collect()
}

#[test]
fn every_link_of_the_manual_leads_somewhere() {
    let mut seen = 0;
    for file in pages() {
        let prose = prose(&read(&file));
        for link in between(&prose, "](", ")").filter(|link| !link.contains("://")) {
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            let folder = Path::new(&file).parent().unwrap();
            let target = if path.is_empty() { PathBuf::from(&file) } else { folder.join(path) };
            assert!(root().join(&target).exists(), "{file}: {link} leads nowhere");
            if !fragment.is_empty() {
                let page = fs::read_to_string(root().join(&target)).unwrap();
                let mut headings = page.lines().filter(|line| line.starts_with('#'));
                let found = headings.any(|line| anchor(line.trim_start_matches('#')) == fragment);
                assert!(found, "{file}: {link} has no such heading");
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} links seen");
}

#[test]
fn the_guide_speaks_of_warnings_metrics_and_settings_that_exist() {
    let (guide, logging) = (read("docs/guide.md"), read("docs/logging.md"));
    let (_, troubleshooting) = guide.split_once("\n## Troubleshooting").unwrap();
    let warnings: Vec<_> = quoted(troubleshooting, '"').collect();
    for warning in &warnings {
        let mut known = logging.lines().filter(|line| line.starts_with("| "));
        assert!(known.any(|line| line.contains(warning)), "docs/logging.md has no warning {warning:?}");
    }
    assert!(warnings.len() > 15, "only {} warnings seen", warnings.len());

    let bind_addr = vec![[127, 0, 0, 1].into()];
    let node = Gossip::new(Config { bind_addr, bind_port: 0, ..Config::default() }).unwrap();
    node.register_pool(PoolConfig::lan(1), None).unwrap();
    let text = node.metrics();
    let known: BTreeSet<_> = between(&text, "reason=\"", "\"")
        .chain(NODE_KEYS.iter().map(|key| key.name))
        .chain(POOL_KEYS.iter().map(|key| key.name))
        .chain(table::all().map(|metric| metric.name))
        .chain(FUNCTIONS.iter().copied())
        .chain(Finding::ALL.iter().map(|finding| finding.name()))
        .collect();
    let prose = prose(&guide);
    let (_, operating) = prose.split_once("\n## Operating").unwrap();
    let is_name =
        |name: &&str| name.contains('_') && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let names: Vec<_> =
        quoted(operating, '`').map(|code| code.split('{').next().unwrap()).filter(is_name).collect();
    for name in &names {
        assert!(known.contains(name), "{name} is no setting, metric, reason or function");
    }
    assert!(names.len() > 60, "only {} names seen", names.len());
}

#[test]
fn the_guide_explains_every_finding_of_the_doctor() {
    let guide = read("docs/guide.md");
    for finding in Finding::ALL {
        let row = format!("`{}`", finding.name());
        assert!(
            guide.lines().any(|line| line.starts_with("| `") && line.contains(&row)),
            "docs/guide.md does not explain {row}"
        );
    }
}

/// Functions of which the guide speaks where it speaks of settings, metrics and reasons.
const FUNCTIONS: &[&str] =
    &["notify_alive", "max_broadcast_size", "gossip_pool_explain", "gossip_pool_doctor"];

/// Every word of the source.
fn words(folder: &Path, words: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            self::words(&path, words);
        } else {
            let text = fs::read_to_string(path).unwrap();
            words.extend(text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned));
        }
    }
}

#[test]
fn the_dictionary_for_those_who_know_go_leads_to_names_that_exist() {
    let page = read("docs/differences.md");
    let (_, names) = page.split_once("\n## Names").unwrap();
    let mut known = BTreeSet::new();
    words(&root().join("gossip-core/src"), &mut known);
    let mut seen = 0;
    for row in names.lines().filter(|line| line.starts_with("| `")) {
        let here = row.split('|').nth(2).unwrap();
        for word in quoted(here, '`').flat_map(|code| code.split(|c: char| !c.is_alphanumeric() && c != '_'))
        {
            assert!(known.contains(word), "{word} is nowhere in the source: {row}");
            seen += 1;
        }
    }
    assert!(seen > 100, "only {seen} words seen");
}
