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

/// What a comment says behind `label`, up to the next label or its end.
fn said<'a>(comment: &'a str, label: &str) -> Option<&'a str> {
    let (_, rest) = comment.split_once(label)?;
    let end = ["Memory:", "Threads:", "Blocks:", "Status:"].iter().filter_map(|next| rest.find(next)).min();
    Some(rest[..end.unwrap_or(rest.len())].trim())
}

#[test]
fn every_function_says_who_owns_which_threads_and_whether_it_blocks() {
    for function in support::functions() {
        for label in ["Memory:", "Threads:", "Blocks:"] {
            let text = said(&function.comment, label).unwrap_or_default();
            assert!(text.len() > 1, "{} does not say {label}\n{}", function.name, function.comment);
        }
    }
}

#[test]
fn every_function_that_can_fail_names_statuses_that_exist() {
    let status = |name: &str| {
        (0..gossip::status::gossip_status_count()).any(|index| {
            let code = -i32::try_from(index).expect("there are few");
            let full = gossip::status::gossip_status_name(code);
            // SAFETY: the names are static C strings.
            let full = unsafe { std::ffi::CStr::from_ptr(full) }.to_str().expect("names are ASCII");
            full.strip_prefix("GOSSIP_ERR_") == Some(name)
        })
    };
    for function in support::functions().iter().filter(|function| function.can_fail()) {
        let text = said(&function.comment, "Status:");
        let text = text.unwrap_or_else(|| panic!("{} does not say Status:", function.name));
        let names: Vec<_> = text
            .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .filter(|word| word.len() > 1 && word.bytes().all(|letter| !letter.is_ascii_lowercase()))
            .collect();
        for name in names.iter().filter(|name| !name.bytes().all(|letter| letter.is_ascii_digit())) {
            assert!(status(name), "{}: there is no status {name}", function.name);
        }
    }
}
