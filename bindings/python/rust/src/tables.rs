//! Configurations as their tables of keys: read by the Python dataclasses, so that
//! names, defaults and rules are stated once, in the core.

use gossip_core::base::keys::{self, Key};
use gossip_core::pool::config::PoolConfig;
use gossip_core::pool::keys::KEYS as POOL_KEYS;
use gossip_core::runtime::config::{Config, KEYS as CONFIG_KEYS};
use gossip_core::wire::keyring::{Key as AesKey, Keyring};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::convert::Payload;
use crate::errors;

/// A key's name, kind, range, meaning and default in text form.
type Row = (&'static str, &'static str, String, &'static str, String);

/// Names and values in text form.
pub(crate) type Values = Vec<(String, String)>;

/// The keys of `gossip.Config`.
#[pyfunction]
pub(crate) fn config_keys() -> Vec<Row> {
    rows(CONFIG_KEYS, &Config::default())
}

/// The keys of `gossip.PoolConfig`, with the defaults of a preset: lan, wan or local.
#[pyfunction]
pub(crate) fn pool_keys(preset: &str) -> PyResult<Vec<Row>> {
    let config = match preset {
        "lan" => PoolConfig::lan(0),
        "wan" => PoolConfig::wan(0),
        "local" => PoolConfig::local(0),
        _ => return Err(PyValueError::new_err(format!("{preset:?} is no preset: lan, wan or local"))),
    };
    Ok(rows(POOL_KEYS, &config))
}

/// Raises `ConfigError` unless a node can have these values.
#[pyfunction]
pub(crate) fn check_config(values: Values) -> PyResult<()> {
    config(values).map(drop)
}

/// Raises `ConfigError` unless a pool can have these values.
#[pyfunction]
pub(crate) fn check_pool(id: u8, values: Values, meta: Payload, keys: Vec<Payload>) -> PyResult<()> {
    pool(id, values, meta, &keys).map(drop)
}

/// A node's configuration from its text form.
pub(crate) fn config(values: Values) -> PyResult<Config> {
    let mut config = Config::default();
    keys::set_all(CONFIG_KEYS, &mut config, &values).map_err(errors::config)?;
    config.check().map_err(errors::config)?;
    Ok(config)
}

/// A pool's configuration from its text form; metadata and keys are bytes, not text.
pub(crate) fn pool(id: u8, values: Values, meta: Payload, keys: &[Payload]) -> PyResult<PoolConfig> {
    let mut config = PoolConfig::lan(id);
    keys::set_all(POOL_KEYS, &mut config, &values).map_err(errors::config)?;
    config.meta = meta.0.into();
    config.keyring = keyring(keys)?;
    config.clone().check().map_err(errors::config)?;
    Ok(config)
}

/// One AES key.
pub(crate) fn aes_key(bytes: &Payload) -> PyResult<AesKey> {
    AesKey::new(&bytes.0).map_err(|error| errors::keyring(&error))
}

/// A keyring whose first key is the primary one.
fn keyring(keys: &[Payload]) -> PyResult<Keyring> {
    let keys: Vec<AesKey> = keys.iter().map(aes_key).collect::<PyResult<_>>()?;
    let primary = keys.first().cloned();
    Keyring::new(keys, primary).map_err(|error| errors::keyring(&error))
}

fn rows<C>(keys: &[Key<C>], config: &C) -> Vec<Row> {
    let row = |key: &Key<C>| (key.name, key.kind.name(), key.range.to_string(), key.about, (key.get)(config));
    keys.iter().map(row).collect()
}
