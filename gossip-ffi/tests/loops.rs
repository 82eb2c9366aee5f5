//! The recipes of the manual for other event loops: the programs of `tests/loops` run, and what
//! the manual shows stands in them.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::{has_header, include_dir, library_dir, root, run};

/// Compiles a program of `tests/loops` and runs it.
fn runs(compiler: &str, dialect: &str, source: &str, more: &[&str]) -> String {
    let (dir, source) = (library_dir(), root().join("tests/loops").join(source));
    let name = format!("loop-{}", source.file_stem().expect("it has a name").to_string_lossy());
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut compile = Command::new(compiler);
    compile.args([dialect, "-g", "-Wall", "-Wextra", "-Werror", "-I"]).arg(include_dir());
    compile.arg(source).arg("-o").arg(&program).arg("-L").arg(dir).args(["-lgossip", "-pthread"]);
    run(compile.args(more).arg(format!("-Wl,-rpath,{}", dir.display())));
    run(&mut Command::new(program))
}

/// Fails if a line of the block of code behind `heading` in a page is not in the program, in that order.
fn shows(page: &str, heading: &str, source: &str) {
    let text = fs::read_to_string(root().join("docs").join(page)).expect("the page is there");
    let program = fs::read_to_string(root().join("tests/loops").join(source)).expect("the program is there");
    let (_, behind) = text.split_once(heading).unwrap_or_else(|| panic!("{page} does not say {heading}"));
    let block = behind.split("```").nth(1).expect("a block of code follows");
    let mut rest = program.as_str();
    for line in block.lines().skip(1).map(str::trim).filter(|line| !line.is_empty()) {
        let found =
            rest.find(line).unwrap_or_else(|| panic!("{page}: not in {source}, or not there: {line}"));
        rest = &rest[found + line.len()..];
    }
    assert!(rest.len() < program.len(), "{page} shows nothing");
}

#[test]
fn asio_waits_for_events_and_connections() {
    shows("cpp.md", "With asio", "asio.cpp");
    if has_header("g++", "asio.hpp", "asio's loop") {
        assert!(runs("g++", "-std=c++17", "asio.cpp", &[]).contains("asio works"));
    }
}

#[test]
fn libuv_waits_for_events_and_connections() {
    shows("c.md", "**libuv**", "libuv.c");
    if has_header("cc", "uv.h", "libuv's loop") {
        runs("cc", "-std=c11", "libuv.c", &["-luv"]);
    }
}
