//! Programs that were compiled against the last release run with this library: `abidiff`
//! compares the header with `tests/abi/libgossip.abi`, what it was then.
//!
//! Functions and enumerators may be added without a word. A field at the end of the delegate
//! breaks nothing either, thanks to `struct_size`, but is told here: if nothing else is,
//! `make abi`. Everything else needs a new library: raise the minor version (from 1.0: the major
//! one), which is the library's name for the dynamic linker, and `GOSSIP_ABI_VERSION`; then
//! `make abi`. A release renews the baseline, too. There is none yet, and the baseline is what
//! the interface is today.
//!
//! That the library is what the header says is shown by `c_programs.rs` and `layout.rs`.

mod support;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{functions_in, has, include_dir, root, run, version};

fn baseline() -> PathBuf {
    root().join("tests/abi/libgossip.abi")
}

fn soname() -> String {
    format!("libgossip.so.{}.{}", version("MAJOR"), version("MINOR"))
}

/// What the header at `header` declares, as a library in which no function does anything:
/// its types are C's alone, while libgossip's own describe all of Rust's.
fn stub(name: &str, header: &str) -> PathBuf {
    let mut source = header.to_owned();
    for function in functions_in(header) {
        let parameters =
            if function.parameters.is_empty() { "void".into() } else { function.parameters.join(", ") };
        let (returns, name) = (&function.returns, &function.name);
        writeln!(source, "{returns} {name}({parameters}) {{ __builtin_trap(); }}").expect("a text grows");
    }
    // No signature names an enumeration: they cross as numbers.
    for part in header.split("typedef enum {").skip(1) {
        let name =
            part.split_once("\n} ").and_then(|(_, rest)| rest.split_once(';')).expect("it has a name").0;
        writeln!(source, "{name} abi_{name};").expect("a text grows");
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (path, library) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.so")));
    fs::write(&path, source).expect("the folder takes a file");
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-g", "-gdwarf-4", "-shared", "-fPIC", "-Wno-unused-parameter"]);
    run(cc.arg(format!("-Wl,-soname,{}", soname())).arg(&path).arg("-o").arg(&library));
    library
}

fn header() -> String {
    fs::read_to_string(include_dir().join("gossip/gossip.h")).expect("the header is there")
}

/// What abidiff finds in a library that is not as in the baseline, but for what is new.
fn differences(library: &Path) -> Option<String> {
    let mut abidiff = Command::new("abidiff");
    abidiff.args(["--no-architecture", "--no-added-syms"]).arg(baseline()).arg(library);
    let told = abidiff.output().expect("it runs");
    let words = String::from_utf8_lossy(&told.stdout).into_owned() + &String::from_utf8_lossy(&told.stderr);
    // Bits: 1 and 2 are errors, 4 a change, 8 one that certainly breaks programs.
    match told.status.code() {
        Some(0) => None,
        Some(code) if code & 3 == 0 => Some(words),
        _ => panic!("abidiff: {words}"),
    }
}

#[test]
fn a_program_of_the_last_release_runs_with_this_library() {
    if !has("cc", "the binary interface") || !has("abidiff", "the binary interface") {
        return;
    }
    let library = stub("abi", &header());
    if std::env::var_os("UPDATE_ABI").is_some() {
        let mut abidw = Command::new("abidw");
        abidw.args(["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--no-architecture"]);
        run(abidw.args(["--no-parameter-names", "--out-file"]).arg(baseline()).arg(&library));
    }
    let known = fs::read_to_string(baseline()).expect("the baseline is there; make it: make abi");
    assert!(
        known.contains(&format!("soname='{}'", soname())),
        "the baseline is of another version; run: make abi"
    );

    if let Some(words) = differences(&library) {
        panic!("programs break; gossip-ffi/tests/abi.rs says what to do\n{words}");
    }
}

#[test]
fn what_breaks_programs_is_found_and_what_does_not_is_allowed() {
    if !has("cc", "the binary interface") || !has("abidiff", "the binary interface") {
        return;
    }
    let header = header();
    let breaks = |name: &str, from: &str, to: &str| {
        assert!(header.contains(from), "the header has no {from}");
        differences(&stub(name, &header.replacen(from, to, 1))).is_some()
    };

    assert!(breaks("abi_field", "    size_t struct_size;", "    size_t struct_size;\n    size_t another;"));
    assert!(breaks("abi_code", "GOSSIP_ERR_CLOSED = -5", "GOSSIP_ERR_CLOSED = -99"));
    assert!(breaks("abi_gone", "gossip_abi_version(void)", "gossip_abi_version_now(void)"));
    assert!(breaks(
        "abi_type",
        "gossip_listener_kind(const gossip_listener_t *",
        "gossip_listener_kind(const gossip_t *"
    ));
    assert!(!breaks(
        "abi_new_code",
        "GOSSIP_ERR_NOT_TAKEN = -35,",
        "GOSSIP_ERR_NOT_TAKEN = -35, GOSSIP_ERR_LATER = -36,"
    ));
    let later = "void gossip_later(void) {}\n\nGOSSIP_API uint32_t gossip_abi_version(void);";
    assert!(!breaks("abi_new", "GOSSIP_API uint32_t gossip_abi_version(void);", later));
}
