//! Echo of 64 bytes over loopback TCP: plain `std::net` on green threads, one
//! worker, against a raw edge-triggered epoll loop, which is the limit.
//!
//! ```sh
//! cargo run --release -p greenroom-bench --bin echo_vs_epoll
//! cargo run --release -p greenroom-bench --bin echo_vs_epoll -- --rounds 21 --least 0.95 64 1000
//! cargo run --release -p greenroom-bench --bin echo_vs_epoll -- --paged 1000
//! ```
//!
//! Each server is a process of its own, pinned to one core; one raw epoll client
//! on another core keeps all connections busy, each waiting for its answer
//! before it sends again. The servers take turns, round by round, so that what
//! disturbs the machine disturbs all; only one of them has work at a time. The
//! first round is thrown away. `--paged` adds the same loop with a page of memory for
//! each connection, which is the limit of all that have a stack for each.

mod client;
mod contender;
mod options;
mod round;
mod servers;

use std::error::Error;
use std::process::ExitCode;

use contender::Contender;
use greenroom_bench::stats::Spread;
use greenroom_bench::sys;
use options::Options;
use round::Rounds;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.as_slice() {
        [flag, name] if flag == contender::SERVE => servers::serve(name),
        _ => compare(&words),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("echo_vs_epoll: {why}");
            ExitCode::FAILURE
        }
    }
}

fn compare(words: &[String]) -> Outcome<()> {
    let options = Options::parse(words)?;
    sys::raise_descriptor_limit();
    sys::pin(1);
    let mut worst = f64::INFINITY;
    for &connections in &options.connections {
        let rounds = take_rounds(&options, connections)?;
        worst = worst.min(report(&options, connections, &rounds));
    }
    match options.least {
        Some(least) if worst < least => {
            Err(format!("a ratio of {worst:.3} is less than {least}").into())
        }
        _ => Ok(()),
    }
}

fn take_rounds(options: &Options, connections: usize) -> Outcome<Vec<Rounds>> {
    let names = options.contenders.iter();
    let mut contenders =
        names.map(|name| Contender::start(name, connections)).collect::<Outcome<Vec<_>>>()?;
    let mut rounds: Vec<Rounds> = contenders.iter().map(|_| Rounds::default()).collect();
    for number in 0..=options.rounds {
        for (contender, rounds) in contenders.iter_mut().zip(&mut rounds) {
            let round = contender.round(options.time)?;
            if number > 0 {
                rounds.push(round);
            }
        }
    }
    Ok(rounds)
}

/// Prints what came out; returns the median ratio of the first contender.
fn report(options: &Options, connections: usize, all: &[Rounds]) -> f64 {
    let (raw, others) = all.split_last().expect("the raw server is always there");
    println!("{connections} connections, {} rounds", options.rounds);
    for (name, rounds) in options.contenders.iter().zip(all) {
        let (rate, cpu) = (Spread::of(&rounds.rates()), Spread::of(&rounds.cpu()));
        println!(
            "  {name:<10} {:>8.0} requests/s [{:.0} .. {:.0}], {:.2} µs of CPU each, at best {:.2}",
            rate.median, rate.low, rate.high, cpu.median, cpu.low
        );
    }
    if let [patched, explicit] = others {
        // What patching costs, if the other is the explicit API.
        let ratio = Spread::of(&patched.cpu_ratios(explicit));
        let names = &options.contenders;
        println!("  {} / {}, requests per CPU s: {ratio}", names[0], names[1]);
    }
    let mut first = None;
    for (name, rounds) in options.contenders.iter().zip(others) {
        let ratio = Spread::of(&rounds.ratios(raw));
        println!("  {name} / raw, requests/s:         {ratio}");
        // Less disturbed where other programs run beside this one.
        let per_cpu = Spread::of(&rounds.cpu_ratios(raw));
        println!("  {name} / raw, requests per CPU s: {per_cpu}");
        first = first.or(Some(ratio.median));
    }
    first.unwrap_or(1.0)
}
