//! Servers under whatever comes: handlers and clients do one of many things at
//! random, and stops come from everywhere at any time. In all of it, what was
//! answered arrives, and after the stops nothing is left open.

#[path = "common/servers.rs"]
mod servers;
mod common;

use common::{Random, in_child, until};
use greenroom::Pool;
use greenroom::net::{TcpStream, UdpSocket};
use greenroom::server::{DatagramServer, StreamServer};
use greenroom::sync::OnceLock;
use servers::open_fds;
use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn micros(random: &mut Random, most: u64) -> Duration {
    Duration::from_micros(random.below(most))
}

/// One server, and what has become of the requests to it.
#[derive(Default)]
struct World {
    server: OnceLock<StreamServer>,
    answered: Mutex<BTreeSet<String>>,
    arrived: Mutex<BTreeSet<String>>,
    /// Handlers that are to go on after a kill do so only until then.
    over: AtomicBool,
}

/// Answers a line by the same, and then does something odd.
fn handle(world: &World, stream: TcpStream) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    let mut random = Random::new(line.bytes().map(u64::from).sum());
    if random.below(3) == 0 {
        greenroom::sleep(micros(&mut random, 800));
    }
    (&stream).write_all(line.as_bytes())?;
    world.answered.lock().unwrap().insert(line.trim_end().to_owned());
    match random.below(12) {
        0 => panic!("a handler's own"),
        1 => greenroom::park(),
        2 => drop((&stream).write_all(&[b'\n'; 300_000])),
        3 => drop(greenroom::spawn(move || stream.peer_addr().is_ok())),
        4 => drop(std::net::TcpStream::from(stream)),
        5 => drop(world.server.get().map(|server| server.stop(micros(&mut random, 3000)))),
        6 => drop(stream.try_clone()?.read(&mut [0; 9])?),
        7 => {
            let _ = catch_unwind(AssertUnwindSafe(|| (&stream).read(&mut [0; 9]).is_ok()));
            until(|| world.over.load(SeqCst) || random.below(3) == 0);
        }
        8 => greenroom::timeout(micros(&mut random, 2000), greenroom::park).unwrap_or_default(),
        _ => {}
    }
    Ok(())
}

/// Asks once, and goes in one of several ways; at least some read the answer.
fn ask(world: &World, address: SocketAddr, name: String, random: &mut Random) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    let reads = random.below(4) != 0;
    writeln!(stream, "{name}")?;
    if random.below(4) == 0 {
        stream.write_all(b"more")?; // which nobody reads
    }
    if !reads {
        return match random.below(3) {
            0 => reset(&stream),
            1 => stream.shutdown(Shutdown::Both),
            _ => Ok(()),
        };
    }
    if random.below(3) == 0 {
        greenroom::sleep(micros(random, 2000));
    }
    let mut line = String::new();
    let read = BufReader::new(&stream).read_line(&mut line);
    match line.trim_end() == name {
        true => world.arrived.lock().unwrap().insert(name),
        false => world
            .answered
            .lock()
            .unwrap()
            .contains(&name)
            .then(|| panic!("{name}: {read:?}"))
            .is_some(),
    };
    Ok(())
}

fn reset(stream: &TcpStream) -> io::Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let (at, size) = ((&raw const linger).cast(), size_of_val(&linger) as u32);
    // SAFETY: a structure of that size.
    match unsafe {
        libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, at, size)
    } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// One life of a server.
fn life(mut random: Random) {
    greenroom::spawn(|| ()).join().unwrap();
    let before = open_fds();
    let world = Arc::new(World::default());
    let theirs = world.clone();
    let handler = move |stream: TcpStream, _: SocketAddr| handle(&theirs, stream);
    let mut server = match random.below(3) {
        0 => StreamServer::bind_per_worker("127.0.0.1:0", handler).unwrap(),
        _ => StreamServer::bind("127.0.0.1:0", handler).unwrap(),
    };
    if random.below(3) == 0 {
        server = server.max_connections(1 + random.below(6) as usize);
    }
    if random.below(4) == 0 {
        server = server.pool(Pool::new(1 + random.below(6) as usize));
    }
    if random.below(3) == 0 {
        server = server.end_input_on_stop();
    }
    let server = world.server.get_or_init(|| server);
    let address = server.local_addr().unwrap();
    if random.below(8) != 0 {
        server.start().unwrap();
    }
    let clients = (0..30).map(|n| {
        let (world, mut random) = (world.clone(), Random::new(random.below(1 << 30)));
        greenroom::spawn(move || {
            greenroom::sleep(micros(&mut random, 1500));
            drop(ask(&world, address, format!("client {n}"), &mut random));
        })
    });
    let clients: Vec<_> = clients.collect();
    let stoppers = (0..random.below(3)).map(|n| {
        let (world, mut random) = (world.clone(), Random::new(random.below(1 << 30)));
        let stop = move || {
            std::thread::sleep(micros(&mut random, if n == 0 { 500 } else { 3000 }));
            world.server.get().unwrap().stop(micros(&mut random, 4000));
        };
        std::thread::spawn(stop)
    });
    let stoppers: Vec<_> = stoppers.collect();
    std::thread::sleep(micros(&mut random, 4000));
    let stopped = server.stop(micros(&mut random, 4000));
    world.over.store(true, SeqCst);
    let again = server.stop(MINUTE);
    assert_eq!((again.left, server.connections()), (0, 0), "{stopped:?}");
    stoppers.into_iter().for_each(|stopper| stopper.join().unwrap());
    greenroom::joinall(clients).into_iter().for_each(|client| client.unwrap());
    until(|| open_fds() == before);
}

#[test]
fn connections() {
    for workers in ["1", "2"] {
        let ended = in_child(&[("GREENROOM_WORKERS", workers)], || {
            std::panic::set_hook(Box::new(|info| {
                let own = info.payload_as_str() == Some("a handler's own");
                (!own).then(|| eprintln!("{info}"));
            }));
            (0..80).for_each(|round| life(Random::new(round)));
        });
        ended.assert_success();
        ended.assert_says("panicked", 0);
    }
}

/// Of datagrams: none is handled twice or after the stop, and all sockets close.
#[test]
fn datagrams() {
    for workers in ["1", "2"] {
        in_child(&[("GREENROOM_WORKERS", workers)], || {
            greenroom::spawn(|| ()).join().unwrap();
            for round in 0..80 {
                let (before, mut random) = (open_fds(), Random::new(round));
                let handled = Arc::new(AtomicUsize::new(0));
                let (theirs, most) = (handled.clone(), random.below(4) as usize);
                let server = DatagramServer::bind("127.0.0.1:0", move |datagram| {
                    theirs.fetch_add(1, SeqCst);
                    let mut random =
                        Random::new(datagram.data().iter().copied().map(u64::from).sum());
                    match random.below(5) {
                        0 => greenroom::park(),
                        1 => drop(datagram.socket().recv_from(&mut [0; 8])),
                        2 => greenroom::sleep(micros(&mut random, 2000)),
                        _ => drop(datagram.reply(b"yes")),
                    }
                });
                let mut server = server.unwrap();
                if most > 0 {
                    server = server.max_handlers(most);
                }
                let client = UdpSocket::bind("127.0.0.1:0").unwrap();
                client.connect(server.local_addr().unwrap()).unwrap();
                server.start().unwrap();
                for n in 0..random.below(30) {
                    let _ = client.send(&[n as u8; 3]);
                }
                std::thread::sleep(micros(&mut random, 1000));
                server.stop(micros(&mut random, 2000));
                assert_eq!((server.stop(MINUTE).left, server.handlers()), (0, 0));
                let count = handled.load(SeqCst);
                drop(client);
                assert_eq!((open_fds(), handled.load(SeqCst)), (before, count));
            }
        })
        .assert_success();
    }
}
