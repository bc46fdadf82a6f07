//! The echo server: a thread per connection.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::threads::Threads;

/// Each connection to one address needs a local port of its own, and Linux has 28,232 to give
/// (macOS: 16,384). So there is a listener for every so many.
const CLIENTS_PER_LISTENER: usize = 10_000;

/// Starts listening, and returns where.
pub(crate) fn start(threads: Threads, clients: usize) -> io::Result<Vec<SocketAddr>> {
    (0..clients.div_ceil(CLIENTS_PER_LISTENER))
        .map(|_| {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            threads.spawn(move || serve(threads, &listener))?;
            Ok(address)
        })
        .collect()
}

fn serve(threads: Threads, listener: &TcpListener) {
    for stream in listener.incoming() {
        let served = stream.and_then(|stream| threads.spawn(move || echo(stream)));
        if let Err(error) = served {
            // Its client would wait for ever.
            eprintln!("\nten_thousand: the server cannot take another connection: {error}");
            std::process::exit(1);
        }
    }
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n])?,
        }
    }
}
