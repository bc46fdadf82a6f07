//! Just enough HTTP/1.1 for a plaintext benchmark: where each request's head
//! ends, and one answer. The same for every contender.

/// What a client asks.
pub const REQUEST: &[u8] =
    b"GET /plaintext HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";

/// What it is told.
pub const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nServer: bench\r\n\
    Date: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain\r\n\
    Content-Length: 13\r\n\r\nHello, World!";

/// How many answers are written at once, at most.
const AT_ONCE: usize = 16;

/// A connection's requests, as they come in pieces.
#[derive(Default)]
pub struct Heads {
    /// Bytes of the blank line that have been seen.
    seen: usize,
}

impl Heads {
    /// How many heads end in `bytes`.
    pub fn end_in(&mut self, bytes: &[u8]) -> usize {
        let mut ended = 0;
        for &byte in bytes {
            self.seen = match (byte, self.seen) {
                (b'\r', 0 | 2) | (b'\n', 1) => self.seen + 1,
                (b'\n', 3) => {
                    ended += 1;
                    0
                }
                (b'\r', _) => 1,
                _ => 0,
            };
        }
        ended
    }
}

/// The answers to `count` requests, each piece to be written at once.
pub fn answers(count: usize) -> impl Iterator<Item = &'static [u8]> + Send {
    static MANY: [[u8; ANSWER.len()]; AT_ONCE] = {
        let mut one = [0; ANSWER.len()];
        one.copy_from_slice(ANSWER);
        [one; AT_ONCE]
    };
    let whole = std::iter::repeat_n(AT_ONCE, count / AT_ONCE);
    let rest = Some(count % AT_ONCE).filter(|&rest| rest > 0);
    whole.chain(rest).map(|n| MANY[..n].as_flattened())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_counted_however_they_are_cut() {
        let two = [REQUEST, REQUEST].concat();
        assert_eq!(Heads::default().end_in(&two), 2);
        for cut in 0..two.len() {
            let mut heads = Heads::default();
            assert_eq!(heads.end_in(&two[..cut]) + heads.end_in(&two[cut..]), 2, "cut at {cut}");
        }
        assert_eq!(Heads::default().end_in(b"\r\n\r\r\n\r"), 0);
        assert_eq!(Heads::default().end_in(b"\r\r\n\r\n"), 1);
    }

    #[test]
    fn each_request_is_answered_once() {
        for count in [0, 1, 15, 16, 17, 40] {
            let written = answers(count).collect::<Vec<_>>().concat();
            assert_eq!(written, ANSWER.repeat(count));
        }
    }
}
