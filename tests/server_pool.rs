//! Servers whose handlers run in a pool that others use too.

#[macro_use]
#[path = "common/servers.rs"]
mod servers;
mod common;

use common::until;
use greenroom::Pool;
use greenroom::net::{TcpStream, UdpSocket};
use greenroom::server::{DatagramServer, StreamServer};
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(60);
const NOW: Duration = Duration::ZERO;

fn echo(stream: TcpStream, _: std::net::SocketAddr) -> io::Result<u64> {
    io::copy(&mut &stream, &mut &stream)
}

fn say(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"x")?;
    stream.read_exact(&mut [0])
}

#[test]
fn a_pool_that_is_full_is_waited_for() {
    fn deed() {
        let pool = Pool::new(2);
        let servers = [(); 2].map(|()| {
            let server = StreamServer::bind("127.0.0.1:0", echo).unwrap().pool(pool.clone());
            server.start().unwrap();
            server
        });
        let addresses = servers.each_ref().map(|server| server.local_addr().unwrap());
        let mut first = addresses.map(|address| TcpStream::connect(address).unwrap());
        first.iter_mut().for_each(|stream| say(stream).unwrap());
        assert_eq!((pool.free_count(), pool.len()), (0, 2));
        let mut next = addresses.map(|address| TcpStream::connect(address).unwrap());
        for stream in &mut next {
            stream.set_read_timeout(Some(SOON)).unwrap();
            assert_eq!(say(stream).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            stream.set_read_timeout(Some(MINUTE)).unwrap();
        }
        drop(first);
        next.iter_mut().for_each(|stream| stream.read_exact(&mut [0]).unwrap());
        // An acceptor that only tries counts for a moment.
        until(|| servers.each_ref().map(|server| server.connections()) == [1, 1]);
        drop(next);
        for server in servers {
            assert_eq!(server.stop(MINUTE).ended, 0);
        }
        until(|| pool.is_empty());
        pool.join().unwrap();
    }
    everywhere!(deed());
}

/// The places are taken by others, who do not go: a stop does not need one.
#[test]
fn a_stop_while_the_pool_is_full() {
    fn deed() {
        let pool = Pool::new(1);
        let server = StreamServer::bind("127.0.0.1:0", echo).unwrap().pool(pool.clone());
        let other = pool.spawn(greenroom::park);
        server.start().unwrap();
        let mut waiting = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        greenroom::sleep(Duration::from_millis(5));
        let start = Instant::now();
        let stopped = server.stop(MINUTE);
        assert_eq!((stopped.ended, stopped.left), (0, 0));
        assert!(start.elapsed() < MINUTE);
        assert!(waiting.read(&mut [0]).is_err(), "it was never accepted");
        other.thread().unpark();
        other.join().unwrap();
    }
    everywhere!(deed());
}

#[test]
fn killing_the_pool_ends_its_handlers_alone() {
    fn deed() {
        let pool = Pool::new(10);
        let server = StreamServer::bind("127.0.0.1:0", echo).unwrap().pool(pool.clone());
        server.start().unwrap();
        let connect = || {
            let mut stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
            say(&mut stream).map(|()| stream)
        };
        let mut stream = connect().unwrap();
        pool.kill();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        until(|| server.connections() == 0);
        let stream = connect().unwrap();
        pool.close();
        assert!(connect().is_err(), "hung up on");
        until(|| server.connections() == 1);
        drop(stream);
        assert_eq!(server.stop(MINUTE).ended, 0);
    }
    everywhere!(deed());
}

#[test]
fn datagrams_in_a_pool() {
    fn deed() {
        let pool = Pool::new(3);
        let inner = pool.clone();
        let server = DatagramServer::bind("127.0.0.1:0", move |datagram| {
            assert!(inner.len() <= 3);
            greenroom::sleep(Duration::from_millis(1));
            datagram.reply(datagram.data())
        });
        let server = server.unwrap().pool(pool.clone());
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        (0..20).for_each(|n| assert_eq!(client.send(&[n]).unwrap(), 1));
        server.start().unwrap();
        let mut got: Vec<u8> = (0..20)
            .map(|_| {
                let mut byte = [0];
                assert_eq!(client.recv(&mut byte).unwrap(), 1);
                byte[0]
            })
            .collect();
        got.sort_unstable();
        assert_eq!(got, Vec::from_iter(0..20));
        assert_eq!(server.stop(NOW).left, 0);
        pool.join().unwrap();
    }
    everywhere!(deed());
}
