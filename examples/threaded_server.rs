//! A threaded TCP server, made for OS threads, on green ones (seed 004: 多线程服务器, socketserver).
//!
//! The module `socketserver` and the handler know nothing of greenroom. One
//! line in `main` decides what their threads are; `--os-threads` leaves it out.
//!
//! ```sh
//! cargo run --example threaded_server
//! cargo run --example threaded_server -- --os-threads
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::{env, fs, thread};

use socketserver::{RequestHandler, ThreadingTcpServer};

mod socketserver {
    use std::io;
    use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
    use std::sync::Arc;
    use std::thread;

    pub(crate) trait RequestHandler: Send + Sync + 'static {
        fn handle(&self, request: TcpStream, client: SocketAddr) -> io::Result<()>;
    }

    pub(crate) struct ThreadingTcpServer<H> {
        listener: TcpListener,
        handler: Arc<H>,
    }

    impl<H: RequestHandler> ThreadingTcpServer<H> {
        pub(crate) fn new(address: impl ToSocketAddrs, handler: H) -> io::Result<Self> {
            let listener = TcpListener::bind(address)?;
            Ok(ThreadingTcpServer { listener, handler: Arc::new(handler) })
        }

        pub(crate) fn server_address(&self) -> io::Result<SocketAddr> {
            self.listener.local_addr()
        }

        pub(crate) fn serve_forever(self) -> io::Result<()> {
            loop {
                let (request, client) = self.listener.accept()?;
                let handler = self.handler.clone();
                thread::spawn(move || {
                    if let Err(error) = handler.handle(request, client) {
                        eprintln!("{client}: {error}");
                    }
                });
            }
        }
    }
}

#[derive(Default)]
struct MyServer {
    requests: AtomicUsize,
}

impl RequestHandler for MyServer {
    fn handle(&self, request: TcpStream, _client: SocketAddr) -> io::Result<()> {
        for line in BufReader::new(&request).lines() {
            self.requests.fetch_add(1, Relaxed);
            writeln!(&request, "{}", line?.to_uppercase())?;
        }
        Ok(())
    }
}

const CLIENTS: usize = 200;

/// Asks, waits until all others are there as well, and asks again.
fn client(server: SocketAddr, n: usize, all: &Barrier) -> io::Result<usize> {
    let stream = TcpStream::connect(server)?;
    let mut answers = BufReader::new(&stream);
    let mut right = 0;
    for question in ["hello", "bye"] {
        writeln!(&stream, "{question} {n}")?;
        let mut answer = String::new();
        answers.read_line(&mut answer)?;
        right += usize::from(answer == format!("{question} {n}\n").to_uppercase());
        all.wait();
    }
    Ok(right)
}

/// How many OS threads this process has.
fn os_threads() -> io::Result<usize> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().nth(1).as_deref() != Some("--os-threads") {
        greenroom::patch_all()?; // the one line
    }
    let server = ThreadingTcpServer::new("127.0.0.1:0", MyServer::default())?;
    let address = server.server_address()?;
    thread::spawn(|| server.serve_forever());

    let all = Arc::new(Barrier::new(CLIENTS + 1));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let all = all.clone();
            thread::spawn(move || client(address, n, &all))
        })
        .collect();
    all.wait(); // now all are connected
    let threads = os_threads()?;
    all.wait();
    let mut right = 0;
    for client in clients {
        right += client.join().expect("no panic")?;
    }
    println!("{CLIENTS} clients at once, {right} right answers");
    println!("OS threads: {threads}");
    Ok(())
}
