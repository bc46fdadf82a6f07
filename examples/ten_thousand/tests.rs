//! Runs the example: in one process, in two, and on OS threads.

use std::env;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use super::*;

const AS_SERVER: &str = "TEN_THOUSAND_TEST_AS_SERVER";

fn options() -> Options {
    Options { connections: 200, rounds: 5, payload: 1000, ..Options::default() }
}

fn echo(options: &Options, second_process: bool, server: Command) -> Report {
    let plan = Plan { connections: options.connections, second_process, notes: Vec::new() };
    let report = run(options, &plan, server).unwrap();
    assert_eq!(report.failures, [""; 0]);
    assert_eq!(report.talked.connected, 200);
    assert_eq!(report.talked.round_trips, 1000);
    assert_eq!(report.memory.iter().map(|share| share.threads).sum::<usize>(), 400);
    assert!(report.perfect() && report.to_string().contains("every byte checked"));
    report
}

fn nobody() -> Command {
    Command::new("no second process was asked for")
}

#[test]
fn green_threads_echo_every_byte() {
    let report = echo(&options(), false, nobody());
    assert!(report.to_string().contains("400 green threads"), "{report}");
}

#[test]
fn os_threads_run_the_same_code() {
    let options = Options { os_threads: true, ..options() };
    let report = echo(&options, false, nobody());
    assert!(report.to_string().contains("400 OS threads"), "{report}");
}

#[test]
fn the_server_may_be_a_second_process() {
    // Which is this very test, started again.
    if env::var_os(AS_SERVER).is_some() {
        return second_process::serve(&options()).unwrap();
    }
    let mut server = Command::new(env::current_exe().unwrap());
    server
        .args(["--exact", "tests::the_server_may_be_a_second_process", "--nocapture"])
        .env(AS_SERVER, "1");
    let report = echo(&options(), true, server);
    assert_eq!(report.memory.len(), 2);
}

#[test]
fn more_clients_than_one_listener_takes() {
    let listeners = |clients| server::start(Threads::Os, clients).unwrap().len();
    assert_eq!([1, 10_000, 10_001, 30_000].map(listeners), [1, 1, 2, 3]);
}

#[test]
fn bad_options_are_named() {
    let parse = |line: &str| Options::parse(line.split_whitespace().map(str::to_owned));
    for (line, problem) in [
        ("--fast", "unknown option '--fast'"),
        ("10 20", "unexpected argument '20'"),
        ("many", "CONNECTIONS must be a number from 1 to 1000000, not 'many'"),
        ("0", "CONNECTIONS must be a number from 1 to 1000000, not '0'"),
        ("--rounds", "--rounds needs a number"),
        ("--payload -1", "--payload must be a number from 1 to 65536, not '-1'"),
        ("--os-threads --workers 2", "--workers means nothing to --os-threads"),
    ] {
        assert_eq!(parse(line), Err(problem.to_owned()));
    }
    let wanted = Options { connections: 2000, rounds: 7, workers: Some(3), ..Options::default() };
    assert_eq!(parse("--rounds 7 2_000 --workers 3"), Ok(Request::Run(wanted)));
    assert_eq!(parse("5 --help"), Ok(Request::Help));
}

#[test]
fn a_changed_bit_is_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut buffer = [0; 1000];
        for round in 0..=5 {
            client.read_exact(&mut buffer).unwrap();
            if round == 3 {
                buffer[999] ^= 1;
            }
            client.write_all(&buffer).unwrap();
        }
    });
    let mut crowd = Crowd::new(Threads::Os, &options());
    crowd.connect(1, &[address]).unwrap();
    assert_eq!(crowd.talk().unwrap().round_trips, 2);
    assert_eq!(crowd.hang_up(), ["connection 0: round 3 came back changed"]);
}
