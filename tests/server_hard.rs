//! A server in trouble: no descriptors left, readers that do not read, peers
//! that reset, and a stop in the middle of it all. In all of it: what was
//! answered arrives, and after the stop nothing is left open.

mod common;
#[path = "server_hard/clients.rs"]
mod clients;
#[path = "common/fds.rs"]
mod fds;
#[path = "server_hard/server.rs"]
mod server;

use clients::{Answers, Client, all, come_and_go, crowd, insist};
use common::{in_child, until};
use server::{BIG, Server, serve_if_asked};
use std::collections::HashMap;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};

/// Runs the second part in a child, and the server in a child of that.
macro_rules! against_a_server {
    ($test:ident, $limit:expr, $deed:expr) => {
        if serve_if_asked() {
            return;
        }
        in_child(&[("GREENROOM_WORKERS", "2")], || {
            let deed: fn(Server) = $deed;
            deed(Server::start(stringify!($test), $limit));
        })
        .assert_success();
    };
}

/// The server has closed everything, and all that it answered has arrived.
#[track_caller]
fn assert_clean(report: &HashMap<String, usize>, answers: &Answers) {
    assert_eq!(report["left"], 0, "{report:?}");
    assert_eq!(report["after"], report["before"], "{report:?}");
    assert_eq!(report["answered"], answers.load(SeqCst), "{report:?}");
}

#[test]
fn thousands_with_descriptors_for_a_hundred() {
    const CLIENTS: usize = 3000;
    against_a_server!(thousands_with_descriptors_for_a_hundred, 100, |mut server| {
        let (address, answers) = (server.address, Answers::default());
        // All are connected before the first one asks: so the server has run
        // out of descriptors, and the others wait in the kernel.
        let connected = all(crowd(CLIENTS, move |_| Client::connect(address).unwrap()));
        server.until_connections(50);
        let places = connected.into_iter().map(|client| {
            let answers = answers.clone();
            greenroom::spawn(move || {
                let mut client = client;
                client.ask("hello").unwrap().unwrap();
                answers.fetch_add(1, SeqCst);
            })
        });
        all(places.collect());
        let report = server.stop(60_000);
        assert_eq!((answers.load(SeqCst), report["ended"]), (CLIENTS, 0));
        assert!((50..100).contains(&report["peak"]), "{report:?}");
        assert_clean(&report, &answers);
    });
}

#[test]
fn slow_readers_delay_nobody_and_get_all() {
    against_a_server!(slow_readers_delay_nobody_and_get_all, 1000, |server| {
        let (address, answers) = (server.address, Answers::default());
        let slow = all(crowd(40, move |_| {
            let mut client = Client::connect(address).unwrap();
            client.some_of_big().unwrap();
            client
        }));
        let others = answers.clone();
        all(crowd(200, move |_| {
            Client::connect(address).unwrap().ask("quick").unwrap().unwrap();
            others.fetch_add(1, SeqCst);
        }));
        // They read on while the server stops, and are waited for.
        // On an OS thread, for it waits for the process by std.
        let stopping = std::thread::spawn(move || server.stop(80_000));
        until(|| Client::connect(address).is_err());
        let reading = slow.into_iter().map(|client| greenroom::spawn(|| client.drain()));
        for read in all(reading.collect()) {
            assert_eq!(read.unwrap(), BIG as u64 - 100);
            answers.fetch_add(1, SeqCst);
        }
        let report = stopping.join().unwrap();
        assert_eq!((report["ended"], report["broken"]), (0, 0), "{report:?}");
        assert_clean(&report, &answers);
    });
}

#[test]
fn resets_in_mid_write_harm_nobody() {
    against_a_server!(resets_in_mid_write_harm_nobody, 1000, |server| {
        let (address, answers) = (server.address, Answers::default());
        let theirs = answers.clone();
        all(crowd(300, move |n| {
            let mut client = Client::connect(address).unwrap();
            if n % 3 == 0 {
                client.ask("hello").unwrap().unwrap();
                theirs.fetch_add(1, SeqCst);
            } else {
                client.some_of_big().unwrap();
                client.reset();
            }
        }));
        let report = server.stop(60_000);
        assert_eq!((report["ended"], report["broken"]), (0, 200), "{report:?}");
        assert_clean(&report, &answers);
    });
}

#[test]
fn a_stop_in_mid_load_loses_no_answer() {
    against_a_server!(a_stop_in_mid_load_loses_no_answer, 1000, |server| {
        let (address, answers) = (server.address, Answers::default());
        let (here, there) = (answers.clone(), answers.clone());
        // All of these are being served before the stop.
        let connected = all(crowd(50, move |_| {
            let mut client = Client::connect(address).unwrap();
            client.ask("hello").unwrap().unwrap();
            client
        }));
        answers.fetch_add(50, SeqCst);
        let connected = Arc::new(Mutex::new(connected));
        let mut load = crowd(50, move |_| {
            let client = connected.lock().unwrap().pop().unwrap();
            insist(client, &here)
        });
        load.extend(crowd(50, move |_| come_and_go(address, &there)));
        until(|| answers.load(SeqCst) > 500);
        let report = server.stop(50);
        all(load);
        assert!(report["ended"] >= 50, "{report:?}");
        assert_clean(&report, &answers);
    });
}

/// Ten thousand connections, or as many as the system lets one process have:
/// more than the server has descriptors for, among them slow readers and some
/// that reset; and a stop while the others go on asking.
#[test]
fn ten_thousand_connections() {
    against_a_server!(ten_thousand_connections, most() as u64 - 500, |mut server| {
        let (address, answers) = (server.address, Answers::default());
        let (slow, resets) = (100, 600);
        let talking = most() - slow - resets;
        let slow = all(crowd(slow, move |_| {
            let mut client = Client::connect(address).unwrap();
            client.some_of_big().unwrap();
            client
        }));
        let odd = all(crowd(resets, move |_| {
            let mut client = Client::connect(address).unwrap();
            client.some_of_big().unwrap();
            client
        }));
        let (theirs, served) = (answers.clone(), Answers::default());
        let first = served.clone();
        let load = crowd(talking, move |_| {
            let mut client = Client::connect(address).unwrap();
            client.ask("first").unwrap().unwrap();
            first.fetch_add(1, SeqCst);
            theirs.fetch_add(1, SeqCst);
            insist(client, &theirs);
        });
        server.until_connections(most() - 600);
        assert!(served.load(SeqCst) < talking, "it has no descriptors for all of them");
        odd.into_iter().for_each(Client::reset);
        // Those who had waited in the kernel are served in their place.
        until(|| served.load(SeqCst) == talking);
        let report = server.stop(100);
        all(load);
        drop(slow);
        assert!(report["peak"] >= most() - 600, "{report:?}");
        assert!(report["broken"] >= resets + 100, "{report:?}");
        assert_clean(&report, &answers);
    });
}

/// How many connections, with some descriptors to spare.
fn most() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes the structure.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) }, 0);
    (limit.rlim_max as usize).saturating_sub(200).clamp(1500, 10_000)
}
