//! Building the Go programs, once and for all test processes.
//!
//! Where Go or its modules are missing a test skips itself, visibly; in CI
//! (`CI=true`) that is a failure instead, lest interop go untested unnoticed.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use crate::launch::Launch;

/// The memberlist releases that peers are built with: the last of each line
/// that behaves in its own way on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// v0.1.5: a member that leaves looks dead; no labels.
    V0_1,
    /// v0.2.4: tells left from dead; no labels.
    V0_2,
    /// v0.5.4: labels.
    V0_5,
    /// v0.6.0: the newest.
    V0_6,
}

/// A Go program, built and ready to be started any number of times.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
}

/// The program of an unmodified memberlist node.
#[track_caller]
pub fn memberlist_or_skip(release: Release) -> Option<Program> {
    let (binary, modfile) = match release {
        Release::V0_1 => ("memberlist-v0.1.5", "v0.1.5.mod"),
        Release::V0_2 => ("memberlist-v0.2.4", "v0.2.4.mod"),
        Release::V0_5 => ("memberlist-v0.5.4", "v0.5.4.mod"),
        Release::V0_6 => ("memberlist-v0.6.0", "go.mod"),
    };
    or_skip(build_once(binary, "memberlist", modfile))
}

/// The program of a node of `euforia/gossip` v0.6.0.
#[track_caller]
pub fn seed_or_skip() -> Option<Program> {
    or_skip(build_once("seed-v0.6.0", "seed", "go.mod"))
}

impl Release {
    /// All of them, oldest first.
    pub const ALL: [Self; 4] = [Self::V0_1, Self::V0_2, Self::V0_5, Self::V0_6];

    /// Whether this release knows labels.
    pub fn has_labels(self) -> bool {
        matches!(self, Self::V0_5 | Self::V0_6)
    }
}

impl Program {
    /// A peer to be started from this program.
    pub fn peer(&self, name: &str) -> Launch {
        Launch::new(&self.path, name)
    }
}

/// Why a program can't be had on this machine. (That it doesn't compile is a
/// failure everywhere.)
type Missing = String;

#[track_caller]
fn or_skip(program: Result<Program, Missing>) -> Option<Program> {
    let missing = match program {
        Ok(program) => return Some(program),
        Err(missing) => missing,
    };
    let line = format!("SKIPPED: {missing}; interop with Go memberlist not tested");
    assert!(env::var("CI").as_deref() != Ok("true"), "in CI nothing may be skipped: {missing}");
    // Unlike what `eprintln!` prints, this is shown for tests that pass.
    let _ = writeln!(io::stderr(), "{line}");
    None
}

fn build_once(binary: &'static str, folder: &str, modfile: &str) -> Result<Program, Missing> {
    static BUILT: Mutex<BTreeMap<&str, Result<Program, Missing>>> = Mutex::new(BTreeMap::new());

    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built.entry(binary).or_insert_with(|| build(binary, folder, modfile)).clone()
}

/// Test processes take turns; Go leaves a binary alone that is up to date, so
/// the first one builds it for all.
fn build(binary: &str, folder: &str, modfile: &str) -> Result<Program, Missing> {
    let binaries = target();
    let path = binaries.join(binary);
    let _turn = take_turn(&binaries.join(format!("{binary}.lock")));

    let build = go(folder, modfile, &["build", "-o", &path.to_string_lossy()])?;
    if build.status.success() {
        return Ok(Program { path });
    }
    let list = go(folder, modfile, &["list", "-deps"])?;
    if !list.status.success() {
        return Err(format!("Go modules missing: {}", String::from_utf8_lossy(&list.stderr).trim()));
    }
    panic!("{folder} does not build: {}", String::from_utf8_lossy(&build.stderr));
}

fn go(folder: &str, modfile: &str, arguments: &[&str]) -> Result<Output, Missing> {
    Command::new("go")
        .args(arguments.first())
        .args(["-buildvcs=false", "-mod=readonly"])
        .arg(format!("-modfile={modfile}"))
        .args(arguments.iter().skip(1))
        .arg(".")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("go").join(folder))
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "no Go toolchain".to_owned(),
            _ => format!("Go toolchain does not run ({error})"),
        })
}

/// Where cargo builds, too. (`CARGO_TARGET_TMPDIR` is known to tests only, not here.)
fn target() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let folder = target.join("interop");
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    // Go is run from another folder.
    folder.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

/// Ends with the file, so with the process at the latest.
fn take_turn(path: &Path) -> File {
    let file = File::create(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.lock().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file
}
