//! `greenroom::net`, `io` and `process` on several workers, with nothing patched.

mod common_net;

use common_net::{all_done, done, unpatched};
use greenroom::io::{pipe, wait_readable};
use greenroom::net::{TcpListener, TcpStream, UnixStream};
use greenroom::process::Command;
use std::io::{Read, Write};
use std::sync::Arc;

/// Several accept on one listener, by number and by clone; who comes is served
/// by any, and each number is used again at once, on whatever worker.
#[test]
fn short_conversations() {
    unpatched(4);
    const ROUNDS: usize = 50;
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    let serve = |listener: Arc<TcpListener>| {
        greenroom::spawn(move || {
            let mut served = 0;
            loop {
                let (mut stream, _) = listener.accept().unwrap();
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                if byte[0] == 255 {
                    return served;
                }
                stream.write_all(&byte).unwrap();
                served += 1;
            }
        })
    };
    let clone = Arc::new(listener.try_clone().unwrap());
    let servers: Vec<_> =
        [&listener, &clone, &listener, &clone].into_iter().cloned().map(serve).collect();
    let talk = move |byte| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&[byte]).unwrap();
        let mut echo = Vec::new();
        stream.read_to_end(&mut echo).unwrap();
        echo
    };
    let clients = (0..40u8)
        .map(|n| greenroom::spawn(move || (0..ROUNDS).for_each(|_| assert_eq!(talk(n), [n]))));
    all_done(clients);
    // Each takes one word to end.
    let stops: Vec<_> = servers.iter().map(|_| greenroom::spawn(move || talk(255))).collect();
    let served: usize = all_done(servers).into_iter().sum();
    assert_eq!(served, 40 * ROUNDS);
    assert!(all_done(stops).iter().all(Vec::is_empty));
}

/// Written on one worker, read on another, given to std and taken back.
#[test]
fn from_hand_to_hand() {
    unpatched(4);
    let pairs = (0..40).map(|n| {
        let (mut here, there) = UnixStream::pair().unwrap();
        let (mut reader, mut writer) = pipe().unwrap();
        let writing = greenroom::spawn(move || {
            for byte in 0..100 {
                here.write_all(&[byte]).unwrap();
                here = std::os::unix::net::UnixStream::from(here).into();
                writer.write_all(&[byte]).unwrap();
            }
        });
        let reading = greenroom::spawn(move || {
            let mut there = there;
            for byte in 0..100 {
                let mut got = [0];
                there.read_exact(&mut got).unwrap();
                assert_eq!(got, [byte], "pair {n}");
                there = std::os::unix::net::UnixStream::from(there).into();
                assert!(wait_readable(&reader, None).unwrap());
                reader.read_exact(&mut got).unwrap();
                assert_eq!(got, [byte], "pipe {n}");
            }
        });
        [writing, reading]
    });
    all_done(pairs.flatten().collect::<Vec<_>>());
}

#[test]
fn children_everywhere() {
    unpatched(4);
    let children = (0..40).map(|n: i32| {
        greenroom::spawn(move || {
            let output = Command::new("sh").args(["-c", &format!("exit {n}")]).output().unwrap();
            assert_eq!(output.status.code(), Some(n));
        })
    });
    children.collect::<Vec<_>>().into_iter().for_each(done);
}
