//! The limit for sockets: one loop around an edge-triggered epoll, no tasks.

use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;

use greenroom_bench::blocking::Sockets;
use greenroom_bench::http::{Heads, answers};
use greenroom_bench::protocol::{Outcome, Program, Task};
use greenroom_bench::std_kit::Std;
use greenroom_bench::sys::{self, Edge, Epoll};
use greenroom_bench::work::consider;

/// What goes on on a connection.
enum Session {
    Echo,
    Exchange,
    Plaintext(Heads),
}

struct Connection {
    stream: TcpStream,
    session: Session,
    /// What the socket had no room for.
    left: Vec<u8>,
}

struct Server {
    epoll: Epoll,
    listener: TcpListener,
    /// By descriptor.
    connections: Vec<Option<Connection>>,
    buffer: Vec<u8>,
    session: fn() -> Session,
}

pub(super) fn program(task: &Task) -> Outcome<Program> {
    let session = match task.workload.as_str() {
        "echo" => || Session::Echo,
        "short" => || Session::Exchange,
        "http" => || Session::Plaintext(Heads::default()),
        _ => return task.unknown(),
    };
    let (listener, port) = Std::listen()?;
    let epoll = Epoll::new()?;
    epoll.add(&listener, listener.as_raw_fd() as u64, Edge::No)?;
    let buffer = vec![0; 4096.max(task.number as usize)];
    let mut server = Server { epoll, listener, connections: Vec::new(), buffer, session };
    thread::spawn(move || server.run().expect("epoll works"));
    Ok(Program::Server(port))
}

impl Server {
    fn run(&mut self) -> io::Result<()> {
        let listener = self.listener.as_raw_fd() as u64;
        loop {
            for number in 0..self.epoll.wait(-1)? {
                let (token, ended) = (self.epoll.token(number), self.epoll.has_ended(number));
                if token == listener {
                    self.accept()?;
                    continue;
                }
                let place = &mut self.connections[token as usize];
                if let Some(connection) = place
                    && !connection.serve(&mut self.buffer, ended)
                {
                    *place = None;
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let stream = Std::accept(&self.listener)?;
        let token = stream.as_raw_fd() as u64;
        self.epoll.add_both(&stream, token)?;
        let session = (self.session)();
        let place = token as usize;
        if self.connections.len() <= place {
            self.connections.resize_with(place + 1, || None);
        }
        self.connections[place] = Some(Connection { stream, session, left: Vec::new() });
        Ok(())
    }
}

impl Connection {
    /// Does what can be done now; false when the connection has ended.
    fn serve(&mut self, buffer: &mut [u8], ended: bool) -> bool {
        self.try_serve(buffer, ended).unwrap_or_else(|e| e.kind() == ErrorKind::WouldBlock)
    }

    fn try_serve(&mut self, buffer: &mut [u8], ended: bool) -> io::Result<bool> {
        while !self.left.is_empty() {
            let sent = sys::send(&self.stream, &self.left)?;
            self.left.drain(..sent);
        }
        loop {
            let n = sys::receive(&self.stream, buffer)?;
            if n == 0 {
                return Ok(false);
            }
            match &mut self.session {
                Session::Echo => {
                    consider(&buffer[..n]);
                    self.write(&buffer[..n])?;
                }
                Session::Exchange => {
                    self.write(&buffer[..n])?;
                    return Ok(false);
                }
                Session::Plaintext(heads) => {
                    for answer in answers(heads.end_in(&buffer[..n])) {
                        self.write(answer)?;
                    }
                }
            }
            // Less than was asked for: nothing is left, and an event will
            // follow when there is something again; unless the end has come.
            if n < buffer.len() && !ended {
                return Ok(true);
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.left.is_empty() {
            self.left.extend_from_slice(bytes);
            return Ok(());
        }
        let sent = match sys::send(&self.stream, bytes) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => 0,
            result => result?,
        };
        self.left.extend_from_slice(&bytes[sent..]);
        Ok(())
    }
}
