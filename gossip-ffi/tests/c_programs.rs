//! C programs against the library: each of `tests/c`, the examples, the header in every
//! dialect, and the symbols that are exported.
//!
//! Without a C compiler that is said and skipped; with `CI=true` it is a failure.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use support::{include_dir, root};

/// Whether `tool` is there; without it, what it would have shown is skipped in sight of all.
fn has(tool: &str, would_show: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{tool} is missing: {would_show} is not shown");
        // Written past the harness, which swallows what a passing test prints.
        let _ = fs::write("/dev/stderr", format!("SKIPPED: no {tool}; {would_show} is not shown\n"));
    }
    found
}

/// The folder that holds the library, freshly built, under the names it is linked and loaded by.
fn library_dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        // The test stands in target/PROFILE/deps.
        let test = std::env::current_exe().expect("the test knows where it is");
        let dir = test.parent().and_then(Path::parent).expect("it stands in a target folder").to_owned();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "--lib", "-p", "gossip-ffi"]).current_dir(root());
        if dir.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the library does not build");
        assert!(dir.join("libgossip.so").exists(), "{} holds no libgossip.so", dir.display());
        let soname = format!("libgossip.so.{}.{}", version("MAJOR"), version("MINOR"));
        let link = dir.join(soname);
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink("libgossip.so", &link).expect("the folder takes a link");
        dir
    })
}

fn version(part: &str) -> &'static str {
    match part {
        "MAJOR" => env!("CARGO_PKG_VERSION_MAJOR"),
        _ => env!("CARGO_PKG_VERSION_MINOR"),
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Compiles a program and links it to the library. Examples are in the oldest dialect we
/// promise; the tests need C11's atomics.
fn compile(source: &str) -> PathBuf {
    let dialect = if source.starts_with("examples") { "-std=c99" } else { "-std=c11" };
    let dir = library_dir();
    let name = Path::new(source).file_stem().expect("a source has a name");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut cc = Command::new("cc");
    cc.args([dialect, "-g", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]);
    cc.arg("-I").arg(include_dir()).arg(root().join(source)).arg("-o").arg(&program);
    cc.arg("-L").arg(dir).args(["-lgossip", "-pthread"]);
    run(cc.arg(format!("-Wl,-rpath,{}", dir.display())));
    program
}

/// Compiles a program of `tests/c` and runs it.
fn passes(name: &str) {
    if has("cc", name) {
        run(&mut Command::new(compile(&format!("tests/c/{name}.c"))));
    }
}

#[test]
fn configuration() {
    passes("config");
}

#[test]
fn lifecycle() {
    passes("lifecycle");
}

#[test]
fn null_and_nonsense() {
    passes("nonsense");
}

#[test]
fn pools() {
    passes("pool");
}

#[test]
fn the_port() {
    passes("port");
}

#[test]
fn the_process() {
    passes("process");
}

#[test]
fn questions() {
    passes("questions");
}

#[test]
fn pools_without_a_leak_or_a_wild_access() {
    if has("cc", "pool under valgrind") && has("valgrind", "pool under valgrind") {
        let program = compile("tests/c/pool.c");
        let program = program.with_file_name("pool").canonicalize().expect("it was compiled");
        let mut valgrind = Command::new("valgrind");
        valgrind.args([
            "--quiet",
            "--error-exitcode=9",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite",
        ]);
        run(valgrind.arg(program));
    }
}

#[test]
fn the_examples_compile_and_the_first_one_runs() {
    if has("cc", "the examples") {
        compile("examples/c/demo_node.c");
        let hello = compile("examples/c/hello.c");

        let told = run(Command::new(hello).args(["ada", "0"]));

        assert!(told.contains("ada"), "{told}");
    }
}

#[test]
fn the_header_is_clean_in_every_dialect() {
    let dialects =
        [("cc", "c", &["c99", "c11", "c17"][..]), ("c++", "c++", &["c++11", "c++17", "c++20"][..])];
    for (compiler, language, standards) in dialects {
        if !has(compiler, "the header in its dialects") {
            continue;
        }
        for standard in standards {
            let mut check = Command::new(compiler);
            check.args(["-x", language, &format!("-std={standard}"), "-fsyntax-only"]);
            check.args(["-Wall", "-Wextra", "-Wconversion", "-Wundef", "-pedantic", "-Werror"]);
            run(check.arg("-I").arg(include_dir()).arg(root().join("tests/c/header.c")));
        }
    }
}

#[test]
fn what_the_header_declares_is_what_the_library_exports() {
    if !has("nm", "the exported symbols") {
        return;
    }
    let library = library_dir().join("libgossip.so");

    let listing = run(Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(library));

    let exported: BTreeSet<_> = listing.lines().filter_map(|line| line.split(' ').next()).collect();
    let header = fs::read_to_string(include_dir().join("gossip/gossip.h")).expect("the header is there");
    let declared: BTreeSet<_> = header
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != '(')
        .filter_map(|word| word.split_once('(').map(|(name, _)| name))
        .filter(|name| name.starts_with("gossip_"))
        .collect();
    let is_function = |name: &&str| declared.contains(*name);
    let foreign: Vec<_> = exported.iter().filter(|name| !is_function(name)).collect();
    assert!(foreign.is_empty(), "exported, but not in the header: {foreign:?}");
    assert!(exported.len() > 80, "only {} functions are exported", exported.len());
}
