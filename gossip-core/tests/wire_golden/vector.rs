//! Golden vectors, read and run kind by kind. `tests/vectors/README.md` describes them.

use std::path::Path;

use bytes::Bytes;
use gossip_core::wire::keyring::{Key, Keyring};
use gossip_core::wire::nonce::Nonces;
use gossip_core::wire::onion::Wire;
use serde_json::Value;

/// One vector; the accessors panic where the schema says that the key is present.
pub(crate) struct Vector(pub(crate) Value);

impl Vector {
    pub(crate) fn id(&self) -> &str {
        self.0["id"].as_str().expect("every vector has an id")
    }

    pub(crate) fn is_of(&self, kind: &str) -> bool {
        self.0["kind"] == kind
    }

    /// The record type.
    pub(crate) fn record_type(&self) -> &str {
        self.0["type"].as_str().expect("the vector has a type")
    }

    pub(crate) fn wire(&self) -> Vec<u8> {
        hex(self.0["wire"].as_str().expect("the vector has bytes"))
    }

    pub(crate) fn inner(&self) -> Vec<u8> {
        hex(self.0["inner"].as_str().expect("the vector has an inner message"))
    }

    pub(crate) fn fields(&self) -> &Value {
        &self.0["fields"]
    }

    pub(crate) fn param(&self, name: &str) -> &Value {
        &self.0["params"][name]
    }

    pub(crate) fn expect(&self, name: &str) -> &Value {
        &self.0["expect"][name]
    }

    /// The hex of a parameter.
    pub(crate) fn param_bytes(&self, name: &str) -> Vec<u8> {
        self.param(name).as_str().map(hex).unwrap_or_default()
    }

    /// The onion that the parameters describe.
    pub(crate) fn onion(&self) -> Wire {
        let keys = match (self.param("keys").as_array(), self.param("key").as_str()) {
            (Some(keys), _) => keys.iter().filter_map(Value::as_str).map(key).collect(),
            (None, Some(one)) => vec![key(one)],
            (None, None) => vec![],
        };
        Wire {
            label: Bytes::copy_from_slice(self.param("label").as_str().unwrap_or_default().as_bytes()),
            skip_inbound_label_check: self.param("skip_inbound_label_check") == true,
            keyring: Keyring::new(keys.clone(), keys.first().cloned()).expect("the ring has a primary"),
            verify_incoming: self.param("gossip_verify_incoming") != false,
            compression: self.param("enable_compression") == true,
            encryption_version: u8::from(self.param("protocol_version") != 1),
            ..Wire::plain()
        }
    }
}

/// Runs every vector of a kind, and makes sure that there are as many as we know.
pub(crate) fn each_of(kind: &str, count: usize, mut run: impl FnMut(&Vector)) {
    let vectors: Vec<_> = all().into_iter().filter(|vector| vector.is_of(kind)).collect();

    assert_eq!(vectors.len(), count, "vectors of kind {kind}");
    for vector in &vectors {
        run(vector);
    }
}

/// Every vector of every file.
pub(crate) fn all() -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let files = std::fs::read_dir(folder).expect("the vectors are part of the repository");
    files
        .map(|file| file.expect("the folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .flat_map(|path| {
            let text = std::fs::read_to_string(&path).expect("a vector file can be read");
            let file: Value = serde_json::from_str(&text).expect("a vector file is json");
            file["vectors"].as_array().expect("a file is a list of vectors").clone()
        })
        .map(Vector)
        .collect()
}

/// The nonce of every vector: a0 a1 ... ab.
pub(crate) fn golden_nonces() -> Nonces {
    Nonces::from_os(|block| {
        for nonce in block.chunks_mut(12) {
            for (byte, value) in nonce.iter_mut().zip(0xa0..) {
                *byte = value;
            }
        }
    })
}

pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.chars().map(|c| c.to_digit(16).expect("a hex digit") as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn key(digits: &str) -> Key {
    Key::new(&hex(digits)).expect("the vectors use keys of right size")
}
