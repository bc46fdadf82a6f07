//! The servers, for runtimes in which waiting is a plain call: a task for each
//! connection.

use std::io::{self, Read, Write};
use std::time::Instant;

use crate::blocking::{END, Sockets, Tasks, counted};
use crate::http::{Heads, answers};
use crate::protocol::{Outcome, Program, Task};
use crate::work::{LIGHT, consider};

/// What a small request fits into.
const SMALL: usize = 1024;

/// What is done for one connection.
type Session<S> = fn(S, &Task) -> io::Result<()>;

/// Starts the server that the task asks for; returns its port.
pub(crate) fn serve<K: Tasks, S: Sockets>(task: &Task) -> Outcome<u16> {
    let session: Session<S::Stream> = match (task.workload.as_str(), task.number as usize) {
        ("echo", ..=SMALL) => |stream, _| echo(stream, &mut [0; SMALL]),
        ("echo", _) => |stream, task| echo(stream, &mut vec![0; task.number as usize]),
        ("short", _) => |stream, _| exchange(stream),
        ("http", _) => |stream, _| plaintext(stream),
        ("proxy", _) => |stream, task| proxy::<S>(stream, task.backend),
        _ => return task.unknown(),
    };
    let (listener, port) = S::listen()?;
    let task = task.clone();
    K::spawn(move || {
        loop {
            let stream = S::accept(&listener).expect("there are descriptors enough");
            let task = task.clone();
            // It ends when the client goes.
            K::spawn(move || drop(session(stream, &task)));
        }
    });
    Ok(port)
}

fn echo(mut stream: impl Read + Write, buffer: &mut [u8]) -> io::Result<()> {
    loop {
        match stream.read(buffer)? {
            0 => return Ok(()),
            n => {
                consider(&buffer[..n]);
                stream.write_all(&buffer[..n])?;
            }
        }
    }
}

/// One request, one answer.
fn exchange(mut stream: impl Read + Write) -> io::Result<()> {
    let mut buffer = [0; SMALL];
    let n = stream.read(&mut buffer)?;
    stream.write_all(&buffer[..n])
}

fn plaintext(mut stream: impl Read + Write) -> io::Result<()> {
    let (mut heads, mut buffer) = (Heads::default(), [0; 4096]);
    loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        for answer in answers(heads.end_in(&buffer[..n])) {
            stream.write_all(answer)?;
        }
    }
}

/// Asks another server, each request, and passes on what it says.
fn proxy<S: Sockets>(mut client: S::Stream, backend: u16) -> io::Result<()> {
    let mut server = S::connect(backend)?;
    let mut buffer = [0; SMALL];
    loop {
        let n = client.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        server.write_all(&buffer[..n])?;
        server.read_exact(&mut buffer[..n])?;
        client.write_all(&buffer[..n])?;
    }
}

/// Each operation asks so many servers at once, and waits for all.
pub(crate) fn fan_out<K: Tasks, S: Sockets>(task: &Task) -> Outcome<Program> {
    let (width, backend) = (task.number, task.backend);
    Ok(counted::<K>(move |n| {
        let (done, all) = K::channel(width as usize);
        let asker = |_| {
            let (ask, asked) = K::channel(1);
            let done = done.clone();
            K::spawn(move || ask_when_told::<K, S>(backend, &asked, &done));
            ask
        };
        let askers: Vec<_> = (0..width).map(asker).collect();
        for _ in &askers {
            K::receive(&all); // one more is connected
        }
        let start = Instant::now();
        for number in 0..n {
            askers.iter().for_each(|ask| K::send(ask, number));
            askers.iter().for_each(|_| assert_eq!(K::receive(&all), number));
        }
        let took = start.elapsed();
        askers.iter().for_each(|ask| K::send(ask, END));
        took
    }))
}

fn ask_when_told<K: Tasks, S: Sockets>(backend: u16, asked: &K::Receiver, done: &K::Sender) {
    let mut stream = S::connect(backend).expect("the backend listens");
    K::send(done, END);
    loop {
        let number = K::receive(asked);
        if number == END {
            return;
        }
        let mut message = [LIGHT; 64];
        stream.write_all(&message).expect("the backend lives");
        stream.read_exact(&mut message).expect("the backend lives");
        K::send(done, number);
    }
}
