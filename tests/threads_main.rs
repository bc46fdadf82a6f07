//! Programs that patch first thing in `main` and then end in some way: each
//! is this binary, run again with the name of a deed.

use greenroom::{Config, ThreadLocals, patch_all};
use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, exit};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// Its name, what it does in the child, and what the parent then expects.
type Case = (&'static str, fn(), fn(&Ended));

struct Ended {
    code: Option<i32>,
    signal: Option<i32>,
    out: String,
    err: String,
}

const CASES: &[Case] = &[
    ("a panic is reported with std's words and name", panics, |ended| {
        assert_eq!(ended.code, Some(0));
        assert!(ended.err.contains("\nthread 'parser' ("), "{}", ended.err);
        assert!(ended.err.contains(") panicked at tests/threads_main.rs"), "{}", ended.err);
        assert!(ended.err.contains("\nthread '<unnamed>' ("), "{}", ended.err);
        assert!(ended.err.contains("no luck") && !ended.err.contains("green"), "{}", ended.err);
    }),
    ("a panic of greenroom::spawn is still reported as a green thread's", panics_green, |ended| {
        assert_eq!(ended.code, Some(0));
        assert!(ended.err.contains("\ngreen thread 'reader' ("), "{}", ended.err);
    }),
    ("an overflow names the thread", overflows, |ended| {
        assert_eq!(ended.signal, Some(libc::SIGABRT));
        let line = "thread 'a name of more than fifteen bytes' (";
        assert!(ended.err.contains(line), "{}", ended.err);
        assert!(ended.err.contains(") has overflowed its stack"), "{}", ended.err);
    }),
    ("an overflow of a C thread names it too", overflows_in_c, |ended| {
        assert_eq!(ended.signal, Some(libc::SIGABRT));
        let line = "\ngreen thread 'deep' has overflowed its stack (128 KiB";
        assert!(ended.err.contains(line), "{}", ended.err);
    }),
    ("when main returns, the others end with it", leaves, |ended| {
        assert_eq!((ended.code, &*ended.out), (Some(0), "main returns\n"));
        assert_eq!(ended.err, "");
    }),
    ("a thread may end the process", exits, |ended| assert_eq!(ended.code, Some(9))),
    ("a panic that leaves a C thread's function aborts", panics_in_c, |ended| {
        assert_eq!(ended.signal, Some(libc::SIGABRT));
        assert!(ended.err.contains("a panic left the function of a C thread"), "{}", ended.err);
    }),
    ("the runtime's own threads are no green ones", looks_at_tasks, |ended| {
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        let own = |name: &&str| name.starts_with("greenroom-") || *name == "green-monitor";
        let workers = ended.out.lines().filter(own);
        assert!(workers.clone().any(|name| name == "greenroom-0"), "{}", ended.out);
        // One for main; none for the twenty that were spawned.
        assert_eq!(ended.out.lines().count(), 1 + workers.count(), "{}", ended.out);
    }),
    ("without stacks there are no threads, and std says so", no_memory, |ended| {
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert_eq!(ended.out, "WouldBlock\n");
    }),
];

fn main() {
    let deed = std::env::args().nth(1).unwrap_or_default();
    if let Some((_, act, _)) = CASES.iter().find(|(name, ..)| *name == deed) {
        Config::new().thread_locals(ThreadLocals::Own).install().unwrap();
        patch_all().unwrap();
        return act();
    }
    println!("\nrunning {} tests", CASES.len());
    for (name, _, check) in CASES {
        let Output { status, stdout, stderr } = Command::new(std::env::current_exe().unwrap())
            .arg(name)
            .env_remove("RUST_BACKTRACE")
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (out, err) = (text(stdout), text(stderr));
        check(&Ended { code: status.code(), signal: status.signal(), out, err });
        println!("test {name} ... ok");
    }
    println!("\ntest result: ok. {} passed; 0 failed", CASES.len());
}

fn panics() {
    let named = thread::Builder::new().name("parser".into()).spawn(|| panic!("no luck"));
    assert!(named.unwrap().join().is_err());
    assert!(thread::spawn(|| panic!("no luck")).join().is_err());
}

fn panics_green() {
    let named = greenroom::Builder::new().name("reader".into()).spawn(|| panic!("no luck"));
    assert!(named.unwrap().join().is_err());
}

fn recurse(depth: usize) -> usize {
    let frame = black_box([depth; 32]);
    if depth == usize::MAX { 0 } else { recurse(depth + 1) + frame[depth % 32] }
}

fn overflows() {
    no_core_file();
    let name = "a name of more than fifteen bytes";
    let deep = thread::Builder::new().name(name.into()).spawn(|| recurse(0));
    black_box(deep.unwrap().join()).unwrap();
}

extern "C" fn recurse_named(_: *mut libc::c_void) -> *mut libc::c_void {
    // SAFETY: its own handle.
    unsafe { libc::pthread_setname_np(libc::pthread_self(), c"deep".as_ptr()) };
    std::ptr::without_provenance_mut(recurse(0))
}

extern "C" fn wait_for(thread: extern "C" fn(*mut libc::c_void) -> *mut libc::c_void) {
    // SAFETY: initialised attributes, out pointers.
    unsafe {
        let mut attr = std::mem::zeroed();
        libc::pthread_attr_init(&mut attr);
        libc::pthread_attr_setstacksize(&mut attr, 128 << 10);
        let mut handle = 0;
        assert_eq!(libc::pthread_create(&mut handle, &attr, thread, std::ptr::null_mut()), 0);
        libc::pthread_join(handle, std::ptr::null_mut());
    }
}

fn overflows_in_c() {
    no_core_file();
    wait_for(recurse_named);
}

fn leaves() {
    static HELD: Mutex<()> = Mutex::new(());
    let (tx, rx) = mpsc::channel();
    for n in 0..10 {
        let tx = tx.clone();
        thread::spawn(move || {
            tx.send(()).unwrap();
            match n % 3 {
                0 => thread::park(),
                1 => drop(HELD.lock().map(|_held| thread::sleep(Duration::from_secs(60)))),
                _ => loop {
                    thread::yield_now();
                },
            }
        });
    }
    (0..10).for_each(|_| rx.recv().unwrap());
    println!("main returns");
}

fn exits() {
    thread::spawn(|| exit(9)).join().unwrap();
}

fn panics_in_c() {
    unsafe extern "C-unwind" {
        fn pthread_create(
            out: *mut libc::pthread_t,
            attr: *const libc::pthread_attr_t,
            start: extern "C-unwind" fn(*mut libc::c_void) -> *mut libc::c_void,
            argument: *mut libc::c_void,
        ) -> libc::c_int;
    }
    extern "C-unwind" fn start(_: *mut libc::c_void) -> *mut libc::c_void {
        std::panic::resume_unwind(Box::new(()))
    }
    no_core_file();
    let mut handle = 0;
    let none = std::ptr::null_mut();
    // SAFETY: out pointers.
    unsafe {
        assert_eq!(pthread_create(&mut handle, std::ptr::null(), start, none), 0);
        libc::pthread_join(handle, std::ptr::null_mut());
    }
}

fn looks_at_tasks() {
    let (tx, rx) = mpsc::channel::<()>();
    let rx = std::sync::Arc::new(Mutex::new(rx));
    let threads: Vec<_> = (0..20)
        .map(|_| {
            let rx = rx.clone();
            thread::spawn(move || rx.lock().unwrap().recv())
        })
        .collect();
    let names = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.collect::<Vec<_>>()
    };
    // Each names itself when it begins; main has the program's name.
    let ours = |name: &&String| name.starts_with("greenroom-") || name.starts_with("green-");
    let start = std::time::Instant::now();
    while names().iter().filter(|name| !ours(name)).count() > 1 {
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", names());
        thread::sleep(Duration::from_millis(5));
    }
    names().iter().for_each(|name| print!("{name}"));
    drop(tx);
    threads.into_iter().for_each(|t| assert!(t.join().unwrap().is_err()));
}

fn no_memory() {
    thread::spawn(|| ()).join().unwrap();
    let size = 1 << 30;
    let most = libc::rlimit { rlim_cur: size, rlim_max: size };
    // SAFETY: only reads the structure.
    unsafe { libc::setrlimit(libc::RLIMIT_AS, &most) };
    let refused = thread::Builder::new().stack_size(1 << 30).spawn(|| ()).unwrap_err();
    println!("{:?}", refused.kind());
}

/// Keeps a child that dies on purpose from leaving a core file.
fn no_core_file() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: only reads the structure.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) };
}
