//! Accepting when the process has no descriptors left: an error to the caller,
//! no spinning, and all well again when some are free.

#[macro_use]
mod common_net;

use common_net::{all_done, done, green, ms, patched};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

const CHILD: &str = "GREENROOM_ACCEPT_CHILD";

/// The limit is the whole process's, so another one runs into it.
#[test]
fn no_descriptors_left() {
    if std::env::var_os(CHILD).is_some() {
        return run_out();
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "no_descriptors_left", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}

fn limit(soft: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    assert_eq!(c!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit)), 0);
    limit.rlim_cur = soft;
    assert_eq!(c!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit)), 0);
}

fn run_out() {
    patched(1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut clients: Vec<_> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
    green(|| ()); // the runtime has what it needs
    let free = c!(libc::dup(0));
    assert_eq!(c!(libc::close(free as i32)), 0);
    limit(free as u64 + 3); // three more
    let (errors, others) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (failed, start) = (errors.clone(), Instant::now());
    let server = greenroom::spawn(move || {
        let mut accepted = Vec::new();
        while accepted.len() < 20 {
            match listener.accept() {
                Ok((stream, _)) => accepted.push(stream),
                Err(e) => {
                    assert_eq!(e.raw_os_error(), Some(libc::EMFILE));
                    failed.fetch_add(1, SeqCst);
                }
            }
        }
        accepted.iter_mut().for_each(|stream| stream.write_all(b"welcome").unwrap());
    });
    // The loop above just tries again, and yet others run and time passes.
    let turns = others.clone();
    green(move || {
        for _ in 0..100 {
            thread::sleep(ms(2));
            turns.fetch_add(1, SeqCst);
        }
    });
    assert_eq!(others.load(SeqCst), 100);
    let (count, took) = (errors.load(SeqCst), start.elapsed());
    assert!(count > 0 && u128::from(count) <= took.as_millis() + 10, "{count} in {took:?}");
    limit(1000);
    done(server);
    let readers = clients.drain(..).map(|mut client| {
        greenroom::spawn(move || {
            let mut all = String::new();
            client.read_to_string(&mut all).unwrap();
            all
        })
    });
    assert!(all_done(readers).iter().all(|got| got == "welcome"));
}
