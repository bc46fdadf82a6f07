//! Plain `std::net` TCP on one worker: many at once, and every byte of them.

#[macro_use]
mod common_net;

use common_net::{
    all_done, alone, done, echo, green, ms, os_thread, patched, pattern, settle, tcp_pair, timed,
};
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::thread;

/// What 200 clients were answered by a server that takes 200 ms over each.
fn answers_of_a_slow_server() -> Vec<bool> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = greenroom::spawn(move || {
        all_done((0..200).map(|_| {
            let (mut stream, _) = listener.accept().unwrap();
            greenroom::spawn(move || {
                let mut question = [0; 4];
                stream.read_exact(&mut question).unwrap();
                thread::sleep(ms(200));
                stream.write_all(&question).unwrap();
            })
        }));
    });
    let clients = (0..200u32).map(|i| {
        greenroom::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&i.to_be_bytes()).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            answer == i.to_be_bytes()
        })
    });
    let answers = all_done(clients);
    done(server);
    answers
}

#[test]
fn clients_of_a_slow_server_wait_together() {
    patched(1);
    let _alone = alone();
    // A machine with more to do may hold one round up.
    let waited_together = (0..5).any(|_| {
        let (took, answers) = timed(|| green(answers_of_a_slow_server));
        assert!(answers.len() == 200 && answers.iter().all(|right| *right));
        assert!(took >= ms(200), "{took:?}");
        took < ms(1500)
    });
    assert!(waited_together, "they waited one after the other");
}

#[test]
fn echo_of_every_size() {
    patched(1);
    green(|| {
        let (mut here, there) = tcp_pair();
        let server = greenroom::spawn(move || echo(there).unwrap());
        for (i, len) in [1, 2, 100, 4095, 4096, 4097, 20_000, 100_000].into_iter().enumerate() {
            let sent = pattern(len, i);
            let mut writer = here.try_clone().unwrap();
            let copy = sent.clone();
            let writing = greenroom::spawn(move || writer.write_all(&copy).unwrap());
            let mut got = vec![0; len];
            here.read_exact(&mut got).unwrap();
            assert!(got == sent, "{len}");
            done(writing);
        }
        here.shutdown(Shutdown::Write).unwrap();
        assert_eq!(here.read(&mut [0; 8]).unwrap(), 0);
        assert!(done(server) > 8);
    });
}

#[test]
fn a_slow_reader_gets_all_of_a_long_write() {
    patched(1);
    const LEN: usize = 8 << 20;
    green(|| {
        let (mut here, mut there) = tcp_pair();
        let blocked = Arc::new(AtomicBool::new(true));
        let written = blocked.clone();
        let writer = greenroom::spawn(move || {
            let bytes = pattern(LEN, 7);
            // One call, as C's `write`: all of it, or an error.
            assert_eq!(here.write(&bytes).unwrap(), LEN);
            written.store(false, SeqCst);
        });
        settle();
        assert!(blocked.load(SeqCst));
        let mut got = Vec::new();
        let mut buf = vec![0; 100_000];
        while got.len() < LEN {
            let n = there.read(&mut buf).unwrap();
            assert!(n > 0);
            got.extend_from_slice(&buf[..n]);
            thread::yield_now();
        }
        done(writer);
        assert!(got == pattern(LEN, 7));
    });
}

#[test]
fn vectored_transfers() {
    patched(1);
    green(|| {
        let (mut here, mut there) = tcp_pair();
        let bytes = pattern(3_000_000, 3);
        let copy = bytes.clone();
        let writer = greenroom::spawn(move || {
            let (a, rest) = copy.split_at(10);
            let (b, c) = rest.split_at(1_500_000);
            let parts = [a, &[], b, c].map(IoSlice::new);
            assert_eq!(here.write_vectored(&parts).unwrap(), copy.len());
        });
        let mut got = Vec::new();
        while got.len() < bytes.len() {
            let (mut a, mut b) = ([0; 3], [0; 70_000]);
            let n = there
                .read_vectored(&mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)])
                .unwrap();
            assert!(n > 0);
            got.extend_from_slice(&a[..n.min(3)]);
            got.extend_from_slice(&b[..n.saturating_sub(3)]);
        }
        assert!(got == bytes);
        done(writer);
    });
}

#[test]
fn peeking_takes_nothing() {
    patched(1);
    green(|| {
        let (mut here, mut there) = tcp_pair();
        let reader = greenroom::spawn(move || {
            let mut buf = [0; 16];
            for _ in 0..3 {
                assert_eq!(there.peek(&mut buf).unwrap(), 5); // waits the first time
            }
            assert_eq!(there.read(&mut buf[..2]).unwrap(), 2);
            assert_eq!(there.peek(&mut buf).unwrap(), 3);
            assert_eq!(there.read(&mut buf).unwrap(), 3);
            assert_eq!(&buf[..3], b"llo");
            there.peek(&mut buf).unwrap()
        });
        settle();
        here.write_all(b"hello").unwrap();
        settle();
        here.write_all(b"!").unwrap();
        assert_eq!(done(reader), 1);
    });
}

/// The end comes with the last bytes, before, between or after the reads of
/// one who has waited on this stream before.
#[test]
fn the_end_right_after_data_is_not_missed() {
    patched(1);
    green(|| {
        for round in 0..300 {
            let (mut here, mut there) = tcp_pair();
            let writer = greenroom::spawn(move || {
                thread::yield_now();
                here.write_all(b"first").unwrap();
                (0..round % 4).for_each(|_| thread::yield_now());
                here.write_all(b"second").unwrap();
                if round % 3 == 0 {
                    here.shutdown(Shutdown::Write).unwrap();
                    thread::yield_now();
                }
            });
            let mut all = Vec::new();
            let mut buf = [0; 4096];
            loop {
                match there.read(&mut buf).unwrap() {
                    0 => break,
                    n => all.extend_from_slice(&buf[..n]),
                }
            }
            assert_eq!(all, b"firstsecond");
            assert_eq!(there.read(&mut buf).unwrap(), 0);
            done(writer);
        }
    });
}

/// As above, with an OS thread at the other end, so that it comes at any time.
#[test]
fn the_end_from_elsewhere_is_not_missed() {
    patched(1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = os_thread(move || {
        for i in 0..1000 {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&pattern(1 + i % 50, i)).unwrap();
            (0..i % 7 * 100).for_each(|_| std::hint::spin_loop());
            stream.write_all(&pattern(1 + i % 30, i)).unwrap();
        }
    });
    green(move || {
        for i in 0..1000 {
            let mut stream = TcpStream::connect(address).unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            assert_eq!(all, [pattern(1 + i % 50, i), pattern(1 + i % 30, i)].concat());
        }
    });
    common_net::os_done(peer);
}

#[test]
fn shutting_down_wakes_those_who_wait() {
    patched(1);
    green(|| {
        let (here, there) = tcp_pair();
        let mut reader = here.try_clone().unwrap();
        let reading = greenroom::spawn(move || reader.read(&mut [0; 8]).unwrap());
        let mut writer = here.try_clone().unwrap();
        let writing = greenroom::spawn(move || writer.write_all(&vec![1; 64 << 20]));
        settle();
        here.shutdown(Shutdown::Read).unwrap();
        assert_eq!(done(reading), 0);
        here.shutdown(Shutdown::Write).unwrap();
        // A part went, and the rest cannot.
        assert_eq!(done(writing).unwrap_err().kind(), ErrorKind::BrokenPipe);
        drop(there);
    });
}

/// A peer that is always ready must not keep the others of its worker waiting.
#[test]
fn a_stream_without_end_leaves_others_their_turns() {
    patched(1);
    let stop = Arc::new(AtomicBool::new(false));
    let (mut source, mut sink) = tcp_pair();
    let stopped = stop.clone();
    let flood = os_thread(move || {
        let bytes = vec![0; 1 << 16];
        while !stopped.load(SeqCst) && source.write_all(&bytes).is_ok() {}
    });
    let (turns, counted) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (ticks, reads, over) = (turns.clone(), counted.clone(), stop.clone());
    let reader = greenroom::spawn(move || {
        let mut small = [0; 16]; // always filled: a read never waits
        while !over.load(SeqCst) && sink.read(&mut small).unwrap() > 0 {
            reads.fetch_add(1, SeqCst);
        }
    });
    let ticker = greenroom::spawn(move || {
        for _ in 0..20 {
            thread::sleep(ms(1));
            ticks.fetch_add(1, SeqCst);
        }
    });
    done(ticker);
    assert_eq!(turns.load(SeqCst), 20);
    common_net::until(|| counted.load(SeqCst) > 1000);
    stop.store(true, SeqCst);
    done(reader);
    common_net::os_done(flood);
}
