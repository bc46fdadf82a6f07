//! `DatagramServer`: handlers, limits, stopping.

#[macro_use]
#[path = "common/servers.rs"]
mod servers;
mod common;

use common::{in_child, until};
use greenroom::net::{UdpSocket, UnixDatagram};
use greenroom::server::DatagramServer;
use servers::open_fds;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn each_datagram_has_its_handler() {
    fn deed() {
        greenroom::spawn(|| ()).join().unwrap();
        let before = open_fds();
        let server = DatagramServer::bind("127.0.0.1:0", |datagram| {
            if datagram.data().len() > 4 {
                greenroom::sleep(Duration::from_millis(5)); // others overtake it
            }
            let text = [datagram.data(), b" for ", datagram.peer().to_string().as_bytes()].concat();
            datagram.reply(&text).unwrap();
        });
        let server = server.unwrap();
        let address = server.local_addr().unwrap();
        server.start().unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let me = client.local_addr().unwrap();
        let big = "x".repeat(20_000);
        let texts = ["one", "", "three", &big];
        texts.iter().for_each(|text| {
            client.send_to(text.as_bytes(), address).unwrap();
        });
        let mut buf = vec![0; 65536];
        let answers = (0..4).map(|_| {
            let (n, from) = client.recv_from(&mut buf).unwrap();
            assert_eq!(from, address);
            String::from_utf8(buf[..n].to_vec()).unwrap()
        });
        let answers: BTreeSet<_> = answers.collect();
        assert_eq!(answers, texts.iter().map(|text| format!("{text} for {me}")).collect());
        let stopped = server.stop(MINUTE);
        assert_eq!((stopped.ended, stopped.left, server.handlers()), (0, 0, 0));
        drop(client);
        assert_eq!(open_fds(), before);
        assert!(server.start().is_err());
        assert_eq!(server.local_addr().unwrap(), address);
    }
    everywhere!(deed());
}

#[test]
fn what_came_before_a_stop_is_handled_and_no_more_at_once_than_said() {
    fn deed() {
        let counts = Arc::new([const { AtomicUsize::new(0) }; 3]);
        let theirs = counts.clone();
        let server = DatagramServer::bind("127.0.0.1:0", move |datagram| {
            let [running, most, all] = &*theirs;
            most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
            greenroom::sleep(Duration::from_micros(100));
            running.fetch_sub(1, SeqCst);
            all.fetch_add(datagram.into_data().len(), SeqCst);
        });
        let server = server.unwrap().max_handlers(5);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        (0..60).for_each(|_| assert_eq!(client.send(b"1").unwrap(), 1));
        server.start().unwrap();
        until(|| counts[2].load(SeqCst) >= 57); // the last find room in a stop, too
        assert_eq!(server.stop(MINUTE).ended, 0);
        assert_eq!(counts[2].load(SeqCst), 60);
        assert!((1..=5).contains(&counts[1].load(SeqCst)));
        assert_eq!(counts[0].load(SeqCst), 0);
    }
    everywhere!(deed());
}

#[test]
fn a_panic_is_one_datagrams() {
    let ended = in_child(&[("GREENROOM_WORKERS", "1")], || {
        let server = DatagramServer::bind("127.0.0.1:0", |datagram| {
            assert_ne!(datagram.data(), b"bad", "the handler's own");
            datagram.reply(b"good")
        });
        let server = Arc::new(server.unwrap());
        let theirs = server.clone();
        let forever = greenroom::spawn(move || theirs.serve_forever());
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        client.send(b"bad").unwrap();
        client.send(b"fine").unwrap();
        assert_eq!(client.recv(&mut [0; 8]).unwrap(), 4);
        assert_eq!(server.stop(MINUTE).ended, 0);
        forever.join().unwrap().unwrap();
    });
    ended.assert_success();
    ended.assert_says("the handler's own", 1);
}

#[test]
fn unix_datagrams() {
    fn deed() {
        let id = greenroom::current().map_or(0, |green| green.id());
        let path = |what: &str| {
            std::env::temp_dir().join(format!("greenroom-{what}-{}-{id}", std::process::id()))
        };
        let (ours, theirs) = (path("mailbox"), path("sender"));
        let reply = |datagram: greenroom::server::Datagram<UnixDatagram>| {
            let length = datagram.data().len().to_string();
            datagram.reply(length.as_bytes()).map_err(|e| e.kind())
        };
        let server = DatagramServer::bind_unix(&ours, reply).unwrap();
        server.start().unwrap();
        let client = UnixDatagram::bind(&theirs).unwrap();
        let mut buf = [0; 8];
        for length in [0, 1, 100_000] {
            client.send_to(&vec![7; length], &ours).unwrap();
            let (n, from) = client.recv_from(&mut buf).unwrap();
            assert_eq!(buf[..n], *length.to_string().as_bytes());
            assert_eq!(from.as_pathname(), Some(&*ours));
        }
        server.stop(MINUTE);
        assert_eq!(client.send_to(b"x", &ours).unwrap_err().kind(), ErrorKind::NotFound);
        std::fs::remove_file(&theirs).unwrap();
    }
    everywhere!(deed());
}
