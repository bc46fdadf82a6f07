//! Speak HTTP by hand over sockets, both sides (seed 001: socket通讯 and 基于socket实现TCP服务器).
//!
//! ```sh
//! cargo run --example http_by_hand
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

static NUM: AtomicU32 = AtomicU32::new(1);

fn handle_request(client: TcpStream) -> io::Result<()> {
    // A request ends with an empty line. To stop when `recv` brings less than
    // was asked for would be wrong: it may bring a part, or exactly so much.
    for line in BufReader::new(&client).lines() {
        if line?.is_empty() {
            break;
        }
    }
    let num = NUM.fetch_add(1, Relaxed) + 1;
    let body = format!("收到{num}");
    let mut header = "HTTP/1.1 200 OK\r\n".to_owned();
    header += "Content-Type: text/html;charset=utf-8\r\n";
    header += &format!("Content-Length: {}\r\n", body.len());
    header += "Connection: close\r\n\r\n";
    (&client).write_all((header + &body).as_bytes())
}

fn serve(server: TcpListener) {
    for client in server.incoming() {
        match client {
            Ok(client) => drop(thread::spawn(move || handle_request(client))),
            Err(error) => eprintln!("nobody came: {error}"),
        }
    }
}

/// The status line and the body.
fn get(server: SocketAddr) -> io::Result<(String, String)> {
    let mut conn = TcpStream::connect(server)?;
    let mut data = "GET / HTTP/1.1\r\n".to_owned();
    data += &format!("Host: {server}\r\n");
    data += "\r\n";
    conn.write_all(data.as_bytes())?;
    let mut response = String::new();
    conn.read_to_string(&mut response)?; // until the server closes
    let (header, body) = response.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let status = header.lines().next().unwrap_or_default();
    Ok((status.to_owned(), body.to_owned()))
}

fn main() -> Result<(), Box<dyn Error>> {
    greenroom::patch_all()?;
    let server = TcpListener::bind("127.0.0.1:0")?;
    let address = server.local_addr()?;
    thread::spawn(move || serve(server));

    for _ in 0..3 {
        let (status, body) = get(address)?;
        println!("{status}: {body}");
    }
    let clients: Vec<_> = (0..100).map(|_| thread::spawn(move || get(address))).collect();
    let mut bodies = Vec::new();
    for client in clients {
        bodies.push(client.join().expect("no panic")?.1);
    }
    bodies.sort();
    bodies.dedup();
    println!("then {} different answers to a hundred at once", bodies.len());
    Ok(())
}
