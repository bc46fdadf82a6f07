//! Share a dictionary, a list and a lock between processes (seeds: 000 四 and 五、进程锁; 004 Manager).
//!
//! A manager keeps them and listens at an address; whoever knows that connects
//! and asks. Its code is plain `std`: a thread for each connection, which for
//! `lock` simply takes a mutex, and has it until `unlock` or until the other
//! process is gone.
//!
//! ```sh
//! cargo run --example share_between_processes
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process::{self, Command};
use std::sync::Mutex;
use std::{env, thread};

static DICT: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
static LIST: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Only who holds it prints.
static SCREEN: Mutex<()> = Mutex::new(());

fn serve(stream: UnixStream) -> io::Result<()> {
    let mut held = None;
    for request in BufReader::new(&stream).lines() {
        let request = request?;
        match request.split(' ').collect::<Vec<_>>()[..] {
            ["set", key, value] => {
                DICT.lock().unwrap().insert(key.to_owned(), value.to_owned());
            }
            ["append", item] => LIST.lock().unwrap().push(item.to_owned()),
            ["lock"] => held = Some(SCREEN.lock().unwrap()),
            ["unlock"] => held = None,
            _ => return Err(io::Error::other(format!("what is {request:?}?"))),
        }
        writeln!(&stream, "done")?;
    }
    drop(held); // as any guard: whoever leaves gives it up
    Ok(())
}

/// Nobody sees this name in a folder; it goes when the manager goes.
fn address(manager: u32) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("greenroom-manager-{manager}"))
}

/// Another process' way to the manager.
struct Manager(BufReader<UnixStream>);

impl Manager {
    fn connect(manager: u32) -> io::Result<Manager> {
        Ok(Manager(BufReader::new(UnixStream::connect_addr(&address(manager)?)?)))
    }

    fn ask(&mut self, request: &str) -> io::Result<()> {
        writeln!(self.0.get_mut(), "{request}")?;
        match self.0.read_line(&mut String::new())? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn child(manager: u32, n: u32) -> io::Result<()> {
    let mut manager = Manager::connect(manager)?;
    manager.ask(&format!("set {n} {}", n * n))?;
    manager.ask(&format!("append {n}"))?;
    manager.ask("lock")?;
    // Without the lock the lines of several processes would mix.
    println!("process {n} begins");
    println!("process {n} ends");
    if n == 3 {
        process::exit(1); // and never unlocks; but the others go on
    }
    manager.ask("unlock")
}

fn parent() -> Result<(), Box<dyn Error>> {
    greenroom::patch_all()?;
    let manager = process::id();
    let listener = UnixListener::bind_addr(&address(manager)?)?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });

    let start = |n: u32| {
        Command::new(env::current_exe()?).args([manager.to_string(), n.to_string()]).spawn()
    };
    let children = (0..10).map(start).collect::<Result<Vec<_>, _>>()?;
    for mut child in children {
        child.wait()?;
    }
    println!("the dictionary: {:?}", DICT.lock().unwrap());
    LIST.lock().unwrap().sort_unstable();
    println!("the list: {:?}", LIST.lock().unwrap());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [manager, n] => Ok(child(manager.parse()?, n.parse()?)?),
        _ => parent(),
    }
}
