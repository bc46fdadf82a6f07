//! An echo server and its clients, one send for one receive (seeds: 004 Day6; 001 socket通讯, 客户端).
//!
//! Plain `std::net`, a thread per connection: the code one writes first. After
//! `patch_all` these are green threads, and it is also the code that scales
//! (`ten_thousand` is the same with ten thousand connections).
//!
//! ```sh
//! cargo run --example echo
//! ```

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

const CLIENTS: usize = 100;

/// Sends back what comes, until the client has no more.
fn handle(mut client: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let received = client.read(&mut buffer)?; // Python's `recv`
        if received == 0 {
            return Ok(()); // leaving closes the socket
        }
        client.write_all(&buffer[..received])?; // `sendall`
    }
}

fn serve(server: TcpListener) {
    for client in server.incoming() {
        match client {
            Ok(client) => drop(thread::spawn(move || handle(client))),
            Err(error) => eprintln!("nobody came: {error}"),
        }
    }
}

/// Sends each word once the one before has come back.
fn talk(server: SocketAddr, words: &[String]) -> io::Result<String> {
    let mut conn = TcpStream::connect(server)?;
    let mut content = Vec::new();
    for word in words {
        conn.write_all(word.as_bytes())?;
        let mut echo = vec![0; word.len()];
        conn.read_exact(&mut echo)?; // one `read` may bring only a part
        content.extend(echo);
    }
    conn.shutdown(Shutdown::Write)?;
    conn.read_to_end(&mut content)?; // to the end: the server has closed it
    String::from_utf8(content).map_err(io::Error::other)
}

fn main() -> Result<(), Box<dyn Error>> {
    greenroom::patch_all()?;
    let server = TcpListener::bind("127.0.0.1:0")?; // 0: a port that is free
    let address = server.local_addr()?;
    thread::spawn(move || serve(server));

    println!("{}", talk(address, &["hello, ".to_owned(), "python".to_owned()])?);

    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let words: Vec<_> = (0..10).map(|turn| format!("{n}.{turn} ")).collect();
            thread::spawn(move || Ok(talk(address, &words)? == words.concat()))
        })
        .collect();
    let mut right = 0;
    for client in clients {
        let echoed: io::Result<bool> = client.join().expect("no panic");
        right += usize::from(echoed?);
    }
    println!("{right} clients at once had all their words back");

    // `connect_ex` gives a number; here it is an error like any other.
    let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?; // closed again at once
    if let Err(error) = TcpStream::connect(free) {
        println!("nobody listens: {:?}, number {:?}", error.kind(), error.raw_os_error());
    }
    Ok(())
}
