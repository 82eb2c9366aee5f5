//! Where things are, which tools are there, and what the header declares, for the tests of
//! the C interface.
// Each test program uses its own part.
#![allow(dead_code)]

pub(crate) mod chatter;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package has a parent folder")
}

/// What C programs get as `-I`.
pub(crate) fn include_dir() -> PathBuf {
    root().join("include")
}

/// Whether `tool` is there; without it, what it would have shown is skipped in sight of all.
pub(crate) fn has(tool: &str, would_show: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok() || skips(tool, would_show)
}

/// Whether `compiler` is there and finds `header`; without, the same.
pub(crate) fn has_header(compiler: &str, header: &str, would_show: &str) -> bool {
    let mut finds = Command::new(compiler);
    finds.args(["-include", header, "-E", "-x", if compiler == "g++" { "c++" } else { "c" }, "/dev/null"]);
    finds.output().is_ok_and(|found| found.status.success()) || skips(header, would_show)
}

fn skips(missing: &str, would_show: &str) -> bool {
    assert!(std::env::var_os("CI").is_none(), "{missing} is missing: {would_show} is not shown");
    // Written past the harness, which swallows what a passing test prints.
    let _ = fs::write("/dev/stderr", format!("SKIPPED: no {missing}; {would_show} is not shown\n"));
    false
}

/// What a command prints; it must end well.
pub(crate) fn run(command: &mut Command) -> String {
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

/// The folder that holds the library, freshly built, under the names it is linked and loaded by.
pub(crate) fn library_dir() -> &'static Path {
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

/// A part of the library's version.
pub(crate) fn version(part: &str) -> &'static str {
    match part {
        "MAJOR" => env!("CARGO_PKG_VERSION_MAJOR"),
        _ => env!("CARGO_PKG_VERSION_MINOR"),
    }
}

/// A function as the header declares it.
#[derive(Debug)]
pub(crate) struct Function {
    /// Its comment, one line after the other.
    pub(crate) comment: String,
    /// The type that it returns.
    pub(crate) returns: String,
    /// Its name.
    pub(crate) name: String,
    /// Its parameters with their types.
    pub(crate) parameters: Vec<String>,
}

impl Function {
    /// Whether it returns a status.
    pub(crate) fn can_fail(&self) -> bool {
        self.returns == "gossip_status_t"
    }

    fn parse(comment: String, declaration: &str) -> Self {
        let words = declaration.replace("GOSSIP_API", "").replace("GOSSIP_NODISCARD", "");
        let (head, rest) = words.split_once('(').expect("a function has parameters");
        let (parameters, _) = rest.rsplit_once(')').expect("they end");
        let (returns, name) = head.rsplit_once([' ', '*']).expect("a function has a type and a name");
        let returns = format!("{}{}", returns.trim(), if head.contains('*') { " *" } else { "" });
        let parameters = parameters.split(',').map(str::trim).filter(|parameter| *parameter != "void");
        let parameters = parameters.map(|words| words.split_whitespace().collect::<Vec<_>>().join(" "));
        Self { comment, returns, name: name.to_owned(), parameters: parameters.collect() }
    }
}

/// Every function of the header, in its order.
pub(crate) fn functions() -> Vec<Function> {
    functions_in(&fs::read_to_string(include_dir().join("gossip/gossip.h")).expect("the header is there"))
}

/// Every function that a header declares, in its order.
pub(crate) fn functions_in(header: &str) -> Vec<Function> {
    let (mut found, mut comment, mut declaration) = (Vec::new(), String::new(), String::new());
    for line in header.lines() {
        if let Some(text) = line.strip_prefix("///") {
            comment.push_str(text.trim_end());
            comment.push('\n');
        } else if line.starts_with("GOSSIP_API") || !declaration.is_empty() {
            declaration.push_str(line);
            declaration.push(' ');
            if line.ends_with(';') {
                found.push(Function::parse(std::mem::take(&mut comment), &declaration));
                declaration.clear();
            }
        } else {
            comment.clear();
        }
    }
    found
}
