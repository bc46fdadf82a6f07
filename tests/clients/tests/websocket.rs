//! `tungstenite`, client and server, on one worker.

mod common;

use common::{ms, ready, together};
use std::net::TcpListener;
use std::thread;
use tungstenite::Message;

#[test]
fn conversations() {
    let _alone = ready();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        for _ in 0..25 {
            let (stream, _) = listener.accept().unwrap();
            thread::spawn(move || {
                let mut socket = tungstenite::accept(stream).unwrap();
                while let Ok(message) = socket.read() {
                    if message.is_text() || message.is_binary() {
                        thread::sleep(ms(40));
                        socket.send(message).unwrap();
                    }
                }
            });
        }
    });
    together(25, ms(200), move |i| {
        let (mut socket, _) = tungstenite::connect(format!("ws://{addr}/chat")).unwrap();
        for n in 0..4 {
            let text = Message::text(format!("{i}: {n}"));
            socket.send(text.clone()).unwrap();
            assert_eq!(socket.read().unwrap(), text);
        }
        let large = Message::binary(vec![i as u8; 300_000]);
        socket.send(large.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), large);
        socket.close(None).unwrap();
    });
    server.join().unwrap();
}
