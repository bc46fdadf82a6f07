//! Serve many clients from one thread by `select` (seed 000: 十、IO多路复用select代码实现).
//!
//! This is what one writes where threads are dear: sockets that do not block,
//! one call that waits for all of them, and what each client is owed kept by
//! hand. It runs unmodified beside green threads: `select` parks, so the
//! clients, on the same OS thread, get on meanwhile. (`echo` does without.)
//!
//! ```sh
//! cargo run --example select_server
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::{mem, ptr};

use greenroom::{Config, joinall, spawn};

const CLIENTS: usize = 50;

/// The numbers that `numbers` holds, as `select` wants them.
fn set(numbers: &[RawFd]) -> libc::fd_set {
    // SAFETY: all bits zero is the empty set.
    let mut set: libc::fd_set = unsafe { mem::zeroed() };
    for &number in numbers {
        assert!((0..libc::FD_SETSIZE as RawFd).contains(&number), "too many for select");
        // SAFETY: the number is within the set, as just looked at.
        unsafe { libc::FD_SET(number, &mut set) };
    }
    set
}

/// Python's `select.select`: waits until some can be read or written.
fn select(inputs: &[RawFd], outputs: &[RawFd]) -> io::Result<(Vec<RawFd>, Vec<RawFd>)> {
    let (mut readable, mut writeable) = (set(inputs), set(outputs));
    let most = inputs.iter().chain(outputs).max().map_or(0, |most| most + 1);
    let (none, forever) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: both sets live through the call, and no number is beyond them.
    if unsafe { libc::select(most, &mut readable, &mut writeable, none, forever) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let in_set = |numbers: &[RawFd], set: &libc::fd_set| {
        // SAFETY: the numbers are within the set: `set` put them there.
        numbers.iter().copied().filter(|&n| unsafe { libc::FD_ISSET(n, set) }).collect()
    };
    Ok((in_set(inputs, &readable), in_set(outputs, &writeable)))
}

struct Client {
    stream: TcpStream,
    /// What it has not been sent yet.
    replies: Vec<u8>,
    /// It sends no more.
    ended: bool,
}

impl Client {
    fn receive(&mut self) -> io::Result<()> {
        let mut buffer = [0; 1024];
        match self.stream.read(&mut buffer)? {
            0 => self.ended = true,
            n => self.replies.extend(buffer[..n].to_ascii_uppercase()),
        }
        Ok(())
    }

    fn send(&mut self) -> io::Result<()> {
        let sent = self.stream.write(&self.replies)?;
        self.replies.drain(..sent);
        Ok(())
    }
}

/// Its clients, by the number of their socket.
type Clients = BTreeMap<RawFd, Client>;

fn accept(server: &TcpListener, clients: &mut Clients) -> io::Result<usize> {
    match server.accept() {
        Ok((stream, _)) => {
            stream.set_nonblocking(true)?;
            let client = Client { stream, replies: Vec::new(), ended: false };
            clients.insert(client.stream.as_raw_fd(), client);
            Ok(1)
        }
        // It went away before it was accepted.
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        Err(error) => Err(error),
    }
}

/// Serves until `count` clients have come and gone.
fn serve(server: TcpListener, count: usize) -> io::Result<()> {
    server.set_nonblocking(true)?;
    let mut clients = Clients::new();
    let mut come = 0;
    while come < count || !clients.is_empty() {
        let sending = clients.iter().filter(|(_, client)| !client.ended);
        let mut inputs: Vec<RawFd> = sending.map(|(number, _)| *number).collect();
        inputs.push(server.as_raw_fd());
        let owed = clients.iter().filter(|(_, client)| !client.replies.is_empty());
        let outputs: Vec<RawFd> = owed.map(|(number, _)| *number).collect();

        let (readable, writeable) = select(&inputs, &outputs)?;
        if readable.contains(&server.as_raw_fd()) {
            come += accept(&server, &mut clients)?;
        }
        clients.retain(|number, client| {
            let received = !readable.contains(number) || client.receive().is_ok();
            let sent = !writeable.contains(number) || client.send().is_ok();
            let done = client.ended && client.replies.is_empty();
            received && sent && !done // else it is dropped, and so closed
        });
    }
    Ok(())
}

fn talk(server: SocketAddr, n: usize) -> io::Result<String> {
    let mut stream = TcpStream::connect(server)?;
    for word in ["hello ", "from ", &format!("client {n}")] {
        stream.write_all(word.as_bytes())?;
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn main() -> Result<(), Box<dyn Error>> {
    greenroom::patch_all()?;
    Config::new().workers(1).install()?;
    let server = TcpListener::bind("127.0.0.1:0")?;
    let address = server.local_addr()?;

    let server = spawn(move || serve(server, CLIENTS));
    let clients: Vec<_> = (0..CLIENTS).map(|n| spawn(move || talk(address, n))).collect();
    for answer in joinall(clients) {
        println!("{}", answer??);
    }
    server.join()??;
    println!("the server has seen all {CLIENTS}, and ends");
    Ok(())
}
