//! The generated pages of the manual are those of the source. `make docs` rewrites them.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use gossip_core::base::keys::Key;
use gossip_core::pool::keys::KEYS as POOL_KEYS;
use gossip_core::runtime::config::KEYS as NODE_KEYS;
use gossip_core::{Config, PoolConfig};

/// Compares `docs/NAME` with what it must say; with `UPDATE_DOCS=1` writes it instead.
fn expect_page(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    if env::var_os("UPDATE_DOCS").is_some() {
        return fs::write(path, text).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(found == text, "docs/{name} is not what the source says; run `make docs`");
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    if text.is_empty() { "–".to_owned() } else { text.replace('|', "\\|") }
}

fn code(text: &str) -> String {
    if text.is_empty() { "empty".to_owned() } else { format!("`{}`", cell(text)) }
}

fn row<C>(page: &mut String, key: &Key<C>, defaults: &[C]) {
    let mut cells = vec![
        format!("`{}`", key.name),
        key.kind.name().to_owned(),
        cell(key.unit),
        cell(&key.range.to_string()),
    ];
    let values: Vec<_> = defaults.iter().map(|config| (key.get)(config)).collect();
    for (index, value) in values.iter().enumerate() {
        let same = index > 0 && value == &values[0];
        cells.push(if same { "same".to_owned() } else { code(value) });
    }
    cells.push(cell(key.about));
    writeln!(page, "| {} |", cells.join(" | ")).unwrap();
}

#[test]
fn the_configuration_reference_is_that_of_the_source() {
    let mut page = String::from(
        "# Configuration\n\n\
        Generated from the tables in the source by `make docs`; a test fails while this page is stale.\n\n\
        The names are memberlist's in snake case. In C, and wherever a key is set from text, a duration is a whole number of\n\
        milliseconds and its name ends in `_ms`: `probe_interval_ms`. In Rust it is a `Duration`, in Python seconds or a\n\
        `timedelta`. Lists are separated by commas. A value that cannot work is refused when the node is made or the pool\n\
        registered, with every problem at once, and nothing is opened.\n\n\
        ## The node: `Config`\n\n\
        | key | kind | unit | range | default | meaning |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    NODE_KEYS.iter().for_each(|key| row(&mut page, key, &[Config::default()]));
    page.push_str(
        "\n## A pool: `PoolConfig`\n\n\
        `lan` is the default and memberlist's conservative preset, `wan` is for slow networks, `local` for one machine.\n\n\
        | key | kind | unit | range | lan | wan | local | meaning |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let presets = [PoolConfig::lan(0), PoolConfig::wan(0), PoolConfig::local(0)];
    POOL_KEYS.iter().for_each(|key| row(&mut page, key, &presets));
    page.push_str(
        "\nWithout a text form: the pool's `id` (0 to 255, given when the configuration is made), its AES keys (`keyring`;\n\
        memberlist's `SecretKey` is a keyring of one) and its delegate.\n",
    );

    expect_page("configuration.md", &page);
}
