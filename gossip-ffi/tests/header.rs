//! `include/gossip/gossip.h` is what the source says, says all that it must, and nothing
//! else is exported.

mod support;

use std::fs;
use std::path::Path;

use cbindgen::{Builder, Config};

/// The header as it follows from the source.
fn generate() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml reads");
    config.after_includes = config.after_includes.map(|text| {
        text.replace("@MAJOR@", env!("CARGO_PKG_VERSION_MAJOR"))
            .replace("@MINOR@", env!("CARGO_PKG_VERSION_MINOR"))
            .replace("@PATCH@", env!("CARGO_PKG_VERSION_PATCH"))
    });
    let bindings = Builder::new().with_crate(root).with_config(config).generate().expect("the source reads");
    let mut text = Vec::new();
    bindings.write(&mut text);
    String::from_utf8(text).expect("the header is UTF-8")
}

#[test]
fn the_checked_in_header_is_what_the_source_says() {
    let generated = generate();
    let path = support::include_dir().join("gossip/gossip.h");

    if std::env::var_os("UPDATE_HEADER").is_some() {
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("the folder can be made");
        fs::write(&path, &generated).expect("the header can be written");
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();

    assert!(
        checked_in == generated,
        "{} is stale; run: UPDATE_HEADER=1 cargo test -p gossip-ffi --test header",
        path.display()
    );
}
