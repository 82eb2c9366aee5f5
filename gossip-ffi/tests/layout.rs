//! The header in every dialect of C and C++ and for every compiler, and its structs: laid out
//! in C as in Rust.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::{has, include_dir, root, run};

/// Compiles a source without a word, as every compiler, in every dialect that is promised.
fn is_clean_in_every_dialect(source: &Path) {
    let c: &[&str] = &["c99", "c11", "c17"];
    let cpp: &[&str] = &["c++11", "c++17", "c++20"];
    for (compiler, language, dialects) in
        [("gcc", "c", c), ("clang", "c", c), ("g++", "c++", cpp), ("clang++", "c++", cpp)]
    {
        if !has(compiler, "the header in its dialects") {
            continue;
        }
        for dialect in dialects {
            let mut check = Command::new(compiler);
            check.args(["-x", language, &format!("-std={dialect}"), "-fsyntax-only"]);
            check.args(["-Wall", "-Wextra", "-Wconversion", "-Wundef", "-pedantic", "-Werror"]);
            if language == "c" {
                check.arg("-Wstrict-prototypes");
            }
            run(check.arg("-I").arg(include_dir()).arg(source));
        }
    }
}

#[test]
fn the_header_is_clean_in_every_dialect() {
    is_clean_in_every_dialect(&root().join("tests/c/header.c"));
}

/// What C must find: size and alignment of a struct, and place and size of each field.
macro_rules! layout {
    ($struct:ty, $($field:ident)*) => {{
        let mut found = Struct { name: stringify!($struct).rsplit("::").next().expect("it has a name").trim(),
            size: size_of::<$struct>(), align: align_of::<$struct>(), fields: Vec::new() };
        $(
            let size = |field: fn(&$struct) -> usize| {
                // SAFETY: all of these structs may be all zeros: numbers, and pointers that may be NULL.
                field(&unsafe { std::mem::zeroed() })
            };
            let size = size(|it| size_of_val(&it.$field));
            found.fields.push((stringify!($field), std::mem::offset_of!($struct, $field), size));
        )*
        found
    }};
}

/// A public struct as Rust lays it out.
struct Struct {
    name: &'static str,
    size: usize,
    align: usize,
    /// Name, offset, size.
    fields: Vec<(&'static str, usize, usize)>,
}

/// Every struct of the header that has fields. A new one, or a new field, is added here.
fn structs() -> Vec<Struct> {
    use gossip::{addr, delegate};
    vec![
        layout!(addr::gossip_addr_t, family port scope_id ip reserved),
        layout!(delegate::gossip_delegate_t, struct_size user_data destroy notify_join notify_leave notify_update
            notify_conflict notify_msg merge_remote_state notify_ping_complete notify_overflow notify_shutdown
            local_state notify_merge
            notify_alive allow_tcp_ping notify_isolated notify_healed notify_migrated),
    ]
}

#[test]
fn every_struct_is_laid_out_in_c_as_in_rust() {
    let mut program = String::from(
        "#include <gossip/gossip.h>\n\n#define SAME(name, condition) typedef char name[(condition) ? 1 : -1]\n\
         #define FIELD(type, field, offset, size) \\\n    \
         SAME(same_##type##_##field, offsetof(type, field) == offset && sizeof(((type *)0)->field) == size)\n\n",
    );
    for Struct { name, size, align, fields } in structs() {
        let padded = format!("struct {name}_padded {{ char first; {name} it; }};\n");
        program += &format!("SAME(same_{name}, sizeof({name}) == {size});\n{padded}");
        program += &format!("SAME(align_{name}, offsetof(struct {name}_padded, it) == {align});\n");
        for (field, offset, size) in fields {
            program += &format!("FIELD({name}, {field}, {offset}, {size});\n");
        }
    }
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("layout.c");
    fs::write(&source, program).expect("the folder takes a file");

    is_clean_in_every_dialect(&source);
}

#[test]
fn every_field_of_the_header_is_in_the_table_of_layouts() {
    let header = fs::read_to_string(include_dir().join("gossip/gossip.h")).expect("the header is there");
    let mut declared = Vec::new();
    for part in header.split("typedef struct {\n").skip(1) {
        let (body, rest) = part.split_once("\n} ").expect("a struct ends");
        let code: Vec<_> = body.lines().map(str::trim).filter(|line| !line.starts_with("//")).collect();
        let fields = code.join(" ");
        let fields = fields.split(';').map(str::trim).filter(|field| !field.is_empty()).map(|field| {
            // The name of a function pointer stands in parentheses; an array's size behind its name.
            let end = field.split_once("(*").map_or_else(
                || field.split('[').next().and_then(|head| head.rsplit([' ', '*']).next()),
                |(_, behind)| behind.split(')').next(),
            );
            end.expect("a field has a name").to_owned()
        });
        declared.push((rest.split(';').next().unwrap_or_default().to_owned(), fields.collect::<Vec<_>>()));
    }
    let known = structs().into_iter().map(|known| {
        (known.name.to_owned(), known.fields.iter().map(|(name, ..)| (*name).to_owned()).collect::<Vec<_>>())
    });

    assert_eq!(declared, known.collect::<Vec<_>>());
}
