//! Limits on the time that something may take, one inside the other.
//!
//! gevent's `Timeout`. The code inside is ordinary blocking code, and knows nothing of it: a
//! blocked call of std's fails with `TimedOut`, what waits in greenroom unwinds.
//!
//! ```sh
//! cargo run --example give_up_in_time
//! ```

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use greenroom::{Elapsed, patch_all, spawn, timeout, uncancellable};

const SOON: Duration = Duration::from_millis(50);
const LATE: Duration = Duration::from_secs(3600);

/// Answers after as many milliseconds as it is asked to.
fn slow_server() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    spawn(move || {
        for mut stream in listener.incoming().flatten() {
            spawn(move || {
                let mut delay = [0; 4];
                stream.read_exact(&mut delay)?;
                thread::sleep(Duration::from_millis(u32::from_be_bytes(delay).into()));
                stream.write_all(b"done")
            });
        }
    });
    Ok(address)
}

fn ask(server: SocketAddr, delay: u32) -> io::Result<String> {
    let mut stream = TcpStream::connect(server)?;
    stream.write_all(&delay.to_be_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Each request gets `SOON`, all together `limit`.
fn ask_in_turn(
    server: SocketAddr,
    delays: &[u32],
    limit: Duration,
) -> Result<Vec<String>, Elapsed> {
    let mut log = Vec::new();
    let all = timeout(limit, || {
        for delay in delays {
            log.push(match timeout(SOON, || ask(server, *delay)) {
                Ok(Ok(answer)) => format!("{delay} ms: {answer}"),
                Ok(Err(error)) => format!("{delay} ms: {error}"),
                Err(late) => format!("{delay} ms: {late}"),
            });
        }
    });
    all.map(|()| log)
}

fn run() -> Result<Vec<String>, Box<dyn Error>> {
    let server = slow_server()?;
    let mut log = ask_in_turn(server, &[0, 3_600_000, 1], 500 * SOON)?;
    // A thousand that are too slow: the limit around all of them ends it.
    let all_late = [3_600_000; 1000];
    log.push(format!("all: {}", ask_in_turn(server, &all_late, 5 * SOON).unwrap_err()));
    // What the call itself sees, and clean-up that must not be cut short.
    let seen = timeout(SOON, || {
        let error = ask(server, 3_600_000).unwrap_err();
        uncancellable(|| thread::sleep(SOON / 5));
        log.push(format!("the call sees {:?}", error.kind()));
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
    log.push(format!("its caller sees: {}", seen.unwrap_err()));
    let slept = timeout(SOON, || thread::sleep(LATE));
    log.push(format!("a sleep: {}", slept.unwrap_err()));
    Ok(log)
}

fn main() -> Result<(), Box<dyn Error>> {
    patch_all()?;
    let log = spawn(|| run().map_err(|e| e.to_string())).join()??;
    log.iter().for_each(|line| println!("{line}"));
    Ok(())
}

#[test]
fn each_is_late_in_its_own_way() {
    patch_all().unwrap();
    let log = spawn(|| run().unwrap()).join().unwrap();
    let expected = [
        "0 ms: done",
        "3600000 ms: not done within 50ms",
        "1 ms: done",
        "all: not done within 250ms",
        "the call sees TimedOut",
        "its caller sees: not done within 50ms",
        "a sleep: not done within 50ms",
    ];
    // On a machine that is busy enough, also quick ones are late.
    let late = |line: &str, expected: &str| {
        line == expected || line == expected.replace("done", "not done within 50ms")
    };
    assert_eq!(log.len(), expected.len());
    assert!(log.iter().zip(expected).all(|(line, expected)| late(line, expected)), "{log:#?}");
}
