//! `greenroom::net` looks names up without holding the worker, with nothing
//! patched: a resolver of our own in front of libc's is slow.

mod common;

use common::in_child;
use greenroom::net::{ToSocketAddrs, UdpSocket};
use greenroom::spawn;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long each lookup takes.
const TAKES: Duration = Duration::from_secs(1);

/// Builds the resolver; its path.
fn resolver() -> String {
    // Both modes may be tested at a time.
    let mode = std::env::var("GREENROOM_THREAD_LOCALS").unwrap_or_default();
    let to = format!("{}/explicit-{mode}.so", env!("CARGO_TARGET_TMPDIR"));
    let from = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dns/slow.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o", &to, from, "-ldl"]).status();
    assert!(built.unwrap().success());
    to
}

fn look_up(n: usize) -> String {
    let found: Vec<_> = match n % 4 {
        0 => ("slow.test", 80).to_socket_addrs().unwrap().collect(),
        1 => (String::from("slow.test"), 80).to_socket_addrs().unwrap().collect(),
        2 => "slow.test:80".to_socket_addrs().unwrap().collect(),
        _ => String::from("slow.test:80").to_socket_addrs().unwrap().collect(),
    };
    format!("{found:?}")
}

#[test]
fn lookups_wait_together() {
    let path = resolver();
    in_child(&[("LD_PRELOAD", &path), ("GREENROOM_WORKERS", "1")], || {
        let start = Instant::now();
        let lookups: Vec<_> = (0..40).map(|n| spawn(move || look_up(n))).collect();
        let others = spawn(|| (0..20).for_each(|_| greenroom::sleep(Duration::from_millis(1))));
        // A socket that is told a name looks it up the same way. Whether there
        // is a way to that address does not matter.
        let socket = spawn(|| {
            let start = Instant::now();
            let _ = UdpSocket::bind("127.0.0.1:0").unwrap().connect("slow.test:80");
            start.elapsed()
        });
        others.join().unwrap();
        assert!(lookups.iter().any(|lookup| !lookup.is_finished()));
        for lookup in lookups {
            assert_eq!(lookup.join().unwrap(), "[10.1.2.3:80]");
        }
        let took = start.elapsed();
        assert!((TAKES..TAKES * 10).contains(&took), "{took:?}, of 40 s one after the other");
        assert!(socket.join().unwrap() >= TAKES);
    })
    .assert_success();
}
