//! The client: one raw epoll loop, all connections closed-loop.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use super::Outcome;
use greenroom_bench::sys::{self, Edge, Epoll};

const MESSAGE: [u8; 64] = [42; 64];
/// No answer for so many milliseconds: the server has lost a request.
const PATIENCE: i32 = 10_000;

pub(super) struct Client {
    epoll: Epoll,
    connections: Vec<Connection>,
}

struct Connection {
    stream: TcpStream,
    /// Bytes of the answer that have not come yet; 0: nothing was asked.
    missing: usize,
}

impl Client {
    /// # Errors
    /// The server does not accept, or descriptors have run out.
    pub(super) fn connect(port: u16, connections: usize) -> io::Result<Client> {
        let epoll = Epoll::new()?;
        let connect = |token: usize| {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            stream.set_nodelay(true)?;
            epoll.add(&stream, token as u64, Edge::Triggered)?;
            Ok(Connection { stream, missing: 0 })
        };
        let connections = (0..connections).map(connect).collect::<io::Result<_>>()?;
        Ok(Client { epoll, connections })
    }

    /// The first request on each connection.
    pub(super) fn start(&mut self) -> Outcome<()> {
        self.connections.iter_mut().try_for_each(Connection::ask)
    }

    /// Answers and asks again for `time`; returns how many answers came.
    pub(super) fn run(&mut self, time: Duration) -> Outcome<u64> {
        let end = Instant::now() + time;
        let mut answers = 0;
        while Instant::now() < end {
            answers += self.turn(true)?;
        }
        Ok(answers)
    }

    /// Waits for the answers to all that was asked.
    pub(super) fn finish(&mut self) -> Outcome<()> {
        while self.connections.iter().any(|one| one.missing > 0) {
            self.turn(false)?;
        }
        Ok(())
    }

    fn turn(&mut self, ask_again: bool) -> Outcome<u64> {
        let events = self.epoll.wait(PATIENCE)?;
        if events == 0 {
            return Err("the server does not answer any more".into());
        }
        let mut answers = 0;
        for number in 0..events {
            let connection = &mut self.connections[self.epoll.token(number) as usize];
            if connection.answered()? {
                answers += 1;
                if ask_again {
                    connection.ask()?;
                }
            }
        }
        Ok(answers)
    }
}

impl Connection {
    fn ask(&mut self) -> Outcome<()> {
        // One message always fits the empty buffer.
        let sent = sys::send(&self.stream, &MESSAGE)?;
        self.missing = MESSAGE.len();
        if sent == MESSAGE.len() { Ok(()) } else { Err("a message was split".into()) }
    }

    /// Takes what has come; true if that was the last of an answer.
    fn answered(&mut self) -> Outcome<bool> {
        let mut buffer = [0; MESSAGE.len()];
        match sys::receive(&self.stream, &mut buffer) {
            Ok(0) => Err("the server closed a connection".into()),
            Ok(n) if n > self.missing => Err("the server sends more than it got".into()),
            Ok(n) if buffer[..n] == MESSAGE[..n] => {
                self.missing -= n;
                Ok(self.missing == 0)
            }
            Ok(_) => Err("the answer is not what was sent".into()),
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(e) => Err(e.into()),
        }
    }
}
