//! Run servers: a handler per connection or datagram, a graceful stop (seed 004: 多线程服务器, socketserver).
//!
//! What Python's `socketserver` does with a class and `serve_forever`, with
//! what a service needs besides: it accepts no more than it can serve, survives
//! running out of descriptors, and stops without cutting anybody off.
//!
//! ```sh
//! cargo run --example run_a_server                    # asks itself
//! cargo run --example run_a_server -- 127.0.0.1:8000  # until its stdin ends (Ctrl-D)
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;
use std::{env, thread};

use greenroom::net::{TcpStream, UdpSocket};
use greenroom::server::{Datagram, DatagramServer, StreamServer};
use greenroom::{joinall, spawn};

const CLIENTS: usize = 1000;
/// How long a stop waits for those who are still being served.
const PATIENCE: Duration = Duration::from_secs(10);

/// `MyServer.handle`: one connection, line by line, to its end.
fn handle(stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
    for line in BufReader::new(&stream).lines() {
        writeln!(&stream, "{peer} said {}", line?.to_uppercase())?;
    }
    Ok(())
}

/// One datagram.
fn answer(datagram: Datagram<UdpSocket>) -> io::Result<usize> {
    datagram.reply(&datagram.data().to_ascii_uppercase())
}

fn ask(server: SocketAddr, n: usize) -> io::Result<bool> {
    let mut stream = TcpStream::connect(server)?;
    writeln!(stream, "client {n}")?;
    stream.shutdown(Shutdown::Write)?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text == format!("{} said CLIENT {n}\n", stream.local_addr()?))
}

fn send(server: SocketAddr) -> io::Result<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.send_to(b"hello", server)?;
    let mut buf = [0; 64];
    let n = socket.recv(&mut buf)?;
    Ok(buf[..n].to_vec())
}

/// Serves itself: how many were answered as they should be, the last of them
/// by a server that was stopping.
fn run() -> Result<usize, Box<dyn Error>> {
    let server = StreamServer::bind("127.0.0.1:0", handle)?.max_connections(200);
    server.start()?;
    let address = server.local_addr()?;
    let clients: Vec<_> = (0..CLIENTS).map(|n| spawn(move || ask(address, n))).collect();
    let mut answered = 0;
    for right in joinall(clients) {
        answered += usize::from(right??);
    }

    let datagrams = DatagramServer::bind("127.0.0.1:0", answer)?;
    datagrams.start()?;
    answered += usize::from(send(datagrams.local_addr()?)? == b"HELLO");
    datagrams.stop(PATIENCE);

    let last = TcpStream::connect(address)?;
    let stopping = thread::spawn(move || server.stop(PATIENCE));
    writeln!(&last, "wait for me")?;
    last.shutdown(Shutdown::Write)?;
    let mut text = String::new();
    (&last).read_to_string(&mut text)?;
    answered += usize::from(text.ends_with("said WAIT FOR ME\n"));
    let stopped = stopping.join().expect("it does not panic");
    println!("{answered} answers; the stop had to end {} handlers", stopped.ended);
    Ok(answered)
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(address) = env::args().nth(1) else { return run().map(drop) };
    let server = StreamServer::bind(&*address, handle)?.max_connections(10_000);
    println!("listening on {}", server.local_addr()?);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            println!("stopping, with {} connections", server.connections());
            server.stop(PATIENCE);
        });
        server.serve_forever()
    })?;
    Ok(())
}

#[test]
fn everybody_is_answered() {
    assert_eq!(run().unwrap(), CLIENTS + 2);
}
