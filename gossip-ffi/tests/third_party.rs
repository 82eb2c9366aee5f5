//! `THIRD_PARTY.md`, which is installed with the library, lists what is linked into it, and
//! nothing in there has a licence that a program could mind.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// Licences that ask for no more than to be named. One of them is enough where a crate offers several.
const WELCOME: [&str; 9] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "Unlicense",
    "Zlib",
];

/// Every crate that is linked on Linux, with its licence and its home, as cargo knows them.
fn linked() -> BTreeMap<String, (String, String)> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--package", "gossip-ffi", "--edges", "normal,no-proc-macro"]);
    tree.args(["--target", "x86_64-unknown-linux-gnu", "--prefix", "none", "--no-dedupe"]);
    let told =
        tree.args(["--format", "{p}|{l}|{r}"]).current_dir(support::root()).output().expect("cargo runs");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let lines = String::from_utf8(told.stdout).expect("cargo writes text");
    let crates = lines.lines().filter(|line| !line.starts_with("gossip-")).map(|line| {
        let mut fields = line.split('|').map(str::to_owned);
        let mut field = || fields.next().unwrap_or_default();
        // Some crates have the old form, with a slash for OR.
        (field(), (field().replace('/', " OR "), field()))
    });
    crates.collect()
}

#[test]
fn the_list_of_what_is_linked_is_fresh() {
    let mut text = String::from(
        "# What is linked into libgossip\n\n\
         libgossip.so and libgossip.a contain, besides this project's own code (MIT OR Apache-2.0), Rust's standard\n\
         library (MIT OR Apache-2.0, <https://github.com/rust-lang/rust>) and these crates. The list is that of Linux; it\n\
         is made from Cargo.lock by `make licences`.\n\n\
         | crate | licence | home |\n| --- | --- | --- |\n",
    );
    for (name, (licence, home)) in linked() {
        text += &format!("| {name} | {licence} | <{home}> |\n");
    }
    let path = support::root().join("THIRD_PARTY.md");

    if std::env::var_os("UPDATE_LICENCES").is_some() {
        fs::write(&path, &text).expect("the list can be written");
    }

    assert!(
        fs::read_to_string(&path).unwrap_or_default() == text,
        "{} is stale; run: make licences",
        path.display()
    );
}

#[test]
fn every_crate_that_is_linked_has_a_licence_that_any_program_can_take() {
    let linked = linked();
    assert!(linked.len() > 20, "cargo named only {linked:?}");
    for (name, (licence, _)) in linked {
        let each_part = licence.split(" AND ").all(|part| {
            part.trim_matches(['(', ')']).split(" OR ").any(|choice| WELCOME.contains(&choice.trim()))
        });
        assert!(each_part, "{name} is under {licence:?}: is it welcome?");
    }
}
