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
