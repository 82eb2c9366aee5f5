//! What the manual says of statuses and configuration keys is what C finds.

mod support;

use std::collections::BTreeSet;
use std::ffi::{CStr, c_char};
use std::fmt::Write;
use std::fs;
use std::mem::MaybeUninit;

use gossip::config::{gossip_config_key_at, gossip_config_key_count};
use gossip::pool_config::{gossip_pool_config_key_at, gossip_pool_config_key_count};
use gossip::status::{gossip_status_at, gossip_status_count, gossip_status_is_retriable, gossip_status_name};
use support::{include_dir, root};

/// A static text of the library.
fn text(pointer: *const c_char) -> &'static str {
    // SAFETY: the texts of statuses and keys are static C strings.
    unsafe { CStr::from_ptr(pointer) }.to_str().expect("the texts are UTF-8")
}

/// Every status as C finds it: code and name.
fn statuses() -> Vec<(i32, &'static str)> {
    let code = |index| {
        let mut code = MaybeUninit::uninit();
        assert_eq!(gossip_status_at(index, Some(&mut code)), 0);
        // SAFETY: written on success.
        unsafe { code.assume_init() }
    };
    (0..gossip_status_count()).map(code).map(|code| (code, text(gossip_status_name(code)))).collect()
}

/// The enumerators of `gossip_status_code_t` in the header: name, number, comment.
fn enumerators() -> Vec<(String, i32, String)> {
    let header = fs::read_to_string(include_dir().join("gossip/gossip.h")).expect("the header is there");
    let end = header.find("} gossip_status_code_t;").expect("the header has the statuses");
    let begin = header[..end].rfind("typedef enum {").expect("they begin");
    let (mut found, mut comment) = (Vec::new(), Vec::new());
    for line in header[begin..end].lines().skip(1).map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            comment.push(words.trim());
        } else if let Some((name, number)) = line.trim_end_matches(',').split_once(" = ") {
            let number = number.parse().expect("a status is a number");
            found.push((name.to_owned(), number, comment.join(" ")));
            comment.clear();
        }
    }
    found
}

#[test]
fn the_statuses_of_header_and_library_are_the_same() {
    let declared: Vec<_> = enumerators().into_iter().map(|(name, number, _)| (number, name)).collect();
    let known: Vec<_> = statuses().into_iter().map(|(code, name)| (code, name.to_owned())).collect();

    assert_eq!(declared, known);
}

#[test]
fn the_manual_lists_every_status() {
    let mut rows = "| code | name | again? | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for (name, number, meaning) in enumerators() {
        let again = if gossip_status_is_retriable(number) == 1 { "yes" } else { "" };
        writeln!(rows, "| {number} | `{name}` | {again} | {meaning} |").expect("a text grows");
    }
    let path = root().join("docs/c.md");
    let page = fs::read_to_string(&path).expect("docs/c.md is there");
    let (front, rest) = page.split_once("<!-- generated: statuses -->\n").expect("it has the table");
    let (_, back) = rest.split_once("<!-- end -->").expect("the table ends");

    let fresh = format!("{front}<!-- generated: statuses -->\n{rows}<!-- end -->{back}");

    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &fresh).expect("the page can be written");
    } else {
        assert!(page == fresh, "docs/c.md is stale; run: make docs");
    }
}

/// What tells of the key at an index.
type KeyAt = extern "C" fn(
    usize,
    Option<&mut MaybeUninit<*const c_char>>,
    Option<&mut MaybeUninit<i32>>,
    Option<&mut MaybeUninit<*const c_char>>,
    Option<&mut MaybeUninit<*const c_char>>,
) -> i32;

#[test]
fn the_manual_lists_every_key_that_c_finds_with_its_range_and_meaning() {
    let page = fs::read_to_string(root().join("docs/configuration.md")).expect("the page is there");
    let tables: [(&str, usize, KeyAt); 2] = [
        ("node", gossip_config_key_count(), gossip_config_key_at),
        ("pool", gossip_pool_config_key_count(), gossip_pool_config_key_at),
    ];
    for (part, count, key_at) in tables {
        let (_, rest) = page.split_once(&format!("<!-- generated: {part} -->\n")).expect("it has the table");
        let (table, _) = rest.split_once("<!-- end -->").expect("the table ends");
        let mut listed: BTreeSet<_> = table.lines().skip(2).collect();
        for index in 0..count {
            let (mut name, mut range, mut about) =
                (MaybeUninit::uninit(), MaybeUninit::uninit(), MaybeUninit::uninit());
            assert_eq!(key_at(index, Some(&mut name), None, Some(&mut range), Some(&mut about)), 0);
            // SAFETY: written on success.
            let [name, range, about] = [name, range, about].map(|it| text(unsafe { it.assume_init() }));
            // In C a duration has its unit in its name; the table has it in a column.
            let key = name.strip_suffix("_ms").unwrap_or(name);
            let row = listed.iter().copied().find(|row| row.starts_with(&format!("| `{key}` |")));
            let row = row.unwrap_or_else(|| panic!("the manual does not list {name}"));
            assert_eq!(name != key, row.contains("| duration | ms |"), "{name}: {row}");
            assert!(row.contains(range) || range.is_empty(), "{name}: {range} is not in {row}");
            assert!(
                row.replace("\\|", "|").ends_with(&format!("| {about} |")),
                "{name}: {about} is not in {row}"
            );
            listed.remove(row);
        }
        assert!(listed.is_empty(), "C does not find {listed:?}");
    }
}
