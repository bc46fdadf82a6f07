//! Which workloads there are, and who takes part in each.

use super::layout::Place;

/// How a workload is measured.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Kind {
    /// The contender itself does operations: nanoseconds each, and of its CPU
    /// time, which says more where other programs run.
    Inside,
    /// ... with the help of an echo server beside it.
    WithBackend,
    /// ... once in a process.
    Once,
    /// The contender works for as long as a round, and gives nanoseconds.
    Timed,
    /// The contender says how much memory they take; once in a process.
    Memory,
    /// A client keeps so many connections busy, each waiting for its answer
    /// before it asks again.
    Closed { connections: usize, ask: Ask },
    /// A client connects, asks once and waits for the end; so many at once.
    Short { at_once: usize },
    /// wrk does the same with HTTP, and so many requests at once.
    Wrk { connections: usize, pipelined: usize },
    /// A client asks so often in a second, answered or not.
    Fixed { connections: usize, rate: u32 },
}

/// What a client asks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Ask {
    /// So many bytes, to be echoed.
    Bytes(usize),
    /// 64 bytes; so many of the connections make the server compute.
    Uneven { heavy: usize },
    /// So many requests at once.
    Http { pipelined: usize },
}

/// One of the figures that a round gives.
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) more_is_better: bool,
}

const fn more(name: &'static str) -> Metric {
    Metric { name, more_is_better: true }
}

const fn less(name: &'static str) -> Metric {
    Metric { name, more_is_better: false }
}

pub(super) struct Workload {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// The contender's word for it, and the number that goes with it.
    pub(super) program: (&'static str, u64),
    pub(super) place: Place,
    pub(super) kind: Kind,
    /// The first of them is our own, to which the others are compared.
    pub(super) contenders: &'static [&'static str],
}

/// So many times as many rounds where the tail of what is late is measured.
const MORE_FOR_TAILS: usize = 5;

/// So many descriptors the client may have at least, on most machines.
const CONNECTED: usize = 15_000;

impl Workload {
    pub(super) fn metrics(&self) -> &'static [Metric] {
        const EACH: &[Metric] = &[less("ns each"), less("ns of CPU each")];
        const RATE: &[Metric] = &[more("requests/s"), less("µs of CPU each")];
        const LATE: &[Metric] = &[less("p50 µs"), less("p99 µs"), less("p99.9 µs")];
        const UNEVEN: &[Metric] = &[more("light requests/s"), less("their p99 µs")];
        match self.kind {
            Kind::Inside | Kind::WithBackend | Kind::Once => EACH,
            Kind::Timed => const { &[less("p99 ns late")] },
            Kind::Memory => const { &[less("bytes each")] },
            Kind::Closed { ask: Ask::Uneven { .. }, .. } => UNEVEN,
            Kind::Closed { .. } | Kind::Short { .. } | Kind::Wrk { .. } => RATE,
            Kind::Fixed { .. } => LATE,
        }
    }

    /// Whether each round of so many contenders wants a new process: where one starts
    /// anew by nature, where not all could be connected at the same time, and where it
    /// matters which worker the heavy connections came to.
    pub(super) fn wants_fresh(&self, contenders: usize) -> bool {
        match self.kind {
            Kind::Once | Kind::Memory => true,
            Kind::Closed { ask: Ask::Uneven { .. }, .. } => true,
            Kind::Closed { connections, .. } => connections * contenders > CONNECTED,
            _ => false,
        }
    }

    /// How many rounds, if so many are asked for: fewer where each takes long, more
    /// where one stall of the host makes a whole round's figure.
    pub(super) fn rounds(&self, asked: usize) -> usize {
        match self.kind {
            Kind::Once | Kind::Memory if self.program.1 >= 1_000_000 => asked.min(3),
            Kind::Wrk { .. } => asked.min(7), // a second each
            Kind::Fixed { .. } | Kind::Timed => asked * MORE_FOR_TAILS,
            _ => asked,
        }
    }

    pub(super) fn needs_backend(&self) -> bool {
        self.kind == Kind::WithBackend || self.program.0 == "proxy"
    }
}

#[rustfmt::skip]
const SWITCH: &[&str] = &[
    "greenroom-shared", "greenroom-own", "patched-own", "corosensei", "may", "tokio-current",
    "tokio-multi", "smol", "os-threads", "go", "gevent",
];
#[rustfmt::skip]
const TASKS: &[&str] = &[
    "greenroom-shared", "greenroom-own", "patched-own", "may", "tokio-current", "tokio-multi",
    "smol", "os-threads", "go", "gevent",
];
#[rustfmt::skip]
const ALL_CORES: &[&str] = &[
    "greenroom-shared", "greenroom-own", "patched-own", "may", "tokio-multi", "smol",
    "os-threads", "go",
];
#[rustfmt::skip]
const SERVERS: &[&str] = &[
    "patched-own", "patched-shared", "greenroom-own", "greenroom-shared", "raw-epoll", "may",
    "tokio-current", "tokio-multi", "smol", "os-threads", "go", "gevent",
];
/// Servers of HTTP, those that come with a whole protocol included.
#[rustfmt::skip]
const HTTP: &[&str] = &[
    "patched-own", "patched-shared", "greenroom-own", "greenroom-shared", "raw-epoll", "may",
    "may_minihttp", "tokio-current", "hyper", "smol", "os-threads", "go",
];
/// Those that can wait for one of two channels.
const SELECTERS: &[&str] =
    &["greenroom-shared", "greenroom-own", "may", "tokio-current", "tokio-multi", "smol", "go"];
/// Those that can have very many tasks.
#[rustfmt::skip]
const MILLIONS: &[&str] = &[
    "greenroom-shared", "greenroom-own", "patched-own", "may", "tokio-current", "tokio-multi",
    "smol", "go",
];
#[rustfmt::skip]
const CLIENTS: &[&str] = &[
    "patched-own", "patched-shared", "greenroom-own", "greenroom-shared", "may", "tokio-current",
    "tokio-multi", "smol", "os-threads", "go", "gevent",
];

/// All of them, in the order in which they run.
pub(super) fn all() -> Vec<Workload> {
    [tasks(), servers(), more_of_both()].into_iter().flatten().collect()
}

#[rustfmt::skip]
fn tasks() -> Vec<Workload> {
    use Place::{All, One};
    let inside = |name, title, program, place, contenders| {
        Workload { name, title, program, place, kind: Kind::Inside, contenders }
    };
    let idle = |name, title, count| {
        Workload { name, title, program: ("idle", count), place: One, kind: Kind::Memory,
                   contenders: TASKS }
    };
    vec![
        inside("switch-2", "two tasks take turns, one core", ("yield", 2), One, SWITCH),
        inside("switch-1000", "1000 tasks take turns, one core", ("yield", 1000), One, SWITCH),
        inside("switch-1000-all", "1000 tasks take turns, all cores", ("yield", 1000), All, ALL_CORES),
        inside("spawn", "spawn one and join it, one core", ("spawn", 0), One, SWITCH),
        inside("spawn-1000", "spawn 1000, then join them, one core", ("burst", 1000), One, TASKS),
        inside("spawn-1000-all", "spawn 1000, then join them, all cores", ("burst", 1000), All, ALL_CORES),
        inside("channel", "a number to a partner and back, one core", ("channel", 0), One, TASKS),
        inside("channel-all", "a number to a partner and back, all cores", ("channel", 0), All, ALL_CORES),
        inside("many-to-one", "8 send to one, one core", ("many-to-one", 0), One, TASKS),
        inside("many-to-one-all", "8 send to one, all cores", ("many-to-one", 0), All, ALL_CORES),
        inside("mutex", "lock and unlock, nobody else wants it", ("mutex", 1), One, TASKS),
        inside("mutex-16", "16 hold a lock while they give way, one core", ("mutex", 16), One, TASKS),
        inside("mutex-16-all", "16 hold a lock while they give way, all cores", ("mutex", 16), All, ALL_CORES),
        inside("select", "a number through one of two channels, and an answer", ("select", 0), One, SELECTERS),
        inside("timer", "a number to a partner and back, timers armed and cancelled", ("timer", 0), One, TASKS),
        inside("timer-100000", "the same beside 100,000 that sleep", ("timer", 100_000), One, TASKS),
        Workload { name: "lateness",
                   title: "how late 100 sleep 1 ms, beside 100,000 that sleep and 4 that compute",
                   program: ("lateness", 100_000), place: One, kind: Kind::Timed,
                   contenders: MILLIONS },
        idle("idle-10000", "resident memory of each of 10,000 that sleep", 10_000),
        idle("idle-100000", "resident memory of each of 100,000 that sleep", 100_000),
        Workload { contenders: MILLIONS,
                   ..idle("idle-1m", "resident memory of each of 1,000,000 that sleep", 1_000_000) },
    ]
}

#[rustfmt::skip]
fn servers() -> Vec<Workload> {
    let closed = |name, title, program, connections, ask| {
        Workload { name, title, program, place: Place::One,
                   kind: Kind::Closed { connections, ask }, contenders: SERVERS }
    };
    let wrk = |name, title, pipelined| {
        Workload { name, title, program: ("http", 0), place: Place::One,
                   kind: Kind::Wrk { connections: 64, pipelined }, contenders: HTTP }
    };
    let small = |name, title, connections| {
        closed(name, title, ("echo", 64), connections, Ask::Bytes(64))
    };
    vec![
        small("echo-1", "echo of 64 bytes, 1 connection", 1),
        small("echo-64", "echo of 64 bytes, 64 connections", 64),
        small("echo-1000", "echo of 64 bytes, 1000 connections", 1000),
        small("echo-5000", "echo of 64 bytes, 5000 connections", 5000),
        Workload { name: "short", title: "accept, one exchange of 64 bytes, close; 32 at once",
                   program: ("short", 64), place: Place::One,
                   kind: Kind::Short { at_once: 32 }, contenders: SERVERS },
        closed("http", "HTTP plaintext, 64 connections kept alive", ("http", 0), 64,
               Ask::Http { pipelined: 1 }),
        closed("http-pipelined", "HTTP plaintext, 64 connections, 16 requests at once", ("http", 0), 64,
               Ask::Http { pipelined: 16 }),
        wrk("http-wrk", "HTTP plaintext under wrk, 64 connections", 1),
        wrk("http-wrk-pipelined", "HTTP plaintext under wrk, 64 connections, 16 requests at once", 16),
    ]
}

#[rustfmt::skip]
fn more_of_both() -> Vec<Workload> {
    let one = |name, title, program, place, kind, contenders| {
        Workload { name, title, program, place, kind, contenders }
    };
    let fixed = |name, title, rate| {
        one(name, title, ("echo", 64), Place::One, Kind::Fixed { connections: 64, rate }, SERVERS)
    };
    let closed = |connections, ask| Kind::Closed { connections, ask };
    vec![
        one("echo-16k", "echo of 16 KiB, 64 connections", ("echo", 16_384), Place::One,
            closed(64, Ask::Bytes(16_384)), SERVERS),
        one("uneven", "echo, 4 of 64 connections make the server compute, all cores", ("echo", 64),
            Place::All, closed(64, Ask::Uneven { heavy: 4 }), SERVERS),
        fixed("latency-20k", "echo of 64 bytes at 20,000 requests/s, 64 connections", 20_000),
        fixed("latency-50k", "echo of 64 bytes at 50,000 requests/s, 64 connections", 50_000),
        one("spawn-1m", "spawn 1,000,000, then join them, one core", ("burst", 1_000_000), Place::One,
            Kind::Once, TASKS),
        one("proxy", "64 bytes through a proxy, 64 connections", ("proxy", 64), Place::One,
            closed(64, Ask::Bytes(64)), CLIENTS),
        one("fan-out", "ask 10 servers at once, one core", ("fan-out", 10), Place::One,
            Kind::WithBackend, CLIENTS),
    ]
}

#[test]
fn names_tell_workloads_apart_and_ours_comes_first() {
    let all = all();
    for (at, one) in all.iter().enumerate() {
        assert!(all[..at].iter().all(|other| other.name != one.name), "{} twice", one.name);
        assert!(["greenroom-shared", "patched-own"].contains(&one.contenders[0]));
    }
}

#[test]
fn tails_take_more_rounds_and_uneven_starts_anew() {
    let all = all();
    let named = |name| all.iter().find(|one| one.name == name).unwrap();
    assert_eq!((named("latency-50k").rounds(5), named("echo-64").rounds(5)), (25, 5));
    assert!(named("uneven").wants_fresh(1) && !named("echo-64").wants_fresh(1));
}
