//! An echo server and its clients on `greenroom::net`, with nothing patched:
//! std's API, and only what says `greenroom` parks.
//!
//! ```sh
//! cargo run --example explicit_echo
//! ```

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::SocketAddr;

use greenroom::net::{TcpListener, TcpStream};
use greenroom::{Config, joinall, spawn};

const CLIENTS: usize = 200;

fn serve(listener: TcpListener) {
    for stream in listener.incoming().flatten() {
        spawn(move || io::copy(&mut &stream, &mut &stream));
    }
}

fn ask(address: SocketAddr, n: usize) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    writeln!(stream, "client {n}")?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn run() -> Result<Vec<String>, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    spawn(move || serve(listener));
    let clients: Vec<_> = (0..CLIENTS).map(|n| spawn(move || ask(address, n))).collect();
    joinall(clients).into_iter().map(|answer| Ok(answer??)).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    // One worker: a server that blocked it would never hear its clients.
    Config::new().workers(1).install()?;
    let answers = run()?;
    println!("{} answers, the last: {}", answers.len(), answers[CLIENTS - 1].trim_end());
    Ok(())
}

#[test]
fn everybody_is_answered() {
    Config::new().workers(1).install().unwrap();
    let expected: Vec<_> = (0..CLIENTS).map(|n| format!("client {n}\n")).collect();
    assert_eq!(run().unwrap(), expected);
}
