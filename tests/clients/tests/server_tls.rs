//! `StreamServer` behind rustls: the wrapper shakes hands, the handler reads
//! and writes plain text.

mod common;

use greenroom::net::{TcpListener, TcpStream};
use greenroom::server::StreamServer;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

type Tls = rustls::StreamOwned<ServerConnection, TcpStream>;

fn certificate() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    (made.cert.der().clone(), key)
}

fn handle(mut stream: Tls, peer: SocketAddr) -> io::Result<()> {
    let mut line = String::new();
    BufReader::with_capacity(1, &mut stream).read_line(&mut line)?;
    greenroom::sleep(Duration::from_millis(200));
    writeln!(stream, "{} from {peer}", line.trim_end())?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn serve() -> (StreamServer, Arc<ClientConfig>) {
    let (certificate, key) = certificate();
    let config = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let wrap = move |mut tcp: TcpStream| {
        tcp.set_read_timeout(Some(Duration::from_secs(20)))?; // for the handshake too
        let mut tls = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
        tls.complete_io(&mut tcp)?;
        Ok(Tls::new(tls, tcp))
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = StreamServer::wrapped([listener], wrap, handle).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (server, Arc::new(client))
}

#[test]
fn a_server_wrapped_in_tls() {
    let _alone = common::ready();
    let (server, config) = serve();
    let address = server.local_addr().unwrap();
    server.start().unwrap();

    // One that never shakes hands, and one that talks nonsense, delay nobody.
    let _silent = TcpStream::connect(address).unwrap();
    let mut nonsense = TcpStream::connect(address).unwrap();
    nonsense.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();

    let answers = common::together(20, Duration::from_millis(200), move |n| {
        let tcp = TcpStream::connect(address).unwrap();
        let me = tcp.local_addr().unwrap();
        let name = "localhost".try_into().unwrap();
        let tls = ClientConnection::new(config.clone(), name).unwrap();
        let mut stream = rustls::StreamOwned::new(tls, tcp);
        writeln!(stream, "secret {n}").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text == format!("secret {n} from {me}\n")
    });
    assert_eq!(answers, [true; 20]);
    io::copy(&mut nonsense, &mut io::sink()).unwrap(); // an alert, and the end
    assert_eq!(server.stop(Duration::from_secs(1)).ended, 1, "the silent one");
}
