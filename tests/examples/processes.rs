//! Processes, and what goes between them.

use crate::run::{having, number, place, printed};

#[test]
fn start_processes() {
    let said = printed("start_processes", &[]);
    let parent: u32 = number(&said, "parent process ", "\n");
    let hello = having(&said, "hello bob");
    assert_eq!(hello.len(), 10, "{said}");
    for line in &hello {
        assert!(line.ends_with(&format!(" of parent {parent}")), "{said}");
    }
    let mut children: Vec<u32> = hello.iter().map(|line| number(line, "process ", " of")).collect();
    children.push(parent);
    children.sort_unstable();
    children.dedup();
    assert_eq!(children.len(), 11, "each is a process of its own:\n{said}");

    place(&said, "work1 counted to 5000000");
    place(&said, "work2 counted to 5000000");
    let rest: Vec<_> = said.lines().skip(13).collect();
    let expected = ["the parent has 0", "exit code Some(3)", "alive true", "exit code Some(-9)"];
    assert_eq!(rest, expected);
}

#[test]
fn use_process_pool() {
    let said = printed("use_process_pool", &[]);
    let parent: u32 = number(&said, "Parent process ", ".");
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[1..4], ["1", "4", "9"], "`apply` waits for each");

    let mut workers: Vec<u32> = Vec::new();
    for task in 0..4 {
        let run = having(&said, &format!("Run task {task} ("));
        assert_eq!(run.len(), 1, "{said}");
        workers.push(number(run[0], "(", ")"));
        let seconds: f64 = number(&said, &format!("Task {task} runs "), " seconds.");
        assert!(seconds >= 0.3, "{said}");
    }
    workers.push(parent);
    workers.sort_unstable();
    workers.dedup();
    assert_eq!(workers.len(), 5, "each task had a process of its own:\n{said}");
    assert_eq!(having(&said, &format!("callback in {parent}")).len(), 4, "{said}");
    let pauses: f64 = number(&said, "took as long as ", "\n");
    assert!((0.9..3.9).contains(&pauses), "4 pauses one after the other:\n{said}");

    let rest: Vec<_> = lines[lines.len() - 5..].to_vec();
    let expected = [
        "error: no function is called \"nothing\"",
        "error: invalid digit found in string",
        "error: the worker ended: exit status: 7",
        "144",
        "All subprocesses done.",
    ];
    assert_eq!(rest, expected);
}

#[test]
fn pipe_commands() {
    let said = printed("pipe_commands", &[]);
    let counted = |folder: &str| {
        let line = having(&said, folder)[0].to_owned();
        let (_, counts) = line.split_once(", [").unwrap();
        let counts = counts.trim_end_matches("])").split(", ");
        counts.map(|n| n.parse().unwrap()).collect::<Vec<usize>>()
    };
    for folder in ["src/sync", "src/queue", "examples"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let visible = |entry: &std::io::Result<std::fs::DirEntry>| {
            !entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.')
        };
        let entries = std::fs::read_dir(path).unwrap().filter(visible).count();
        let [lines, words, bytes] = counted(folder)[..] else { panic!("{said}") };
        // One line says the total.
        assert_eq!(lines, entries + 1, "{folder}: {said}");
        assert!(words >= 9 * entries && bytes > words, "{folder}: {said}");
    }
    let rest: Vec<_> = said.lines().skip(3).collect();
    let expected = ["the shell says one", "the shell says two", "the shell ended: exit status: 3"];
    assert_eq!(rest, expected);
}

#[test]
fn pipe_to_process() {
    let said = printed("pipe_to_process", &[]);
    let expected = "\
hello from the child
you asked \"how are you?\"
the child has closed its end: UnexpectedEof
";
    assert_eq!(said, expected);
}

#[test]
fn queue_between_processes() {
    let said = printed("queue_between_processes", &[]);
    // Whichever came first counted to five millions, and the other one on.
    assert_eq!(having(&said, " 5000000").len(), 1, "{said}");
    assert_eq!(having(&said, "work").len(), 2, "{said}");
    assert_eq!(place(&said, "10000000"), 2, "{said}");
    let (written, read) = ("Put _ to Queue!", "Get _ from Queue");
    let mut last = 0;
    for value in ["A", "B", "C", "D"] {
        let put = place(&said, &written.replace('_', value));
        let got = place(&said, &read.replace('_', value));
        assert!(put < got, "{said}");
        assert!(last < got, "not first in, first out: {said}");
        last = got;
    }
    assert_eq!(place(&said, "all was written and read"), 2 + 8 + 1);
}

#[test]
fn share_between_processes() {
    let said = printed("share_between_processes", &[]);
    let lines: Vec<_> = said.lines().collect();
    let mut seen = Vec::new();
    for pair in lines[..20].chunks(2) {
        let n: u32 = number(pair[0], "process ", " begins");
        assert_eq!(pair[1], format!("process {n} ends"), "the lines mixed:\n{said}");
        seen.push(n);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
    let pairs: Vec<_> = (0..10).map(|n| format!("\"{n}\": \"{}\"", n * n)).collect();
    place(&said, &format!("the dictionary: {{{}}}", pairs.join(", ")));
    let items: Vec<_> = (0..10).map(|n| n.to_string()).collect();
    place(&said, &format!("the list: {items:?}"));
}
