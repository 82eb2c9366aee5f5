//! C programs against the library: each of `tests/c`, the examples, and the symbols that
//! are exported.
//!
//! Without a C compiler that is said and skipped; with `CI=true` it is a failure.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{has, include_dir, library_dir, root, run, version};

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
fn what_the_header_declares_is_what_the_library_exports() {
    if !has("nm", "the exported symbols") {
        return;
    }
    let library = library_dir().join("libgossip.so");

    let listing = run(Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(library));

    let exported: BTreeSet<_> = listing.lines().filter_map(|line| line.split(' ').next()).collect();
    let functions = support::functions();
    let declared: BTreeSet<_> = functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(exported, declared);
    assert!(declared.iter().all(|name| name.starts_with("gossip_")), "{declared:?}");
    assert!(declared.len() > 80, "only {} functions were found", declared.len());
}

#[cfg(target_os = "linux")]
#[test]
fn the_library_is_named_by_its_version_and_stays_loaded() {
    if has("readelf", "how the library is linked") {
        let library = library_dir().join("libgossip.so");

        let dynamic = run(Command::new("readelf").args(["--dynamic", "--wide"]).arg(library));

        let soname = format!("[libgossip.so.{}.{}]", version("MAJOR"), version("MINOR"));
        assert!(dynamic.contains(&soname), "{dynamic}");
        assert!(dynamic.contains("NODELETE"), "{dynamic}");
    }
}

/// A program that calls every function of the header with nothing but NULL, then 0, -1 and
/// the largest numbers. What begins with a pointer must say that it is NULL.
fn nothing_program() -> String {
    let mut program = String::from(
        "#include <gossip/gossip.h>\n#include <stdio.h>\n#include <stdlib.h>\n\n\
         static void check(const char *name, gossip_status_t status, int is_null)\n{\n    \
         if (status <= 0 && (!is_null || status == GOSSIP_ERR_NULL_ARG))\n        return;\n    \
         printf(\"%s: %s\\n\", name, gossip_status_name(status));\n    exit(1);\n}\n\nint main(void)\n{\n",
    );
    for function in support::functions() {
        for number in ["0", "-1", "0x7fffffff"] {
            let pointer = |parameter: &&String| parameter.contains('*') || parameter.ends_with(']');
            let argument = |parameter: &String| {
                let kind = parameter.rsplit_once(' ').map_or("", |(kind, _)| kind);
                if pointer(&parameter) { "NULL".to_owned() } else { format!("({kind}){number}") }
            };
            let arguments: Vec<_> = function.parameters.iter().map(argument).collect();
            let call = format!("{}({})", function.name, arguments.join(", "));
            let is_null = i32::from(function.parameters.first().is_some_and(|first| pointer(&first)));
            program += &match function.returns.as_str() {
                // The status of no error is success.
                "gossip_status_t" if function.name != "gossip_error_code" => {
                    format!("    check(\"{}\", {call}, {is_null});\n", function.name)
                }
                "void" => format!("    {call};\n"),
                _ => format!("    (void){call};\n"),
            };
        }
    }
    program + "    return 0;\n}\n"
}

#[test]
fn every_function_survives_being_given_nothing() {
    if has("cc", "calls with NULL") {
        let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nothing.c");
        fs::write(&source, nothing_program()).expect("the folder takes a file");
        run(&mut Command::new(compile(source.to_str().expect("the path is text"))));
    }
}

#[test]
fn the_demonstration_node_obeys_and_tells_in_json() {
    if !has("cc", "the demonstration node") {
        return;
    }
    let mut child = Command::new(compile("examples/c/demo_node.c"))
        .arg("ada \"the first\"")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("it listens");
    let mut lines = BufReader::new(child.stdout.take().expect("it talks")).lines();
    let mut told = |event: &str| {
        let marked = format!("{{\"event\":\"{event}\"");
        let found = lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with(&marked)));
        found.unwrap_or_else(|| panic!("it never told of {event}")).expect("it is text")
    };

    let ready = told("ready");
    let addr = ready.split("\"addr\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an address");
    let commands = format!("members\nmux {addr} hello there\nhttp {addr}\ndatagram {addr} one\n");
    input.write_all(commands.as_bytes()).expect("it listens");

    let name = "ada \\\"the first\\\"";
    assert!(
        told("members").contains(&format!("{{\"name\":\"{name}\",\"addr\":\"{addr}\",\"state\":\"alive\""))
    );
    assert!(told("mux").contains(&format!("{name} echoes: hello there")));
    assert!(told("http").contains(&format!("hello from {name} (C)")));
    assert!(told("datagram").contains(&format!("{name} got: one")));
    input.write_all(b"quit\n").expect("it listens");
    assert!(child.wait().expect("it ends").success());
}
