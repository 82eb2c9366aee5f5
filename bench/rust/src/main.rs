//! What this library does in the benchmarks that compare it with others: `gossip-bench CASE`.
//!
//! `bench/bench.py` builds and runs it. Each case prints a line of JSON for each figure.

mod crowd;
mod interface;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["crowd"] => crowd::run(),
        ["interface", seed] => interface::run(seed),
        _ => {
            eprintln!("usage: gossip-bench crowd | interface HOST:PORT");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
