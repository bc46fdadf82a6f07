//! The servers. Each prints its port, and ends when its stdin does.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

use greenroom::{Config, ThreadLocals, patch_all};

use super::Outcome;
use greenroom_bench::sys::{self, Edge, Epoll};

pub(super) const GREENROOM: &str = "greenroom";
/// By greenroom's own types, with nothing patched.
pub(super) const EXPLICIT: &str = "explicit";
pub(super) const OS_THREADS: &str = "os-threads";
pub(super) const RAW: &str = "raw";
/// The same loop, but each connection has a page of its own, of which it touches one line:
/// the least that a stack for each costs.
pub(super) const PAGED: &str = "raw-paged";

/// What each server reads into.
type Buffer = [u8; 1024];

/// Is the server `name` until stdin ends.
pub(super) fn serve(name: &str) -> Outcome<()> {
    sys::raise_descriptor_limit();
    // Before any thread is started: they inherit it.
    sys::pin(0);
    if name == GREENROOM {
        patch_all()?;
        Config::new().workers(1).install()?;
    } else if name == EXPLICIT {
        let locals = patched_thread_locals();
        Config::new().workers(1).thread_locals(locals).install()?;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    match name {
        GREENROOM => drop(greenroom::spawn(move || accept(&listener, green))),
        EXPLICIT => {
            let listener = greenroom::net::TcpListener::from(listener);
            drop(greenroom::spawn(move || accept_explicitly(&listener)));
        }
        OS_THREADS => drop(thread::spawn(move || accept(&listener, os_thread))),
        RAW | PAGED => {
            let paged = name == PAGED;
            drop(thread::spawn(move || epoll_loop(&listener, paged).expect("epoll works")));
        }
        other => return Err(format!("no such server: {other}").into()),
    }
    println!("{port}");
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// A thread of some sort for each connection: the same code for both.
fn accept(listener: &TcpListener, start: fn(TcpStream)) {
    for stream in listener.incoming() {
        let stream = stream.expect("there are descriptors enough");
        stream.set_nodelay(true).expect("a TCP socket");
        start(stream);
    }
}

/// Those that `patch_all` would bring.
fn patched_thread_locals() -> ThreadLocals {
    match std::env::var("GREENROOM_THREAD_LOCALS").as_deref() {
        Ok("shared") => ThreadLocals::Shared,
        _ => ThreadLocals::Own,
    }
}

fn accept_explicitly(listener: &greenroom::net::TcpListener) {
    for stream in listener.incoming() {
        let stream = stream.expect("there are descriptors enough");
        stream.set_nodelay(true).expect("a TCP socket");
        greenroom::spawn(move || echo(stream));
    }
}

fn green(stream: TcpStream) {
    greenroom::spawn(move || echo(stream));
}

fn os_thread(stream: TcpStream) {
    thread::spawn(move || echo(stream));
}

fn echo(mut stream: impl Read + Write) -> io::Result<()> {
    let mut buffer: Buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n])?,
        }
    }
}

/// The limit: one loop, each connection registered once.
fn epoll_loop(listener: &TcpListener, paged: bool) -> io::Result<()> {
    const LISTENER: u64 = u64::MAX;
    let mut epoll = Epoll::new()?;
    epoll.add(listener, LISTENER, Edge::No)?;
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let mut pages: Vec<Page> = Vec::new();
    let mut buffer: Buffer = [0; 1024];
    loop {
        for number in 0..epoll.wait(-1)? {
            let token = epoll.token(number);
            if token == LISTENER {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                epoll.add(&stream, streams.len() as u64, Edge::Triggered)?;
                if paged {
                    pages.push(Page::new(streams.len()));
                }
                streams.push(Some(stream));
                continue;
            }
            if let Some(page) = pages.get_mut(token as usize) {
                page.touch();
            }
            let place = &mut streams[token as usize];
            if let Some(stream) = place
                && !echo_what_is_there(stream, &mut buffer)?
            {
                *place = None;
            }
        }
    }
}

/// What stands for a connection's stack.
struct Page {
    memory: Vec<u8>,
    line: usize,
}

impl Page {
    /// As far from the last one's, and as differently placed, as greenroom's stacks are.
    fn new(number: usize) -> Page {
        const SPAN: usize = 65 * 4096;
        let memory = vec![0; SPAN];
        sys::never_huge(&memory);
        Page { memory, line: SPAN / 2 + number % 16 * 64 }
    }

    fn touch(&mut self) {
        let byte = &mut self.memory[self.line];
        *std::hint::black_box(byte) += 1;
    }
}

/// False at the end of the connection.
fn echo_what_is_there(stream: &TcpStream, buffer: &mut Buffer) -> io::Result<bool> {
    loop {
        match sys::receive(stream, buffer) {
            Ok(0) => return Ok(false),
            Ok(n) => {
                // The client waits for its answer: there is always room.
                if sys::send(stream, &buffer[..n])? < n {
                    return Err(ErrorKind::WriteZero.into());
                }
                // Less than was asked for: nothing is left, and an event will
                // follow when there is something again.
                if n < buffer.len() {
                    return Ok(true);
                }
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => return Ok(false),
            Err(e) => return Err(e),
        }
    }
}
