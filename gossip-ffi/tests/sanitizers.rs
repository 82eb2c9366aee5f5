//! The C programs of `tests/c` under AddressSanitizer with UndefinedBehaviorSanitizer, and
//! under ThreadSanitizer.
//!
//! What is instrumented is the C side and, by the allocator that both share, the heap: a C
//! program that uses what it freed or leaks a handle is caught, and so is a callback that
//! races with its program. The Rust side can't be instrumented by a stable compiler; valgrind
//! looks at it in `c_programs.rs`.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{has, include_dir, library_dir, root, run};

/// A sanitizer, what it is told, and a program in which it must find something.
struct Sanitizer {
    name: &'static str,
    flag: &'static str,
    options: (&'static str, &'static str),
    /// Programs that it can't run.
    beyond: &'static [&'static str],
    defect: &'static str,
}

const ADDRESS: Sanitizer = Sanitizer {
    name: "address",
    flag: "-fsanitize=address,undefined",
    options: ("ASAN_OPTIONS", "detect_leaks=1"),
    // `loading`, `soak` and `allocations` count memory and threads, and the sanitizers have their own.
    beyond: &["loading", "soak", "allocations"],
    defect: "#include <stdlib.h>\n\
             int main(void) { volatile char *it = malloc(1); free((void *)it); return it[0] & 0; }\n",
};

/// Rust's locks and atomics are unknown to it, so calls from within the library are not looked
/// at, and what callbacks and their program share needs locks or atomics of the program's own.
const THREAD: Sanitizer = Sanitizer {
    name: "thread",
    flag: "-fsanitize=thread",
    options: ("TSAN_OPTIONS", "ignore_noninstrumented_modules=1"),
    // The children of `process` have threads, which the sanitizer does not allow after a fork.
    // `errors` uses its stack again where callbacks had their state, after the library has said
    // that they have ended, and the locks that make this so are Rust's.
    beyond: &["process", "errors", "loading", "soak", "allocations"],
    defect: "#include <pthread.h>\nstatic int shared;\n\
             static void *count(void *it) { shared++; return it; }\n\
             int main(void) { pthread_t a, b; pthread_create(&a, 0, count, 0); pthread_create(&b, 0, count, 0);\n\
             pthread_join(a, 0); pthread_join(b, 0); return 0; }\n",
};

impl Sanitizer {
    fn compile(&self, source: &Path) -> Command {
        let dir = library_dir();
        let mut cc = Command::new("cc");
        cc.args(["-std=c11", "-g", "-O1", "-fno-omit-frame-pointer", self.flag, "-fno-sanitize-recover=all"]);
        cc.arg("-I").arg(include_dir()).arg(source).arg("-o").arg(self.program(source));
        cc.arg("-L").arg(dir).args(["-lgossip", "-pthread"]).arg(format!("-Wl,-rpath,{}", dir.display()));
        cc
    }

    fn program(&self, source: &Path) -> PathBuf {
        let name = source.file_stem().expect("a source has a name").to_string_lossy();
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", self.name))
    }

    fn run(&self, source: &Path) -> Output {
        let (key, value) = self.options;
        Command::new(self.program(source)).env(key, value).output().expect("it runs")
    }

    /// Whether it is there, and finds what it must find.
    fn works(&self) -> bool {
        let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("defect_{}.c", self.name));
        fs::write(&source, self.defect).expect("the folder takes a file");
        if !has("cc", self.name) {
            return false;
        }
        if !self.compile(&source).output().expect("cc runs").status.success() {
            assert!(std::env::var_os("CI").is_none(), "the compiler has no {}", self.flag);
            let _ = fs::write("/dev/stderr", format!("SKIPPED: the compiler has no {}\n", self.flag));
            return false;
        }
        assert!(!self.run(&source).status.success(), "{} finds nothing in {}", self.name, self.defect);
        true
    }

    fn finds_nothing(&self) {
        if !self.works() {
            return;
        }
        for entry in fs::read_dir(root().join("tests/c")).expect("tests/c is there") {
            let source = entry.expect("the folder reads").path();
            let beyond = self.beyond.iter().any(|name| source.file_stem().is_some_and(|stem| stem == *name));
            if source.extension().is_some_and(|extension| extension == "c") && !beyond {
                run(&mut self.compile(&source));
                let ended = self.run(&source);
                let told = String::from_utf8_lossy(&ended.stderr);
                assert!(ended.status.success(), "{} by {}:\n{told}", source.display(), self.name);
            }
        }
    }
}

#[test]
fn the_address_sanitizer_finds_nothing_in_the_c_programs() {
    ADDRESS.finds_nothing();
}

#[test]
fn the_thread_sanitizer_finds_nothing_in_the_c_programs() {
    THREAD.finds_nothing();
}
