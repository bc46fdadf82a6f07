//! Connections on which something is asked and answered, around one epoll.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use greenroom_bench::blocking::Sockets;
use greenroom_bench::http;
use greenroom_bench::protocol::Outcome;
use greenroom_bench::std_kit::Std;
use greenroom_bench::sys::{self, Epoll};
use greenroom_bench::work::{HEAVY, LIGHT};

use super::workload::Ask;

/// No answer for so many milliseconds: the server has lost a request.
pub(super) const PATIENCE: i32 = 10_000;

/// What is asked on a connection, and what must come back.
struct Question {
    request: Vec<u8>,
    answer: Vec<u8>,
    /// How many requests that is; 0: it does not count.
    worth: u64,
}

struct Connection {
    stream: TcpStream,
    question: usize,
    sent: usize,
    got: usize,
    /// Since when the answer is owed; `None`: nothing was asked.
    since: Option<Instant>,
}

pub(super) struct Asker {
    epoll: Epoll,
    connections: Vec<Connection>,
    questions: Vec<Question>,
    buffer: Vec<u8>,
    answered: Vec<usize>,
}

/// What a while of asking came to.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) count: u64,
    /// Nanoseconds that each took, if that was asked for.
    pub(super) took: Vec<u64>,
}

impl Asker {
    /// # Errors
    /// The server does not accept, or descriptors have run out.
    pub(super) fn connect(port: u16, connections: usize, ask: Ask) -> io::Result<Asker> {
        let (questions, heavy) = questions(ask);
        let epoll = Epoll::new()?;
        let connect = |number: usize| {
            let stream = Std::connect(port)?;
            epoll.add_both(&stream, number as u64)?;
            let question = usize::from(number < heavy);
            Ok(Connection { stream, question, sent: 0, got: 0, since: None })
        };
        let connections = (0..connections).map(connect).collect::<io::Result<_>>()?;
        let buffer = vec![0; 64 * 1024];
        Ok(Asker { epoll, connections, questions, buffer, answered: Vec::new() })
    }

    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    pub(super) fn is_asking(&self, number: usize) -> bool {
        self.connections[number].since.is_some()
    }

    /// Asks on that connection; the answer counts as owed since `since`.
    pub(super) fn ask(&mut self, number: usize, since: Instant) -> Outcome<()> {
        let connection = &mut self.connections[number];
        (connection.sent, connection.got, connection.since) = (0, 0, Some(since));
        connection.send(&self.questions[connection.question])
    }

    /// Waits for events; for each answer that is complete, its connection.
    pub(super) fn turn(&mut self, millis: i32) -> Outcome<Vec<usize>> {
        let mut answered = std::mem::take(&mut self.answered);
        answered.clear();
        for event in 0..self.epoll.wait(millis)? {
            let number = self.epoll.token(event) as usize;
            let connection = &mut self.connections[number];
            let question = &self.questions[connection.question];
            if connection.go_on(question, &mut self.buffer)? {
                answered.push(number);
            }
        }
        Ok(answered)
    }

    /// When what was asked there last was owed from; nothing is, now.
    pub(super) fn settle(&mut self, number: usize) -> Instant {
        self.connections[number].since.take().unwrap_or_else(Instant::now)
    }

    /// Gives the list of `turn` back, for its memory.
    pub(super) fn recycle(&mut self, answered: Vec<usize>) {
        self.answered = answered;
    }

    /// The first question on each connection.
    pub(super) fn start(&mut self) -> Outcome<()> {
        let now = Instant::now();
        (0..self.len()).try_for_each(|number| self.ask(number, now))
    }

    /// Asks again as soon as an answer has come, for `time`.
    pub(super) fn run(&mut self, time: Duration, timed: bool) -> Outcome<Answers> {
        let end = Instant::now() + time;
        let mut answers = Answers::default();
        let mut now = Instant::now();
        while now < end {
            let answered = self.turn(PATIENCE)?;
            now = Instant::now();
            if answered.is_empty() && now >= end + Duration::from_millis(PATIENCE as u64) / 2 {
                return Err("the server does not answer any more".into());
            }
            for &number in &answered {
                let worth = self.questions[self.connections[number].question].worth;
                let since = self.settle(number);
                answers.count += worth;
                if timed && worth > 0 {
                    answers.took.push((now - since).as_nanos() as u64);
                }
                self.ask(number, now)?;
            }
            self.recycle(answered);
        }
        Ok(answers)
    }

    /// Waits for the answers to all that was asked.
    pub(super) fn finish(&mut self) -> Outcome<()> {
        let end = Instant::now() + Duration::from_millis(PATIENCE as u64);
        while (0..self.len()).any(|number| self.is_asking(number)) {
            let answered = self.turn(PATIENCE / 10)?;
            for &number in &answered {
                self.settle(number);
            }
            self.recycle(answered);
            if Instant::now() > end {
                return Err("the server does not answer any more".into());
            }
        }
        Ok(())
    }
}

impl Connection {
    /// Goes on with what is going on; true when the answer is complete.
    fn go_on(&mut self, question: &Question, buffer: &mut [u8]) -> Outcome<bool> {
        self.send(question)?;
        loop {
            let n = match sys::receive(&self.stream, buffer) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(e.into()),
            };
            if question.answer.get(self.got..self.got + n) != Some(&buffer[..n]) {
                return Err("the answer is not what it should be".into());
            }
            self.got += n;
            if self.got == question.answer.len() {
                return Ok(self.since.is_some());
            }
            if n < buffer.len() {
                return Ok(false);
            }
        }
    }

    /// Sends what there is room for; an event will follow if that is not all.
    fn send(&mut self, question: &Question) -> Outcome<()> {
        while self.since.is_some() && self.sent < question.request.len() {
            match sys::send(&self.stream, &question.request[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }
}

/// What is asked, and on how many of the connections it is the second.
fn questions(ask: Ask) -> (Vec<Question>, usize) {
    let echo = |bytes: Vec<u8>, worth| Question { request: bytes.clone(), answer: bytes, worth };
    match ask {
        Ask::Bytes(n) => (vec![echo(vec![LIGHT; n], 1)], 0),
        Ask::Uneven { heavy } => (vec![echo(vec![LIGHT; 64], 1), echo(vec![HEAVY; 64], 0)], heavy),
        Ask::Http { pipelined: n } => {
            let (request, answer) = (http::REQUEST.repeat(n), http::ANSWER.repeat(n));
            (vec![Question { request, answer, worth: n as u64 }], 0)
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    /// An echo server that answers late, each time.
    pub(in super::super) fn echo(pause: Duration) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut buffer = [0; 1000];
                    while let Ok(n @ 1..) = stream.read(&mut buffer) {
                        thread::sleep(pause);
                        stream.write_all(&buffer[..n]).unwrap();
                    }
                });
            }
        });
        port
    }

    #[test]
    fn answers_are_counted_and_timed() {
        let port = echo(Duration::from_millis(2));
        let mut asker = Asker::connect(port, 3, Ask::Uneven { heavy: 1 }).unwrap();
        asker.start().unwrap();
        let answers = asker.run(Duration::from_millis(200), true).unwrap();
        asker.finish().unwrap();
        assert!(answers.count >= 2, "{}", answers.count);
        assert_eq!(answers.count, answers.took.len() as u64);
        assert!(answers.took.iter().all(|&took| took >= 2_000_000));
    }

    #[test]
    fn long_messages_come_in_pieces() {
        let mut asker = Asker::connect(echo(Duration::ZERO), 2, Ask::Bytes(300_000)).unwrap();
        asker.start().unwrap();
        asker.finish().unwrap();
        assert!(!asker.is_asking(0) && !asker.is_asking(1));
    }

    #[test]
    fn wrong_answers_are_errors() {
        let ask = Ask::Http { pipelined: 2 };
        let mut asker = Asker::connect(echo(Duration::ZERO), 1, ask).unwrap();
        asker.start().unwrap();
        assert!(asker.finish().unwrap_err().to_string().contains("not what it should be"));
    }
}
