//! 64 bytes there and back over loopback TCP: plain `std::net` on both sides,
//! patched, all on one worker; also with the monitor on.
//!
//! `cargo bench -p greenroom-bench --bench echo`

mod green;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use criterion::Criterion;
use green::{monitored, run, scaled};
use greenroom::{joinall, spawn};

const MESSAGE: [u8; 64] = [7; 64];

/// A green thread per connection that sends back what comes, for ever.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("its address");
    spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            stream.set_nodelay(true).expect("a TCP socket");
            spawn(move || {
                let mut buffer = [0; 1024];
                while let Ok(n @ 1..) = stream.read(&mut buffer) {
                    stream.write_all(&buffer[..n]).expect("the client reads");
                }
            });
        }
    });
    address
}

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("the server accepts");
    stream.set_nodelay(true).expect("a TCP socket");
    stream
}

fn exchange(mut stream: &TcpStream, rounds: u64) {
    let mut buffer = [0; 64];
    for _ in 0..rounds {
        stream.write_all(&MESSAGE).expect("the server reads");
        stream.read_exact(&mut buffer).expect("the server answers");
        assert_eq!(buffer, MESSAGE);
    }
}

/// `n` exchanges, shared by so many connections.
fn exchanges(server: SocketAddr, connections: u64, n: u64) -> Duration {
    let streams = (0..connections).map(|_| connect(server));
    // The first exchange of each is not measured: it accepts and registers.
    let streams = streams.inspect(|stream| exchange(stream, 1)).collect::<Vec<_>>();
    let rounds = n.div_ceil(connections);
    let start = Instant::now();
    let clients = streams.into_iter().map(|stream| spawn(move || exchange(&stream, rounds)));
    joinall(clients).into_iter().for_each(|one| one.expect("it got its own bytes"));
    scaled(start.elapsed(), n, rounds * connections)
}

fn echo(c: &mut Criterion) {
    let server = serve();
    let mut group = c.benchmark_group("echo");
    for connections in [1, 64] {
        group.bench_function(format!("round_trip/{connections}"), |b| {
            b.iter_custom(|n| exchanges(server, connections, n));
        });
    }
    let monitor = monitored();
    group.bench_function("round_trip/64/monitored", |b| {
        b.iter_custom(|n| exchanges(server, 64, n));
    });
    monitor.stop();
    group.finish();
}

fn main() {
    greenroom::patch_all().expect("this program can be patched");
    run(1, echo);
}
