//! The floors of the crate: a folder imports only the folders below it.
//!
//! The table is that of the crate's first page. That nothing below `net` needs sockets or
//! a runtime is shown besides by a build without default features.

use std::fs;
use std::path::{Path, PathBuf};

/// Each folder and the folders it may import from, itself aside.
const FLOORS: [(&str, &[&str]); 8] = [
    ("base", &[]),
    ("wire", &["base"]),
    ("mux", &["base"]),
    ("swim", &["base", "wire"]),
    ("pool", &["base", "wire", "mux", "swim"]),
    ("net", &["base", "mux"]),
    ("runtime", &["base", "wire", "mux", "swim", "pool", "net"]),
    ("sim", &["base", "wire", "mux", "swim", "pool"]),
];

/// What `swim` may use of `wire`: types and their encoding, no layers.
const SWIM_USES_OF_WIRE: [&str; 2] = ["message", "encode"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The `crate::` paths of a line that is code.
fn crate_paths(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split("//").next().unwrap_or_default();
    code.split("crate::").skip(1)
}

fn word(text: &str) -> &str {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default()
}

/// The production part of a file: unit tests may look wherever they need to.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default()
}

#[test]
fn folders_import_downward_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut breaches = Vec::new();
    let mut imports = 0;
    for (folder, below) in FLOORS {
        let mut files = Vec::new();
        sources(&root.join(folder), &mut files);
        assert!(!files.is_empty(), "{folder} has no files");
        for file in files {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if ["scenarios.rs", "vectors.rs"].contains(&name) {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            for (number, line) in production(&text).lines().enumerate() {
                for path in crate_paths(line) {
                    imports += 1;
                    let target = word(path);
                    let inner = word(path.get(target.len() + 2..).unwrap_or_default());
                    let narrow = folder == "swim" && target == "wire" && !SWIM_USES_OF_WIRE.contains(&inner);
                    if target != folder && !below.contains(&target) || narrow {
                        breaches.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
                    }
                }
            }
        }
    }
    assert!(imports > 100, "only {imports} imports seen: the test looks in the wrong place");
    assert!(breaches.is_empty(), "upward imports:\n{}", breaches.join("\n"));
}

#[test]
fn the_crate_forbids_unsafe_code() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();

    assert!(lib.contains("#![forbid(unsafe_code)]"));
}
