//! The tables of configuration keys: complete, consistent, and the only place of bounds.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use gossip_core::base::keys::{self, Key, Kind, Range};
use gossip_core::pool::keys::KEYS as POOL_KEYS;
use gossip_core::runtime::config::KEYS as NODE_KEYS;
use gossip_core::{Config, ConfigError, PoolConfig};

/// Fields of a debug print, at its first level.
fn fields(of: &impl Debug) -> BTreeSet<String> {
    let text = format!("{of:#?}");
    let first_level = text.lines().filter(|line| line.starts_with("    ") && !line.starts_with("     "));
    first_level.filter_map(|line| Some(line.trim().split_once(':')?.0.to_owned())).collect()
}

fn names<C>(keys: &[Key<C>]) -> BTreeSet<String> {
    keys.iter().map(|key| key.name.to_owned()).collect()
}

#[test]
fn every_field_has_a_key_but_those_without_a_text_form() {
    assert_eq!(fields(&Config::default()), names(NODE_KEYS));

    let mut of_pool = fields(&PoolConfig::default());
    for without_text in ["id", "keyring"] {
        assert!(of_pool.remove(without_text), "{without_text}");
    }
    assert_eq!(of_pool, names(POOL_KEYS));
}

fn survives_as_text<C: Clone + PartialEq + Debug>(keys: &'static [Key<C>], config: &C, base: &C) {
    let mut copy = base.clone();
    for key in keys {
        let text = keys::get(keys, config, key.name).unwrap();
        keys::set(keys, &mut copy, &key.text_name(), &text).unwrap();
    }
    assert_eq!(&copy, config);
}

#[test]
fn every_preset_survives_as_text() {
    for config in [PoolConfig::lan(0), PoolConfig::wan(0), PoolConfig::local(0)] {
        config.clone().check().unwrap();
        survives_as_text(POOL_KEYS, &config, &PoolConfig::lan(0));
    }
    survives_as_text(NODE_KEYS, &Config { bind_port: 1, ..Config::default() }, &Config::default());
}

/// Values just inside and just outside of a key's range.
fn edges(range: Range) -> (Vec<String>, Vec<String>) {
    let millis = |duration: Duration| duration.as_millis();
    let texts = |values: &[u128]| values.iter().map(ToString::to_string).collect();
    match range {
        Range::Either => (vec!["true".into(), "off".into()], vec!["".into(), "2".into()]),
        Range::Count(min, max) => {
            let (min, max) = (u128::from(min), u128::from(max));
            let below = min.checked_sub(1).map_or_else(|| "-1".to_owned(), |below| below.to_string());
            (texts(&[min, max]), vec![below, (max + 1).to_string(), "x".into()])
        }
        Range::Span(max) => (texts(&[1, millis(max)]), texts(&[0, millis(max) + 1])),
        Range::SpanOrZero(max, _) => (texts(&[0, 1, millis(max)]), texts(&[millis(max) + 1])),
        Range::Words(_) => (vec![], vec![]),
    }
}

fn bounds_hold<C: Clone + PartialEq + Debug>(keys: &'static [Key<C>], base: &C) -> usize {
    let mut refused = 0;
    for key in keys {
        let (inside, outside) = edges(key.range);
        for text in inside {
            let mut config = base.clone();
            keys::set(keys, &mut config, key.name, &text).unwrap();
        }
        for text in outside {
            let mut config = base.clone();
            let error: ConfigError = keys::set(keys, &mut config, key.name, &text).unwrap_err();
            assert_eq!((error.first().field, &config), (key.name, base), "{text}: {error}");
            refused += 1;
        }
    }
    refused
}

#[test]
fn every_bound_of_the_table_is_kept_and_a_refused_value_changes_nothing() {
    assert!(bounds_hold(POOL_KEYS, &PoolConfig::default()) > 30);
    assert!(bounds_hold(NODE_KEYS, &Config::default()) > 20);
}

#[test]
fn a_field_set_in_code_is_held_to_the_same_bounds() {
    // Past the bounds of the text form, as code may go.
    const HUGE: usize = 1 << 40;
    let base = PoolConfig::default();

    for (config, expected) in [
        (
            PoolConfig { gossip_nodes: HUGE, ..base.clone() },
            "gossip_nodes is 1099511627776, must be from 0 to 1000",
        ),
        (
            PoolConfig { udp_buffer_size: 10, ..base.clone() },
            "udp_buffer_size is 10, must be from 512 to 65507",
        ),
        (
            PoolConfig { query_timeout: Duration::from_nanos(1), ..base.clone() },
            "query_timeout is 0.000001ms, must be from 1 ms to 24 h",
        ),
    ] {
        assert_eq!(config.check().unwrap_err().to_string(), expected);
    }
}

#[test]
fn every_row_says_what_it_means() {
    let words = |name: &str, kind: Kind, unit: &str, about: &str, range: String| {
        assert!(about.len() > 12 && !about.ends_with('.'), "{name}: {about}");
        assert!(!range.is_empty(), "{name}");
        assert!(kind != Kind::Duration || unit == "ms", "{name}");
    };
    for key in POOL_KEYS {
        words(key.name, key.kind, key.unit, key.about, key.range.to_string());
    }
    for key in NODE_KEYS {
        words(key.name, key.kind, key.unit, key.about, key.range.to_string());
    }
}

#[test]
fn seeds_are_written_as_a_list_and_a_flawed_one_is_named() {
    let mut config = PoolConfig::default();

    keys::set(POOL_KEYS, &mut config, "seeds", "10.0.0.1, db.example:7946,ada/[fd00::2]:1").unwrap();
    let error = keys::set(POOL_KEYS, &mut config, "seeds", "ok,h:x").unwrap_err().to_string();

    assert_eq!(config.seeds, ["10.0.0.1", "db.example:7946", "ada/[fd00::2]:1"]);
    assert_eq!(keys::get(POOL_KEYS, &config, "seeds").unwrap(), "10.0.0.1,db.example:7946,ada/[fd00::2]:1");
    assert!(error.starts_with("seeds is \"ok,h:x\", must be host"), "{error}");
}

#[test]
fn an_unknown_key_is_named() {
    let error = keys::get(NODE_KEYS, &Config::default(), "port").unwrap_err();

    assert_eq!(error.to_string(), "key is \"port\", is no configuration key");
}
