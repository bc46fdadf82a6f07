//! The HTTP servers that others are known for, on the plaintext answer: hyper, on
//! tokio's current thread, and may_minihttp.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::thread;

use greenroom_bench::asynchronous::Async;
use greenroom_bench::blocking::Sockets;
use greenroom_bench::protocol::{Outcome, Program, Task};
use greenroom_bench::std_kit::Std;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use may_minihttp::{HttpService, HttpServiceFactory};

use super::tokio_kit::Tokio;

const HELLO: &str = "Hello, World!";

/// Serves on the runtime that has been started.
pub(super) fn hyper(task: &Task) -> Outcome<Program> {
    if task.workload != "http" {
        return task.unknown();
    }
    let (listener, port) = Tokio::enter(Tokio::listen())?;
    let accept = async move {
        loop {
            let stream = Tokio::accept(&listener).await.expect("there are descriptors enough");
            Tokio::detach(Tokio::spawn(async {
                let mut server = http1::Builder::new();
                let server = server.pipeline_flush(true);
                let serving = server.serve_connection(TokioIo::new(stream), service_fn(hello));
                // It ends when the client goes.
                let mut serving = pin!(serving);
                drop(poll_fn(|context| serving.as_mut().poll(context)).await);
            }));
        }
    };
    thread::spawn(move || Tokio::enter(accept));
    Ok(Program::Server(port))
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(HELLO.as_bytes())));
    let headers = response.headers_mut();
    headers.insert("Server", hyper::header::HeaderValue::from_static("bench"));
    headers.insert("Content-Type", hyper::header::HeaderValue::from_static("text/plain"));
    Ok(response)
}

pub(super) fn may_minihttp(task: &Task) -> Outcome<Program> {
    if task.workload != "http" {
        return task.unknown();
    }
    // It does not say on which port it listens, so that has to be chosen.
    let (listener, port) = Std::listen()?;
    drop(listener);
    drop(Hello.start((Ipv4Addr::LOCALHOST, port))?);
    Ok(Program::Server(port))
}

struct Hello;

impl HttpServiceFactory for Hello {
    type Service = Hello;

    fn new_service(&self, _: usize) -> Hello {
        Hello
    }
}

impl HttpService for Hello {
    fn call(
        &mut self,
        _: may_minihttp::Request,
        to: &mut may_minihttp::Response,
    ) -> io::Result<()> {
        to.header("Content-Type: text/plain").body(HELLO);
        Ok(())
    }
}
