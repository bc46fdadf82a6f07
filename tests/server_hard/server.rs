//! The server, in a process of its own: for its own limit of descriptors, and
//! so that what it leaves open can be counted.
//!
//! It answers `echo X` by `X`, and `big` by more than fits into a socket. It
//! says its address, and when told to stop, how that went.

use super::common::set_limit;
use super::fds::open_fds;
use greenroom::net::TcpStream;
use greenroom::server::StreamServer;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const ROLE: &str = "GREENROOM_SERVER_LIMIT";
/// What `big` asks for.
pub(crate) const BIG: usize = 4 << 20;

/// The server's process, as the test sees it.
pub(crate) struct Server {
    child: Child,
    said: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

/// If this process is to be a server, is one; else it goes on.
pub(crate) fn serve_if_asked() -> bool {
    let Some(limit) = std::env::var(ROLE).ok() else { return false };
    serve(limit.parse().unwrap());
    true
}

#[derive(Default)]
struct Counts {
    /// Requests whose answers were written in full.
    answered: AtomicUsize,
    /// Connections that failed.
    broken: AtomicUsize,
    peak: AtomicUsize,
    running: AtomicUsize,
}

fn serve(limit: u64) {
    greenroom::spawn(|| ()).join().unwrap();
    let before = open_fds();
    set_limit(libc::RLIMIT_NOFILE, limit);
    let counts = Arc::new(Counts::default());
    let theirs = counts.clone();
    let server = StreamServer::bind("127.0.0.1:0", move |stream, _| {
        theirs.peak.fetch_max(theirs.running.fetch_add(1, SeqCst) + 1, SeqCst);
        if handle(stream, &theirs).is_err() {
            theirs.broken.fetch_add(1, SeqCst);
        }
        theirs.running.fetch_sub(1, SeqCst);
    });
    let server = server.unwrap().backlog(16_384);
    println!("address {}", server.local_addr().unwrap());
    server.start().unwrap();
    for line in io::stdin().lines() {
        let line = line.unwrap();
        let (what, millis) = line.split_once(' ').unwrap();
        if what == "connections" {
            let wanted: usize = millis.parse().unwrap();
            super::common::until(|| server.connections() >= wanted);
            println!("connections {}", server.connections());
            continue;
        }
        let stopped = server.stop(Duration::from_millis(millis.parse().unwrap()));
        let [answered, broken, peak] =
            [&counts.answered, &counts.broken, &counts.peak].map(|n| n.load(SeqCst));
        let after = open_fds();
        println!(
            "ended {} left {} answered {answered} broken {broken} peak {peak} before {before} \
             after {after}",
            stopped.ended, stopped.left
        );
    }
}

fn handle(stream: TcpStream, counts: &Counts) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(64, &stream);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        match line.strip_prefix("echo ") {
            Some(text) => (&stream).write_all(text.as_bytes())?,
            None => send_big(&stream)?,
        }
        counts.answered.fetch_add(1, SeqCst);
        line.clear();
    }
    Ok(())
}

fn send_big(mut stream: &TcpStream) -> io::Result<()> {
    // Less than the kernel would take, of which there are hundreds.
    let room: libc::c_int = 128 << 10;
    // SAFETY: a number of that size.
    let set = unsafe {
        let (at, size) = ((&raw const room).cast(), size_of_val(&room) as u32);
        libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_SNDBUF, at, size)
    };
    assert_eq!(set, 0);
    let part = vec![b'.'; 64 << 10];
    (0..BIG / part.len()).try_for_each(|_| stream.write_all(&part))
}

impl Server {
    /// Runs this test again as a server with so many descriptors.
    pub(crate) fn start(test: &str, limit: u64) -> Server {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(ROLE, limit.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let address = SocketAddr::from(([0; 4], 0));
        let mut server = Server { child, said, address };
        server.address = server.hear("address ").parse().unwrap();
        server
    }

    /// The rest of the next line with these words.
    fn hear(&mut self, words: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.said.read_line(&mut line).unwrap(), 0, "the server has ended");
            if let Some((_, rest)) = line.split_once(words) {
                return rest.trim_end().to_owned();
            }
        }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits until it has so many connections.
    pub(crate) fn until_connections(&mut self, n: usize) {
        self.tell(&format!("connections {n}"));
        self.hear("connections ");
    }

    /// Stops it after so many milliseconds; its numbers. It must end well.
    pub(crate) fn stop(mut self, millis: u64) -> HashMap<String, usize> {
        self.tell(&format!("stop {millis}"));
        let words = format!("ended {}", self.hear("ended "));
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
        let words: Vec<&str> = words.split(' ').collect();
        let number = |pair: &[&str]| (pair[0].to_owned(), pair[1].parse().unwrap());
        words.chunks(2).map(number).collect()
    }
}
