//! What this library does in the benchmarks that compare it with others: `gossip-bench CASE`.
//!
//! `bench/bench.py` builds and runs it. Each case prints a line of JSON for each figure.

mod cluster;
mod codec;
mod crowd;
mod idle;
mod interface;
mod measure;
mod push_pull;
mod records;
mod serve;
mod simulated;

use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["codec"] => codec::run(),
        ["crowd"] => crowd::run(),
        ["join", count] => cluster::join::run(number(count)),
        ["steady", count, seconds] => cluster::steady::run(number(count), span(seconds)),
        ["detect", count, victims] => cluster::detect::run(number(count), number(victims)),
        ["broadcast", count, times] => cluster::broadcast::single(number(count), number(times)),
        ["sustained", count, rate, seconds] => {
            cluster::broadcast::sustained(number(count), number(rate), span(seconds));
        }
        ["port"] => serve::port(),
        ["quiet-pool", gossip] => serve::quiet_pool(span(gossip)),
        ["push-pull", to, count, times] => push_pull::run(to, number(count), number(times)),
        ["idle", pools, seconds] => idle::pools(number(pools), span(seconds)),
        ["timers", pools, seconds] => idle::timers(number(pools), span(seconds)),
        ["simulated", count, seconds] => simulated::run(number(count), span(seconds)),
        ["tokio-tcp"] => serve::tokio_tcp(),
        ["tokio-udp"] => serve::tokio_udp(),
        ["interface", seed] => interface::run(seed),
        _ => {
            eprintln!(
                "usage: gossip-bench CASE [ARGUMENT...]; see bench/cases for the cases and their arguments"
            );
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn number<T: FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

fn span(seconds: &str) -> Duration {
    Duration::from_secs_f64(number(seconds))
}
