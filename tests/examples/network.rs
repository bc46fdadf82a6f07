//! Servers and clients.

use crate::run::{having, number, place, printed, threads_are_green};

#[test]
fn echo() {
    let said = printed("echo", &[]);
    let expected = "\
hello, python
100 clients at once had all their words back
nobody listens: ConnectionRefused, number Some(111)
";
    assert_eq!(said, expected);
}

#[test]
fn send_datagrams() {
    let said = printed("send_datagrams", &[]);
    assert_eq!(said, "HELLO\nFROM\nTHREE\nno answer in time: Err(WouldBlock)\n");
}

#[test]
fn select_server() {
    let said = printed("select_server", &[]);
    let mut expected: Vec<_> = (0..50).map(|n| format!("HELLO FROM CLIENT {n}")).collect();
    expected.push("the server has seen all 50, and ends".to_owned());
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
}

/// The same answers with and without the one line; but other threads.
#[test]
fn threaded_server() {
    for arguments in [&[][..], &["--os-threads"]] {
        let said = printed("threaded_server", arguments);
        place(&said, "200 clients at once, 400 right answers");
        let os_threads: usize = number(&said, "OS threads: ", "\n");
        if arguments.is_empty() && threads_are_green() {
            // `main`, the workers, and few others.
            let cores = std::thread::available_parallelism().unwrap().get();
            assert!(os_threads < 20 + cores, "{said}");
        } else {
            // One at either end of each connection.
            assert!(os_threads > 400, "{said}");
        }
    }
}

#[test]
fn http_by_hand() {
    let said = printed("http_by_hand", &[]);
    let expected = "\
HTTP/1.1 200 OK: 收到2
HTTP/1.1 200 OK: 收到3
HTTP/1.1 200 OK: 收到4
then 100 different answers to a hundred at once
";
    assert_eq!(said, expected);
}

#[test]
fn fetch_urls() {
    let said = printed("fetch_urls", &[]);
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[..3].iter().all(|line| line.starts_with("GET: http://127.0.0.1:")), "{said}");
    // As they come, not as they were asked for: the first takes the longest.
    let received = having(&said, " bytes received from ");
    let sizes: Vec<usize> = received.iter().map(|line| number(line, "", " bytes")).collect();
    assert_eq!(sizes, [1000, 2000, 3000]);
    let seconds: f64 = number(&said, "6000 bytes in ", " s");
    assert!(seconds >= 1.5, "{said}");
}

#[test]
fn prefork() {
    let said = printed("prefork", &[]);
    let expected = "\
4 processes answer at one port
a worker ended with exit status: 1, here is another
3 of them are still there, and 1 is new
all workers have ended
";
    assert_eq!(said, expected);
}

#[test]
fn serve_site() {
    let said = printed("serve_site", &[]);
    let address: std::net::SocketAddr = number(&said, "Server started at http://", "...\n");
    assert!(address.ip().is_loopback());
    let lines: Vec<_> = said.lines().skip(1).take(5).collect();
    let expected = [
        "/: <h1>Index</h1>",
        "/hello/world: <h1>hello, world!</h1>",
        "/hello/caf%C3%A9: <h1>hello, café!</h1>",
        "/hello/%3Cscript%3E: <h1>hello, &lt;script&gt;!</h1>",
        "/nowhere: 404: Not Found",
    ];
    assert_eq!(lines, expected);
    let last = said.lines().last().unwrap();
    let visitors: f64 = number(last, "", " visitors");
    let waits: f64 = number(last, "add up to ", " s");
    let took: f64 = number(last, "took ", " s");
    // As many as there may be sockets: usually two thousand.
    assert!(visitors >= 400.0 && waits == visitors / 2.0, "{said}");
    assert!(took >= 0.5 && took < waits / 10.0, "{said}");
}
