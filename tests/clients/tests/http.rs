//! `ureq` against `tiny_http`, both blocking, and a real load tool.

mod common;

use common::{ms, ready, together};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread;

/// Serves with `threads` threads; each request takes `delay`.
fn serve(threads: usize, delay: u64) -> (SocketAddr, Arc<tiny_http::Server>) {
    let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").unwrap());
    let addr = server.server_addr().to_ip().unwrap();
    for _ in 0..threads {
        let server = server.clone();
        thread::spawn(move || {
            while let Ok(request) = server.recv() {
                thread::sleep(ms(delay));
                let text = format!("you asked for {}", request.url());
                let _ = request.respond(tiny_http::Response::from_string(text));
            }
        });
    }
    (addr, server)
}

fn stop(server: &tiny_http::Server, threads: usize) {
    (0..threads).for_each(|_| server.unblock());
}

#[test]
fn ureq_and_tiny_http() {
    let _alone = ready();
    let (addr, server) = serve(30, 200);
    let texts = together(30, ms(200), move |i| {
        let mut response = ureq::get(format!("http://{addr}/{i}")).call().unwrap();
        response.body_mut().read_to_string().unwrap()
    });
    for (i, text) in texts.into_iter().enumerate() {
        assert_eq!(text, format!("you asked for /{i}"));
    }
    stop(&server, 30);
}

/// Answers on each connection for as long as it is open; each answer takes
/// 50 ms. (`tiny_http` may put two connections on one thread, where the second
/// waits for the end of the first.)
fn serve_by_hand() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            thread::spawn(move || {
                let (mut request, mut buf) = (Vec::new(), [0; 512]);
                loop {
                    match stream.read(&mut buf) {
                        Ok(0) | Err(_) => return,
                        Ok(n) => request.extend_from_slice(&buf[..n]),
                    }
                    if request.ends_with(b"\r\n\r\n") {
                        request.clear();
                        thread::sleep(ms(50));
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                        stream.write_all(answer).unwrap();
                    }
                }
            });
        }
    });
    port
}

/// One agent, whose connections many threads share.
#[test]
fn ureq_with_a_pool_of_connections() {
    let _alone = ready();
    let port = serve_by_hand();
    let agent = ureq::agent();
    together(20, ms(250), move |_| {
        for _ in 0..5 {
            let mut response = agent.get(format!("http://localhost:{port}/")).call().unwrap();
            assert_eq!(response.body_mut().read_to_string().unwrap(), "ok");
        }
    });
}

#[test]
fn ureq_gives_up_in_time() {
    let _alone = ready();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = silent.local_addr().unwrap();
    together(20, ms(150), move |_| {
        let config = ureq::Agent::config_builder().timeout_global(Some(ms(150))).build();
        let error = config.new_agent().get(format!("http://{addr}/")).call().unwrap_err();
        assert!(matches!(error, ureq::Error::Timeout(_)), "{error}");
    });
}

/// A TLS server with a certificate of its own; each answer takes 200 ms.
fn serve_tls(connections: usize) -> (u16, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().to_vec();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(
        rustls::crypto::ring::default_provider().into(),
    )
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![certificate.clone().into()], key)
    .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for _ in 0..connections {
            let (tcp, _) = listener.accept().unwrap();
            let tls = rustls::ServerConnection::new(config.clone()).unwrap();
            thread::spawn(move || {
                let mut stream = rustls::StreamOwned::new(tls, tcp);
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut buf = [0; 512];
                    let n = stream.read(&mut buf).unwrap();
                    request.extend_from_slice(&buf[..n]);
                }
                thread::sleep(ms(200));
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret").unwrap();
                stream.conn.send_close_notify();
                stream.flush().unwrap();
            });
        }
    });
    (port, certificate)
}

#[test]
fn ureq_over_rustls() {
    let _alone = ready();
    let (port, certificate) = serve_tls(20);
    let texts = together(20, ms(200), move |_| {
        let roots = ureq::tls::Certificate::from_der(&certificate).to_owned();
        let tls = ureq::tls::TlsConfig::builder()
            .root_certs(ureq::tls::RootCerts::new_with_certs(&[roots]))
            .build();
        let agent = ureq::Agent::config_builder().tls_config(tls).build().new_agent();
        let mut response = agent.get(format!("https://localhost:{port}/")).call().unwrap();
        response.body_mut().read_to_string().unwrap()
    });
    assert!(texts.iter().all(|text| text == "secret"));
}

/// Has tiny_http start a thread for each of `n` connections, which then wait for
/// the next ones. A crowd that comes at once it hands to those it has: four.
fn staff(addr: SocketAddr, n: usize) {
    let connect = |_| {
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.write_all(b"GET /staff HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
        assert!(stream.read(&mut [0; 512]).unwrap() > 0);
        stream
    };
    drop((0..n).map(connect).collect::<Vec<_>>());
}

/// wrk, on fifty connections: all of its requests are answered, side by side.
#[test]
fn tiny_http_under_load() {
    let _alone = ready();
    let (addr, server) = serve(50, 10);
    staff(addr, 50);
    let out = Command::new("wrk")
        .args(["-t1", "-c50", "-d2s", &format!("http://{addr}/load")])
        .output()
        .expect("wrk is installed: see .ci/97-clients.sh");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}");
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
    let rate = text.lines().find_map(|l| l.strip_prefix("Requests/sec:")).unwrap();
    // One after the other they would be 100 a second.
    assert!(rate.trim().parse::<f64>().unwrap() > 300.0, "{text}");
    stop(&server, 50);
}
