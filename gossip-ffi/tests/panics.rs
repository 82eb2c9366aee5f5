//! A panic in any function of the header: the caller hears of it, the node it happened to is
//! FATAL, and the program lives on. The library is that of `tests/panics`.

mod support;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use support::{Function, functions, has, include_dir, library_dir, root, run};

/// The fields of `struct world`, which are handles that lead to a node or a queue.
const HANDLES: [(&str, &str); 5] = [
    ("gossip_t", "node"),
    ("gossip_pool_t", "pool"),
    ("gossip_listener_t", "listener"),
    ("gossip_packets_t", "packets"),
    ("gossip_queue_t", "queue"),
];

/// The field of `struct world` that the function's first parameter takes.
fn handle(function: &Function) -> Option<&'static str> {
    let first = function.parameters.first()?.trim_start_matches("const ");
    let (kind, name) = first.split_once(" *")?;
    HANDLES.iter().find(|(known, _)| *known == kind && !name.starts_with('*')).map(|(_, field)| *field)
}

/// The call, with `first` for its first parameter if that is a pointer, and nothing else.
fn call(function: &Function, first: &str) -> String {
    let is_pointer =
        |parameter: &str| parameter.contains('*') || parameter.ends_with(']') || parameter.contains("_cb_t ");
    let arguments = function.parameters.iter().enumerate().map(|(index, parameter)| {
        match (is_pointer(parameter), index) {
            (true, 0) => first,
            (true, _) => "NULL",
            (false, _) => "0",
        }
    });
    format!("{}({})", function.name, arguments.collect::<Vec<_>>().join(", "))
}

/// What `function` is put through, as a block of C.
fn block(function: &Function) -> String {
    let Function { name, returns, .. } = function;
    let field = handle(function);
    let call_it = call(function, &field.map_or_else(|| "NULL".to_owned(), |field| format!("world.{field}")));
    let mut text = format!("    {{ /* {name} */\n");
    if field.is_some() {
        text += "        struct world world = open_world();\n";
    }
    if returns == "gossip_status_t" && name != "gossip_error_code" {
        write!(
            text,
            "        panic_in(\"{name}\");\n        gossip_status_t got = {call_it};\n        calm();\n"
        )
        .unwrap();
        text += "        EXPECT(GOSSIP_ERR_PANIC, got);\n";
    } else if returns == "void" {
        write!(text, "        panic_in(\"{name}\");\n        {call_it};\n        calm();\n").unwrap();
    } else {
        // Something neutral: what NULL gives, or nothing.
        let has_handle = function.parameters.first().is_some_and(|first| first.contains('*'));
        let neutral = if has_handle { call(function, "NULL") } else { "0".to_owned() };
        let kind = if returns.ends_with('*') { returns.clone() } else { format!("{returns} ") };
        writeln!(text, "        panic_in(\"{name}\");\n        {kind}got = {call_it};\n        calm();")
            .unwrap();
        text += &match (returns.starts_with("const char"), has_handle) {
            (true, true) => format!("        CHECK(got != NULL && strcmp(got, {neutral}) == 0);\n"),
            (true, false) => "        CHECK(got != NULL && strlen(got) < 20);\n".to_owned(),
            // Where bytes that are not there stand does not matter.
            (false, _) if returns.starts_with("const uint8_t") => "        CHECK(got != NULL);\n".to_owned(),
            (false, _) => format!("        CHECK(got == {neutral});\n"),
        };
    }
    text += &match field {
        Some(field) if name.ends_with("_free") => format!("        world.{field} = NULL;\n"),
        Some("queue") => "        expect_fatal_queue(&world);\n".to_owned(),
        Some(_) => "        expect_fatal_node(&world);\n".to_owned(),
        None => String::new(),
    };
    text + if field.is_some() { "        close_world(&world);\n    }\n" } else { "    }\n" }
}

#[test]
fn a_panic_in_any_function_is_a_status_and_the_end_of_its_node_alone() {
    if !has("cc", "what a panic does") {
        return;
    }
    let mut program =
        "#include \"panics.h\"\n\nint main(void)\n{\n    struct world unharmed = open_world();\n".to_owned();
    for function in functions() {
        program += &block(&function);
    }
    program += "    expect_unharmed(&unharmed);\n    close_world(&unharmed);\n    return 0;\n}\n";
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, binary) = (folder.join("panics.c"), folder.join("panics"));
    fs::write(&source, program).expect("the folder takes a file");
    let dir = library_dir();
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "-p", "gossip-panics"]).current_dir(root());
    if dir.ends_with("release") {
        build.arg("--release");
    }
    run(&mut build);
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-g", "-Wall", "-Wextra", "-Werror", "-I"]).arg(include_dir());
    cc.arg("-I").arg(root().join("tests/c")).arg(&source).arg("-o").arg(&binary);
    cc.arg("-L").arg(dir).args(["-lgossip_panics", "-pthread"]);
    run(cc.arg(format!("-Wl,-rpath,{}", dir.display())));

    let ended = Command::new(&binary).output().expect("it runs");

    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{told}");
    // Each call has panicked, and not just returned what a panic would.
    let panics: Vec<_> = told.split("call ").skip(1).map(|rest| (rest.lines().next(), rest)).collect();
    let names = functions();
    assert_eq!(panics.len(), names.len());
    for ((name, told), function) in panics.iter().zip(&names) {
        assert_eq!(*name, Some(function.name.as_str()));
        assert!(told.contains("told to panic"), "{} did not panic", function.name);
    }
}
