//! Send and receive datagrams: UDP (seed 004: SOCK_DGRAM, sendto, recvfrom, settimeout).
//!
//! ```sh
//! cargo run --example send_datagrams
//! ```

use std::error::Error;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use greenroom::{Config, joinall, spawn};

/// One socket for all clients: each datagram says whom it is from.
fn serve(server: UdpSocket) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let (length, client) = server.recv_from(&mut buffer)?;
        let text = String::from_utf8_lossy(&buffer[..length]).to_uppercase();
        server.send_to(text.as_bytes(), client)?;
    }
}

/// Sends `text` and waits for one answer, for `limit` at most.
fn ask(server: SocketAddr, text: &str, limit: Duration) -> io::Result<String> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(limit))?; // Python's `settimeout`
    socket.send_to(text.as_bytes(), server)?;
    let mut buffer = [0; 1024];
    let (length, _from) = socket.recv_from(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

fn main() -> Result<(), Box<dyn Error>> {
    greenroom::patch_all()?;
    // One worker: if anybody blocked it, nobody else would get on.
    Config::new().workers(1).install()?;
    let server = UdpSocket::bind("127.0.0.1:0")?;
    let address = server.local_addr()?;
    spawn(move || serve(server));

    let long = Duration::from_secs(20);
    let clients = ["hello", "from", "three"].map(|word| spawn(move || ask(address, word, long)));
    for answer in joinall(clients) {
        println!("{}", answer??);
    }

    // Datagrams may get lost, and nobody says so: have a limit.
    let silent = UdpSocket::bind("127.0.0.1:0")?;
    let nobody = silent.local_addr()?;
    let answer = spawn(move || ask(nobody, "anybody?", Duration::from_millis(50))).join()?;
    println!("no answer in time: {:?}", answer.map_err(|error| error.kind()));
    Ok(())
}
