//! One server process, and the client's connections to it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Outcome;
use super::client::Client;
use super::round::Round;

/// What makes this program a server.
pub(super) const SERVE: &str = "--serve";

/// Before each count, so that queues and caches are as they will be.
const WARM_UP: Duration = Duration::from_millis(50);

pub(super) struct Contender {
    process: Child,
    client: Client,
}

impl Contender {
    /// Starts the server and connects to it.
    pub(super) fn start(name: &str, connections: usize) -> Outcome<Contender> {
        let mut process = Command::new(std::env::current_exe()?)
            .args([SERVE, name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut port = String::new();
        BufReader::new(process.stdout.take().ok_or("no pipe")?).read_line(&mut port)?;
        let port = port.trim().parse().map_err(|_| format!("the server {name} did not start"))?;
        Ok(Contender { process, client: Client::connect(port, connections)? })
    }

    /// Keeps it busy for `time`.
    pub(super) fn round(&mut self, time: Duration) -> Outcome<Round> {
        self.client.start()?;
        self.client.run(WARM_UP)?;
        let (cpu, start) = (self.cpu()?, Instant::now());
        let requests = self.client.run(time)?;
        let (cpu, took) = (self.cpu()? - cpu, start.elapsed());
        self.client.finish()?;
        Ok(Round { requests, took, cpu })
    }

    /// How long its threads have run, as the kernel's scheduler counts it.
    fn cpu(&self) -> Outcome<Duration> {
        let mut nanos = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let counts = fs::read_to_string(task?.path().join("schedstat"))?;
            nanos +=
                counts.split_whitespace().next().ok_or("an empty schedstat")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanos))
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        // It ends when its stdin does, but may be stuck.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
