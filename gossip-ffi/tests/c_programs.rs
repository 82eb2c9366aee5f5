//! C programs against the library: each of `tests/c`, the examples, and the symbols that
//! are exported.
//!
//! Without a C compiler that is said and skipped; with `CI=true` it is a failure.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gossip_interop::{DEADLINE, Event, Release, memberlist_or_skip};
use support::chatter::{Chatter, standing_seeds_hold};
use support::{has, include_dir, library_dir, root, run, version};

/// Compiles a program, once however many tests want it, and links it to the library. Examples
/// are in the oldest dialect we promise; the tests need C11's atomics.
fn compile(source: &str) -> PathBuf {
    static COMPILED: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());
    let dialect = if source.starts_with("examples") { "-std=c99" } else { "-std=c11" };
    let dir = library_dir();
    let name = Path::new(source).file_stem().expect("a source has a name");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(other) = compiled.get(&program) {
        assert_eq!(source, other, "two programs of one name");
        return program;
    }
    let mut cc = Command::new("cc");
    cc.args([dialect, "-g", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]);
    cc.arg("-I").arg(include_dir()).arg(root().join(source)).arg("-o").arg(&program);
    cc.arg("-L").arg(dir).args(["-lgossip", "-pthread"]);
    run(cc.arg(format!("-Wl,-rpath,{}", dir.display())));
    compiled.insert(program.clone(), source.to_owned());
    program
}

/// Compiles a program of `tests/c` and runs it.
fn passes(name: &str) {
    if has("cc", name) {
        run(&mut Command::new(compile(&format!("tests/c/{name}.c"))));
    }
}

#[test]
fn allocations() {
    passes("allocations");
}

#[test]
fn company() {
    passes("company");
}

#[test]
fn configuration() {
    passes("config");
}

#[test]
fn errors() {
    passes("errors");
}

#[test]
fn labels_and_keys() {
    passes("labels");
}

#[test]
fn lifecycle() {
    passes("lifecycle");
}

#[test]
fn logging() {
    passes("log");
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
fn stats_and_metrics() {
    passes("stats");
}

#[test]
fn doctor() {
    passes("doctor");
}

#[test]
fn migration_of_a_whole_pool() {
    passes("migration");
}

#[test]
fn targets() {
    passes("targets");
}

#[test]
fn inherited_sockets() {
    passes("sockets");
}

#[test]
fn connections_as_descriptors() {
    passes("descriptors");
}

#[test]
fn shutdown() {
    passes("shutdown");
}

/// With GOSSIP_SOAK_CYCLES=10000 (`make soak`) it takes minutes and says what it has measured.
#[test]
fn many_nodes_leave_nothing_behind() {
    if has("cc", "soak") {
        print!("{}", run(&mut Command::new(compile("tests/c/soak.c"))));
    }
}

#[test]
fn loading_the_library_does_nothing() {
    if !has("cc", "loading") {
        return;
    }
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("loading");
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-I"]).arg(include_dir());
    run(cc.arg(root().join("tests/c/loading.c")).arg("-o").arg(&program).arg("-ldl"));

    run(Command::new(program).arg(library_dir().join("libgossip.so")));
}

#[test]
fn queues() {
    passes("queue");
}

#[test]
fn where_messages_come_from() {
    passes("messages");
}

#[test]
fn questions_by_a_queue() {
    passes("queue_questions");
}

/// Compiles a program of `tests/c` and runs it under valgrind, one at a time: it is slow, and
/// the programs mind.
fn passes_under_valgrind(name: &str) {
    static TURN: Mutex<()> = Mutex::new(());
    let what = format!("{name} under valgrind");
    if has("cc", &what) && has("valgrind", &what) {
        let program = compile(&format!("tests/c/{name}.c"));
        let mut valgrind = Command::new("valgrind");
        valgrind.args([
            "--quiet",
            // Without it a thread that polls may keep all others from running.
            "--fair-sched=try",
            "--error-exitcode=9",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite",
        ]);
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        run(valgrind.arg(program));
    }
}

#[test]
fn pools_without_a_leak_or_a_wild_access() {
    passes_under_valgrind("pool");
}

#[test]
fn doctor_without_a_leak_or_a_wild_access() {
    passes_under_valgrind("doctor");
}

#[test]
fn migration_without_a_leak_or_a_wild_access() {
    passes_under_valgrind("migration");
}

#[test]
fn targets_without_a_leak_or_a_wild_access() {
    passes_under_valgrind("targets");
}

#[test]
fn logging_without_a_leak_or_a_wild_access() {
    passes_under_valgrind("log");
}

#[test]
fn the_port_without_a_leak_or_a_wild_access() {
    passes_under_valgrind("port");
}

#[test]
fn queues_without_a_leak_or_a_wild_access() {
    passes_under_valgrind("queue");
    passes_under_valgrind("queue_questions");
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
fn a_cluster_changes_key_and_label_without_losing_a_message() {
    if has("cc", "the example of key rotation") {
        let told = run(&mut Command::new(compile("examples/c/key_rotation.c")));

        assert_eq!(told.matches("none lost").count(), 2, "{told}");
        assert_eq!(told.matches("3 of 3").count(), 6, "{told}");
    }
}

#[test]
fn standing_seeds_find_each_other_again_and_say_why_one_failed() {
    if has("cc", "the example of standing seeds") {
        standing_seeds_hold(&compile("examples/c/standing_seeds.c"));
    }
}

#[test]
fn metrics_are_served_over_http_on_the_gossip_port() {
    if !has("cc", "the example of metrics") {
        return;
    }
    let mut child = Command::new(compile("examples/c/metrics.c"))
        .arg("0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it talks")).lines();
    let ready = lines.next().expect("it is ready").expect("it is text");
    let addr = ready.strip_prefix("http://").and_then(|rest| rest.split('/').next()).expect("an address");
    let get = |path: &str| {
        let mut stream = TcpStream::connect(addr).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("there are timeouts");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {addr}\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers in UTF-8");
        answer
    };

    let metrics = get("/metrics");

    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"), "{metrics}");
    let (head, body) = metrics.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    assert!(body.contains("{pool=\"1\",cluster=\"example\"}") && body.ends_with('\n'), "{body}");
    assert!(get("/").starts_with("HTTP/1.1 404"));
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn the_programs_in_the_manual_compile() {
    if !has("cc", "the programs in the manual") {
        return;
    }
    let manual = fs::read_to_string(root().join("docs/c.md")).expect("docs/c.md is there");
    // Fragments have no includes.
    let blocks = manual.split("```c\n").skip(1).filter_map(|rest| rest.split("```").next());
    let programs: Vec<_> = blocks.filter(|block| block.starts_with("#include")).collect();
    assert!(!programs.is_empty(), "no program is found");

    for (number, program) in programs.iter().enumerate() {
        let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("manual-{number}.c"));
        fs::write(&source, program).expect("the folder takes a file");
        compile(source.to_str().expect("the path is text"));
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

#[test]
fn a_chat_hears_every_line_once() {
    if !has("cc", "the chat") {
        return;
    }
    let program = compile("examples/c/chat.c");
    let mut ada = Chatter::start(&program, &["ada", "0"]);
    let addr = ada.hears("* ada is here, at ").split_off("* ada is here, at ".len());
    let mut bob = Chatter::start(&program, &["bob", "0", &addr]);
    bob.hears("* ada is here");
    ada.hears("* bob is here");

    // Copies of the first line would come before the second, and be found instead of it.
    for text in ["hello, ada", "and again", "and a third time"] {
        bob.says(&format!("{text}\n"));
        let heard = ada.hears("bob ");
        assert!(heard.ends_with(text), "{heard}");
    }
    ada.says("hello, bob\n");
    assert!(bob.hears("ada ").ends_with("hello, bob"));
    ada.ends();
    bob.ends();
}

/// What `examples/c/chat.c` promises: a memberlist program may be a seed, or join.
#[test]
fn a_chat_has_a_stock_memberlist_program_among_its_own() {
    if !has("cc", "the chat with memberlist") {
        return;
    }
    let Some(go) = memberlist_or_skip(Release::V0_6) else { return };
    let program = compile("examples/c/chat.c");
    let mut ada = Chatter::start(&program, &["ada", "0"]);
    let addr = ada.hears("* ada is here, at ").split_off("* ada is here, at ".len());
    let go = go.peer("go").start();
    let hears = |text: &str| {
        let said = |event: &Event| matches!(event, Event::Msg { data } if data.ends_with(text));
        go.expect(DEADLINE, said);
    };

    go.join(addr.parse().expect("the chat tells its address"));
    ada.hears("* go is here");
    go.wait_member("ada");
    let mut bob = Chatter::start(&program, &["bob", "0", &go.addr().to_string()]);
    bob.hears("* go is here");
    ada.hears("* bob is here");
    go.wait_member("bob");

    ada.says("hello, go\n");
    hears(" hello, go");
    bob.says("from the other\n");
    hears(" from the other");
    go.broadcast("go 1 hello, all");
    assert_eq!(ada.hears("go "), "go 1 hello, all");
    assert_eq!(bob.hears("go "), "go 1 hello, all");
    ada.ends();
    go.wait_gone("ada");
    go.wait_member("bob");
    bob.ends();
    go.wait_gone("bob");
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
            let pointer = |parameter: &&String| {
                parameter.contains('*') || parameter.ends_with(']') || parameter.contains("_cb_t ")
            };
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

#[test]
fn the_event_loop_chats_serves_and_answers_in_one_thread() {
    if !has("cc", "the event loop") {
        return;
    }
    let program = compile("examples/c/event_loop.c");
    let mut ada = Chatter::start(&program, &["ada", "0"]);
    let addr = ada.hears("* ada is here, at ").split_off("* ada is here, at ".len());
    let mut bob = Chatter::start(&program, &["bob", "0", &addr]);
    bob.hears("* ada is here");
    ada.hears("* bob is here");

    bob.says("hello, ada\nand again\n");
    ada.hears("bob: hello, ada");
    ada.hears("bob: and again");
    ada.says("hello, bob\n");
    bob.hears("ada: hello, bob");

    let mut connection = TcpStream::connect(&addr).expect("the port accepts");
    connection.write_all(&0x0101_u16.to_be_bytes()).expect("it reads");
    let mut who = String::new();
    connection.read_to_string(&mut who).expect("it answers and closes");
    assert_eq!(who, "ada\nbob\n");

    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("there is a port");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("it is a socket");
    socket.send_to(b"four", &addr).expect("it is sent");
    let mut answer = [0; 100];
    let len = socket.recv(&mut answer).expect("it is answered");
    assert_eq!(answer[..len], *b"ada got 4 bytes");

    bob.ends();
    ada.hears("* bob is gone: left");
    ada.ends();
}
