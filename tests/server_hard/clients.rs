//! Clients, each on a green thread of the test's process.

use greenroom::JoinHandle;
use greenroom::net::TcpStream;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(80);

/// One connection, with a reader for its lines.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(LONG))?;
        Ok(Client(BufReader::with_capacity(64, stream)))
    }

    pub(crate) fn say(&mut self, line: &str) -> io::Result<()> {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes())
    }

    /// The next line; `None` at the end. Half a line is a bug.
    pub(crate) fn hear(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let heard = self.0.read_line(&mut line);
        if !line.is_empty() {
            assert!(line.ends_with('\n'), "half an answer: {line:?}, {heard:?}");
        }
        Ok((heard? > 0).then(|| line.trim_end().to_owned()))
    }

    /// A request and its whole answer.
    pub(crate) fn ask(&mut self, text: &str) -> io::Result<Option<()>> {
        self.say(&format!("echo {text}"))?;
        let answer = self.hear()?;
        Ok(answer.map(|answer| assert_eq!(answer, text)))
    }

    /// Asks for nothing more, reads and drops what comes; how much.
    pub(crate) fn drain(mut self) -> io::Result<u64> {
        self.0.get_ref().shutdown(Shutdown::Write)?;
        io::copy(&mut self.0, &mut io::sink())
    }

    /// A part of something big.
    pub(crate) fn some_of_big(&mut self) -> io::Result<()> {
        self.say("big")?;
        self.0.read_exact(&mut [0; 100])
    }

    /// Closes it so that the other side's writing fails.
    pub(crate) fn reset(self) {
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        let (at, size) = ((&raw const linger).cast(), size_of_val(&linger) as u32);
        let fd = self.0.get_ref().as_raw_fd();
        // SAFETY: a structure of that size.
        let set = unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_LINGER, at, size) };
        assert_eq!(set, 0);
    }
}

/// What was answered in full, all clients together.
pub(crate) type Answers = Arc<AtomicUsize>;

/// Whether a connection may end like that when the server stops.
fn is_end(why: &io::Error) -> bool {
    use ErrorKind::*;
    matches!(why.kind(), ConnectionReset | BrokenPipe | ConnectionRefused)
}

/// Asks on one connection until the server ends it.
pub(crate) fn insist(mut client: Client, answers: &Answers) {
    loop {
        match client.ask("and again") {
            Ok(Some(())) => answers.fetch_add(1, SeqCst),
            Ok(None) => return,
            Err(why) => return assert!(is_end(&why), "{why}"),
        };
        greenroom::yield_now();
    }
}

/// Connects, asks once and leaves, until nobody is there any more.
pub(crate) fn come_and_go(address: SocketAddr, answers: &Answers) {
    loop {
        let asked = Client::connect(address).and_then(|mut client| client.ask("once"));
        match asked {
            Ok(Some(())) => {
                answers.fetch_add(1, SeqCst);
            }
            Ok(None) => {} // its connection was ended, or came too late
            Err(why) if why.kind() == ErrorKind::ConnectionRefused => return,
            Err(why) => assert!(is_end(&why), "{why}"),
        }
    }
}

/// As many green threads, each with its number.
pub(crate) fn crowd<T: Send + 'static>(
    n: usize,
    f: impl Fn(usize) -> T + Clone + Send + 'static,
) -> Vec<JoinHandle<T>> {
    let one = |i| {
        let f = f.clone();
        greenroom::spawn(move || f(i))
    };
    (0..n).map(one).collect()
}

pub(crate) fn all<T>(handles: Vec<JoinHandle<T>>) -> Vec<T> {
    greenroom::joinall(handles).into_iter().map(|r| r.unwrap()).collect()
}
