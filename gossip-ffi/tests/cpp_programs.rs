//! C++ programs against the library: each of `tests/cpp` and the examples, by every compiler
//! that is there, and `gossip.hpp` alone in its dialects.
//!
//! What is missing is said and skipped; with `CI=true` it is a failure.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use support::chatter::{Chatter, standing_seeds_hold};
use support::{has, include_dir, library_dir, root, run};

/// Where programs are put: apart from those in C.
fn program_dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cpp");
        fs::create_dir_all(&dir).expect("the folder can be made");
        dir
    })
}

/// A source that a test makes up.
fn written(name: &str, text: &str) -> PathBuf {
    let source = program_dir().join(name);
    fs::write(&source, text).expect("the folder takes a file");
    source
}

/// Warnings that are none here.
const WARNINGS: [&str; 6] = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror"];

/// Compiles a program and links it to the library; programs of several tests must not meet, so
/// `name` is the test's own.
fn compile(compiler: &str, source: &str, name: &str, flags: &[&str]) -> PathBuf {
    let dir = library_dir();
    let program = program_dir().join(name);
    let mut command = Command::new(compiler);
    command.arg("-g").args(WARNINGS).args(flags).arg("-I").arg(include_dir());
    command.arg(root().join(source)).arg("-o").arg(&program);
    command.arg("-L").arg(dir).args(["-lgossip", "-pthread"]);
    run(command.arg(format!("-Wl,-rpath,{}", dir.display())));
    program
}

/// Compiles a program of `tests/cpp` in both dialects, by one compiler each, and runs it.
fn passes(name: &str, flags: &[&str]) {
    for (compiler, dialect) in [("g++", "-std=c++17"), ("clang++", "-std=c++20")] {
        if has(compiler, name) {
            let flags = [&[dialect], flags].concat();
            let program =
                compile(compiler, &format!("tests/cpp/{name}.cpp"), &format!("{name}-{compiler}"), &flags);
            run(&mut Command::new(program));
        }
    }
}

#[test]
fn errors() {
    passes("errors", &[]);
}

#[test]
fn lifetime() {
    passes("lifetime", &[]);
}

#[test]
fn pools() {
    passes("pool", &[]);
}

#[test]
fn the_port() {
    passes("port", &[]);
}

#[test]
fn without_exceptions_and_type_information() {
    passes("plain", &["-fno-exceptions", "-fno-rtti"]);
}

#[test]
fn lifetime_without_a_leak_or_a_wild_access() {
    if has("g++", "lifetime under valgrind") && has("valgrind", "lifetime under valgrind") {
        let program = compile("g++", "tests/cpp/lifetime.cpp", "lifetime-valgrind", &["-std=c++17"]);
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--quiet", "--error-exitcode=9", "--leak-check=full"]);
        run(valgrind.arg("--errors-for-leak-kinds=definite,indirect").arg(program));
    }
}

/// The sanitizers look into the C++ side; that they are there is shown by a program that is
/// wrong.
#[test]
fn the_sanitizers_find_nothing() {
    if !has("g++", "programs under sanitizers") {
        return;
    }
    let flags = ["-std=c++20", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    let wrong =
        written("wrong.cpp", "int main(int argc, char **) { int one[1] = {argc}; return one[argc]; }\n");
    let wrong = compile("g++", wrong.to_str().expect("the path is text"), "wrong", &flags);
    assert!(!Command::new(wrong).output().expect("it starts").status.success());

    for name in ["lifetime", "pool", "port"] {
        let program = compile("g++", &format!("tests/cpp/{name}.cpp"), &format!("{name}-sanitizers"), &flags);
        run(&mut Command::new(program));
    }
}

#[test]
fn the_header_is_clean_in_every_dialect() {
    let twice = written("twice.cpp", "#include <gossip/gossip.hpp>\n#include <gossip/gossip.hpp>\n");
    for compiler in ["g++", "clang++"] {
        if !has(compiler, "gossip.hpp in its dialects") {
            continue;
        }
        for flags in [&[][..], &["-fno-exceptions", "-fno-rtti"]] {
            for dialect in ["-std=c++17", "-std=c++20"] {
                let mut check = Command::new(compiler);
                check.arg(dialect).args(flags).arg("-fsyntax-only").args(WARNINGS).arg("-Wundef");
                run(check.arg("-I").arg(include_dir()).arg(&twice));
            }
        }
    }
}

#[test]
fn files_with_and_without_exceptions_make_one_program() {
    if !has("g++", "files of both kinds") {
        return;
    }
    let plain = "#include <gossip/gossip.hpp>\nbool plain();\nbool plain() { std::error_code ec; \
                 gossip::config().set(\"name\", \"\\xff\", ec); return ec == gossip::errc::invalid_utf8; }\n";
    let throwing = "#include <gossip/gossip.hpp>\nbool plain();\nint main() { try { \
                    gossip::config().set(\"name\", \"\\xff\"); } catch (const gossip::error &) { \
                    return plain() ? 0 : 2; } return 1; }\n";
    let object = program_dir().join("plain.o");
    let mut part = Command::new("g++");
    part.args(["-std=c++17", "-fno-exceptions", "-c"]).arg("-I").arg(include_dir());
    run(part.arg(written("plain-part.cpp", plain)).arg("-o").arg(&object));
    let main = written("throwing-part.cpp", throwing);
    let flags = ["-std=c++17", object.to_str().expect("the path is text")];

    let program = compile("g++", main.to_str().expect("the path is text"), "both-parts", &flags);

    run(&mut Command::new(program));
}

/// Programs that must not compile, and what the compiler says instead.
#[test]
fn mistakes_are_found_by_the_compiler() {
    if !has("g++", "programs that must not compile") {
        return;
    }
    let mistakes = [
        ("(void)pool.members().find(\"ada\");", "deleted", true),
        ("gossip::node two = std::move(node), three = two;", "deleted", true),
        (
            "struct d : gossip::delegate { gossip::verdict allow_tcp_ping(std::string_view) override { return {}; } };\
          node.register_pool(gossip::pool_config(1), std::make_unique<d>());",
            "never asked",
            true,
        ),
        ("node.start();", "no matching function", false),
    ];
    for (index, (code, says, exceptions)) in mistakes.into_iter().enumerate() {
        let text = format!(
            "#include <gossip/gossip.hpp>\nvoid f(gossip::node &node, gossip::pool &pool);\n\
             void f(gossip::node &node, gossip::pool &pool) {{ (void)node, (void)pool; {code} }}\n"
        );
        let source = written(&format!("mistake{index}.cpp"), &text);
        let mut check = Command::new("g++");
        check.args(["-std=c++17", "-fsyntax-only"]).arg("-I").arg(include_dir()).arg(&source);
        if !exceptions {
            check.arg("-fno-exceptions");
        }
        let output = check.output().expect("the compiler runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(says), "{code}\n{said}");
    }
}

/// What C++ has no use for: it has exceptions, categories and initialisers of its own.
const NOT_IN_CPP: [&str; 7] = [
    "gossip_abi_version",
    "gossip_delegate_init",
    "gossip_error_code",
    "gossip_status_at",
    "gossip_status_count",
    "gossip_status_name",
    "gossip_version_number",
];

#[test]
fn every_function_of_the_c_header_is_in_the_cpp_header() {
    let header = fs::read_to_string(include_dir().join("gossip/gossip.hpp")).expect("the header is there");
    let words: BTreeSet<_> =
        header.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();

    let missing: Vec<_> = support::functions().into_iter().map(|function| function.name).collect();
    let missing: Vec<_> = missing.iter().map(String::as_str).filter(|name| !words.contains(name)).collect();

    assert_eq!(missing.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(NOT_IN_CPP));
}

#[test]
fn the_example_in_the_header_compiles() {
    if !has("g++", "the example in gossip.hpp") {
        return;
    }
    let header = fs::read_to_string(include_dir().join("gossip/gossip.hpp")).expect("the header is there");
    let section =
        header.split(" * In short\n").nth(1).and_then(|rest| rest.split(" * What a function").next());
    let lines = section.expect("it has an example").lines().filter_map(|line| line.strip_prefix(" *     "));
    let example = lines.collect::<Vec<_>>().join("\n").replace("int main()", "void serve(int);\nint main()");
    let source = written("header-example.cpp", &example);

    let mut check = Command::new("g++");
    run(check.args(["-std=c++17", "-fsyntax-only"]).args(WARNINGS).arg("-I").arg(include_dir()).arg(source));
    assert!(example.contains("node.start();"), "{example}");
}

#[test]
fn the_chat_tells_who_is_there_and_what_they_say() {
    if !has("g++", "the chat") {
        return;
    }
    let program = compile("g++", "examples/cpp/pool.cpp", "example-pool", &["-std=c++17"]);
    let mut blue = Chatter::start(&program, &["blue", "0"]);
    let addr = blue.hears("+ blue at ").replace("+ blue at ", "");
    let mut green = Chatter::start(&program, &["green", "0", &addr]);

    blue.hears("+ green at ");
    green.hears("+ blue at ");
    green.says("hello\n/who\n");
    assert_eq!(green.hears("blue at"), format!("blue at {addr} is alive"));
    assert_eq!(blue.hears("green: "), "green: hello");
    green.says("/quit\n");
    blue.hears("- green left");
    green.ends();
    blue.ends();
}

#[test]
fn standing_seeds_find_each_other_again_and_say_why_one_failed() {
    if has("g++", "the example of standing seeds") {
        let source = "examples/cpp/standing_seeds.cpp";
        standing_seeds_hold(&compile("g++", source, "example-standing-seeds", &["-std=c++17"]));
    }
}

#[test]
fn one_port_serves_pools_http_and_a_service() {
    if !has("g++", "the example of one port") {
        return;
    }
    let program = compile("g++", "examples/cpp/one_port.cpp", "example-one-port", &["-std=c++17"]);
    let mut blue = Chatter::start(&program, &["blue", "0"]);
    let url = blue.hears("http://");
    let addr = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut green = Chatter::start(&program, &["green", "0", &addr]);
    blue.hears("+ green");
    green.hears("+ blue");

    let mut http = TcpStream::connect(&addr).expect("it listens");
    http.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("it listens");
    let mut page = String::new();
    http.read_to_string(&mut page).expect("it answers");

    assert!(page.contains("200 OK") && page.contains(&format!("blue at {addr}\n")), "{page}");
    green.hears("news: blue was asked by 127.0.0.1:");
}
