//! Thirty thousand short connections on two workers, each accepted into a
//! fresh green thread, closed by either side at any point: nothing is lost,
//! nothing is mixed up, nothing leaks.

#[macro_use]
mod common_net;

use common_net::{all_done, done, open_fds, patched};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

const CLIENTS: u32 = 60;
const EACH: u32 = 500;

/// A number after `n` that looks like chance.
fn mix(n: u32) -> u32 {
    let n = (n ^ (n >> 15)).wrapping_mul(0x2c1b_3c6d);
    (n ^ (n >> 12)).wrapping_mul(0x297a_2d39) >> 7
}

/// The request says what both sides are to do.
fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = [0; 4];
    stream.read_exact(&mut request)?;
    match mix(u32::from_be_bytes(request)) % 8 {
        0 => return Ok(()), // no answer
        1 => common_net::c::set_reset(stream.as_raw_fd()),
        2 => stream.shutdown(Shutdown::Read)?,
        _ => {}
    }
    stream.write_all(&request)?;
    stream.shutdown(Shutdown::Write)?;
    // Until the client is done, or gone.
    let _ = stream.read(&mut [0; 8]);
    Ok(())
}

/// Whether the answer came; it must be the right one.
fn ask(to: SocketAddr, id: u32) -> bool {
    let mut stream = TcpStream::connect(to).unwrap();
    if mix(id + 1).is_multiple_of(16) {
        return false; // without a word
    }
    if stream.write_all(&id.to_be_bytes()).is_err() {
        return false;
    }
    if mix(id + 2).is_multiple_of(16) {
        return false; // without listening
    }
    let mut answer = [0; 8];
    match stream.read(&mut answer) {
        Ok(4) => {
            assert_eq!(answer[..4], id.to_be_bytes());
            true
        }
        Ok(0) | Err(_) => false,
        Ok(n) => panic!("{n} bytes"),
    }
}

#[test]
fn thirty_thousand_short_connections() {
    patched(2);
    greenroom::spawn(|| ()).join().unwrap();
    let before = open_fds();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let alive = Arc::new(AtomicU32::new(0));
    let serving = alive.clone();
    let server = greenroom::spawn(move || {
        for _ in 0..CLIENTS * EACH {
            let (stream, _) = listener.accept().unwrap();
            let serving = serving.clone();
            serving.fetch_add(1, SeqCst);
            greenroom::spawn(move || {
                let _ = serve(stream);
                serving.fetch_sub(1, SeqCst);
            });
        }
    });
    let clients = (0..CLIENTS).map(|client| {
        greenroom::spawn(move || (0..EACH).filter(|i| ask(address, client * EACH + i)).count())
    });
    let answers: usize = all_done(clients).into_iter().sum();
    done(server);
    common_net::until(|| alive.load(SeqCst) == 0);
    let (all, least) = ((CLIENTS * EACH) as usize, (CLIENTS * EACH / 2) as usize);
    assert!((least..all).contains(&answers), "{answers}");
    assert_eq!(open_fds(), before);
}
