//! Short connections: connect, ask, be answered, and see the server close.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use greenroom_bench::blocking::Sockets;
use greenroom_bench::protocol::Outcome;
use greenroom_bench::std_kit::Std;
use greenroom_bench::sys::{self, Epoll};
use greenroom_bench::work::LIGHT;

use super::asker::PATIENCE;

const MESSAGE: [u8; 64] = [LIGHT; 64];

pub(super) struct Short {
    port: u16,
    at_once: usize,
}

/// One that is open.
struct Visit {
    stream: TcpStream,
    got: usize,
}

impl Short {
    pub(super) fn new(port: u16, at_once: usize) -> Short {
        Short { port, at_once }
    }

    /// Visits for `time`; how many there were.
    ///
    /// # Errors
    /// The server does not do its part.
    pub(super) fn run(&mut self, time: Duration) -> Outcome<u64> {
        let mut epoll = Epoll::new()?;
        let visit = |place| self.visit(&epoll, place);
        let mut visits = (0..self.at_once).map(visit).collect::<Outcome<Vec<_>>>()?;
        let (end, mut count) = (Instant::now() + time, 0);
        while Instant::now() < end {
            let events = epoll.wait(PATIENCE)?;
            if events == 0 {
                return Err("the server does not answer any more".into());
            }
            for event in 0..events {
                let place = epoll.token(event) as usize;
                if visits[place].is_over()? {
                    visits[place] = self.visit(&epoll, place)?;
                    count += 1;
                }
            }
        }
        Ok(count)
    }

    fn visit(&self, epoll: &Epoll, place: usize) -> Outcome<Visit> {
        let stream = Std::connect(self.port)?;
        reset_at_close(&stream)?;
        epoll.add(&stream, place as u64, sys::Edge::No)?;
        sys::send(&stream, &MESSAGE)?;
        Ok(Visit { stream, got: 0 })
    }
}

impl Visit {
    /// Takes what has come; true when the server has answered and closed.
    fn is_over(&mut self) -> Outcome<bool> {
        let mut buffer = [0; 2 * MESSAGE.len()];
        loop {
            match sys::receive(&self.stream, &mut buffer) {
                Ok(0) if self.got == MESSAGE.len() => return Ok(true),
                Ok(0) => return Err("the server closes before it has answered".into()),
                Ok(n) if MESSAGE.get(self.got..self.got + n) == Some(&buffer[..n]) => self.got += n,
                Ok(_) => return Err("the answer is not what was sent".into()),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(e.into()),
            }
        }
    }
}

/// So that no port is kept for a minute after each: they would run out.
fn reset_at_close(stream: &TcpStream) -> io::Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let (fd, size) = (stream.as_raw_fd(), size_of_val(&linger) as u32);
    let at = (&raw const linger).cast();
    // SAFETY: an open socket, and a value of that size.
    let set = unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_LINGER, at, size) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[test]
fn visits_end_when_the_server_closes() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut message = MESSAGE;
            stream.read_exact(&mut message).unwrap();
            stream.write_all(&message[..20]).unwrap();
            stream.write_all(&message[20..]).unwrap();
        }
    });
    assert!(Short::new(port, 2).run(Duration::from_millis(100)).unwrap() > 2);
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port();
    std::thread::spawn(move || mute.incoming().for_each(drop));
    assert!(Short::new(port, 2).run(Duration::from_millis(100)).is_err());
}
