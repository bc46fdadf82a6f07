//! The clients: connect, wait for all the others, talk, hang up together.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::thread;
use std::time::{Duration, Instant};

use crate::meter::Latency;
use crate::options::Options;
use crate::progress::Progress;
use crate::threads::{Handle, Threads};

/// Connections on their way at a time: fewer than the shortest queue a listener is given (128),
/// for the kernel drops what does not fit, and only a second later tries again.
const WAVE: usize = 100;

/// How often this thread, which is none of the crowd, looks how far they are.
const LOOK: Duration = Duration::from_micros(500);

// What the crowd is at; each stage begins for all at once.
const CONNECT: usize = 0;
const TALK: usize = 1;
const HANG_UP: usize = 2;

/// All clients, as their conductor sees them.
pub(crate) struct Crowd {
    stage: Arc<Stage>,
    clients: Vec<Handle<io::Result<()>>>,
}

/// What all clients share. Counters only: a lock would block a worker, and all on it.
struct Stage {
    threads: Threads,
    rounds: usize,
    payload: usize,
    now: AtomicUsize,
    connected: AtomicUsize,
    talked: AtomicUsize,
    failed: AtomicUsize,
    round_trips: AtomicUsize,
    latency: Latency,
}

/// How much was said, and how long that took.
pub(crate) struct Talked {
    pub(crate) connected: usize,
    pub(crate) round_trips: usize,
    pub(crate) took: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
}

impl Crowd {
    pub(crate) fn new(threads: Threads, options: &Options) -> Crowd {
        let stage = Stage {
            threads,
            rounds: options.rounds,
            payload: options.payload,
            now: AtomicUsize::new(CONNECT),
            connected: AtomicUsize::new(0),
            talked: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            round_trips: AtomicUsize::new(0),
            latency: Latency::new(),
        };
        Crowd { stage: Arc::new(stage), clients: Vec::new() }
    }

    /// Returns when all are connected, or have failed to.
    pub(crate) fn connect(&mut self, count: usize, servers: &[SocketAddr]) -> io::Result<()> {
        let arrived = |stage: &Stage| stage.connected.load(Acquire) + stage.failed.load(Acquire);
        let mut progress = Progress::new("connected", count);
        self.clients.reserve_exact(count);
        for number in 0..count {
            while number - arrived(&self.stage) >= WAVE {
                look(&mut progress, arrived(&self.stage))?;
            }
            let stage = self.stage.clone();
            let server = servers[number % servers.len()];
            let client = move || stage.run(number, server);
            self.clients.push(self.stage.threads.spawn(client)?);
        }
        while arrived(&self.stage) < count {
            look(&mut progress, arrived(&self.stage))?;
        }
        progress.finish(self.stage.connected.load(Acquire));
        Ok(())
    }

    /// Lets all talk at once; returns when the last has finished.
    pub(crate) fn talk(&self) -> io::Result<Talked> {
        let stage = &self.stage;
        let ended = || stage.talked.load(Acquire) + stage.failed.load(Acquire);
        let connected = stage.connected.load(Acquire);
        let mut progress = Progress::new("round trips", connected * stage.rounds);
        let start = Instant::now();
        self.begin(TALK);
        while ended() < self.clients.len() {
            look(&mut progress, stage.round_trips.load(Relaxed))?;
        }
        let took = start.elapsed();
        let round_trips = stage.round_trips.load(Relaxed);
        progress.finish(round_trips);
        Ok(Talked {
            connected,
            round_trips,
            took,
            p50: stage.latency.percentile(50.0),
            p99: stage.latency.percentile(99.0),
            max: stage.latency.max(),
        })
    }

    /// Closes all connections, and returns what went wrong with which.
    pub(crate) fn hang_up(&mut self) -> Vec<String> {
        self.begin(HANG_UP);
        let ends = self.clients.drain(..).map(Handle::join).enumerate();
        ends.filter_map(|(number, end)| match end {
            Some(Ok(())) => None,
            Some(Err(error)) => Some(format!("connection {number}: {error}")),
            None => Some(format!("connection {number}: its thread panicked")),
        })
        .collect()
    }

    fn begin(&self, stage: usize) {
        self.stage.now.store(stage, Release);
        self.clients.iter().for_each(Handle::unpark);
    }
}

fn look(progress: &mut Progress, done: usize) -> io::Result<()> {
    thread::sleep(LOOK);
    progress.see(done)
}

impl Stage {
    fn run(&self, number: usize, server: SocketAddr) -> io::Result<()> {
        let end = self.converse(number, server);
        if end.is_err() {
            self.failed.fetch_add(1, Release);
        }
        end
    }

    /// The life of one client.
    fn converse(&self, number: usize, server: SocketAddr) -> io::Result<()> {
        let mut stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        let mut sent = vec![0; self.payload];
        let mut received = vec![0; self.payload];
        let mut exchange = |round| {
            fill(&mut sent, number, round);
            stream.write_all(&sent)?;
            stream.read_exact(&mut received)?;
            if sent != received {
                return Err(io::Error::other(format!("round {round} came back changed")));
            }
            Ok(())
        };

        // Once, unmeasured: the answer shows that a thread at the other end is ours.
        exchange(0)?;
        self.connected.fetch_add(1, Release);
        self.wait_for(TALK);
        for round in 1..=self.rounds {
            let start = Instant::now();
            exchange(round)?;
            self.latency.record(start.elapsed());
            self.round_trips.fetch_add(1, Relaxed);
        }
        self.talked.fetch_add(1, Release);
        self.wait_for(HANG_UP);
        Ok(())
    }

    fn wait_for(&self, stage: usize) {
        while self.now.load(Acquire) < stage {
            self.threads.park();
        }
    }
}

/// Bytes that differ from connection to connection, and from round to round.
fn fill(payload: &mut [u8], number: usize, round: usize) {
    let mut state = ((number as u64) << 32) | round as u64;
    for piece in payload.chunks_mut(8) {
        // SplitMix64, by Sebastiano Vigna: https://prng.di.unimi.it/splitmix64.c
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        piece.copy_from_slice(&word.to_le_bytes()[..piece.len()]);
    }
}
