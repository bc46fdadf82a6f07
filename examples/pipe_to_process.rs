//! Send and receive through a pipe to a child process (seeds: 000 四、pipe; 004 Manager, Pipe).
//!
//! Python's `Pipe()` has two ends that both send and receive; so has a pair of
//! connected Unix sockets. The child, this program again, gets one end as its
//! standard input.
//!
//! ```sh
//! cargo run --example pipe_to_process
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::{env, thread};

/// One end of a pipe. Here a message is a line; it could be JSON, or anything.
struct Connection(BufReader<UnixStream>);

impl Connection {
    fn new(stream: UnixStream) -> Connection {
        Connection(BufReader::new(stream))
    }

    fn send(&mut self, message: &str) -> io::Result<()> {
        writeln!(self.0.get_mut(), "{message}")
    }

    /// An error if the other end is gone: Python's `EOFError`.
    fn recv(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

/// What the child does with its end.
fn child() -> io::Result<()> {
    let mut pipe = Connection::new(io::stdin().as_fd().try_clone_to_owned()?.into());
    pipe.send("hello from the child")?;
    let question = pipe.recv()?;
    pipe.send(&format!("you asked {question:?}"))
    // The end is closed when it is dropped, or when the process ends.
}

/// Starts the child, and gives the parent's end.
fn start() -> io::Result<Connection> {
    let (parents, childs) = UnixStream::pair()?;
    let mut command = Command::new(env::current_exe()?);
    let mut child = command.arg("child").stdin(OwnedFd::from(childs)).spawn()?;
    thread::spawn(move || child.wait()); // somebody must, at some time
    Ok(Connection::new(parents))
} // `command` is dropped, and with it this process' copy of the child's end

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().nth(1).as_deref() == Some("child") {
        return Ok(child()?);
    }
    greenroom::patch_all()?;
    let mut pipe = start()?;
    println!("{}", pipe.recv()?); // a green thread would park here
    pipe.send("how are you?")?;
    println!("{}", pipe.recv()?);
    match pipe.recv() {
        Ok(more) => println!("{more}"),
        Err(error) => println!("the child has closed its end: {:?}", error.kind()),
    }
    Ok(())
}
