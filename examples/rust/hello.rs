//! The smallest node: one pool, joined through the address given as argument.
//!
//! `cargo run --example hello -- NAME BIND_PORT [SEED]`

use std::time::Duration;

use gossip_core::{Config, Gossip, PoolConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let name = args.next().ok_or("usage: hello NAME BIND_PORT [SEED]")?;
    let bind_port = args.next().ok_or("usage: hello NAME BIND_PORT [SEED]")?.parse()?;
    let seeds: Vec<_> = args.collect();

    let loopback = "127.0.0.1".parse()?;
    let node = Gossip::new(Config { name, bind_addr: vec![loopback], bind_port, ..Config::default() })?;
    let pool = node.register_pool(PoolConfig::lan(1), None)?;
    node.start()?;
    if !seeds.is_empty() {
        pool.join(&seeds, Duration::from_secs(10))?;
    }
    for member in pool.members().members() {
        println!("{:<12} {:<22} {}", member.name(), member.addr(), member.state);
    }
    node.leave(Duration::from_secs(5))?;
    node.shutdown(Duration::from_secs(5))?;
    Ok(())
}
