//! Just enough of Rust's grammar to read source as tokens: comments are gone,
//! literals are opaque, and every token knows its line.

/// One token. A string keeps its quotes and what is in them, so that it can be
/// mistaken for nothing else; a raw string or a char is just `""`.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.text == text
    }

    pub(crate) fn is_string(&self) -> bool {
        self.text.starts_with('"')
    }

    pub(crate) fn is_ident(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// Splits `source` into tokens.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { chars: source.chars().collect(), at: 0, line: 1, out: Vec::new() };
    while lexer.at < lexer.chars.len() {
        lexer.step();
    }
    lexer.out
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    out: Vec<Token>,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    /// Every advance goes through here, so the line count cannot slip.
    fn bump(&mut self) -> char {
        let c = self.peek(0);
        self.at += 1;
        self.line += usize::from(c == '\n');
        c
    }

    fn push(&mut self, text: impl Into<String>, line: usize) {
        self.out.push(Token { text: text.into(), line });
    }

    fn step(&mut self) {
        let line = self.line;
        match (self.peek(0), self.peek(1)) {
            (c, _) if c.is_whitespace() => drop(self.bump()),
            ('/', '/') => while self.at < self.chars.len() && self.bump() != '\n' {},
            ('/', '*') => self.block_comment(),
            ('"', _) => self.string(),
            ('\'', _) => self.quote(),
            (c, _) if c.is_alphanumeric() || c == '_' => self.word(),
            (':', ':') => {
                self.at += 2;
                self.push("::", line);
            }
            _ => {
                let c = self.bump();
                self.push(c, line);
            }
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            match (self.bump(), self.peek(0)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => continue,
            }
            self.bump();
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        let line = self.line;
        let start = self.at;
        self.bump();
        while self.at < self.chars.len() {
            match self.bump() {
                '\\' => drop(self.bump()),
                '"' => break,
                _ => {}
            }
        }
        let end = self.at.min(self.chars.len());
        let text: String = self.chars[start..end].iter().collect();
        self.push(text, line);
    }

    fn raw_string(&mut self) {
        let line = self.line;
        let mut hashes = 0;
        while self.peek(0) == '#' {
            hashes += 1;
            self.bump();
        }
        self.bump();
        while self.at < self.chars.len() {
            if self.bump() == '"' && (0..hashes).all(|ahead| self.peek(ahead) == '#') {
                self.at += hashes;
                break;
            }
        }
        self.push("\"\"", line);
    }

    /// A char literal, or a lifetime or label (which leave no token).
    fn quote(&mut self) {
        let line = self.line;
        self.bump();
        let lifetime =
            (self.peek(0).is_alphabetic() || self.peek(0) == '_') && self.peek(1) != '\'';
        if lifetime {
            while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
                self.bump();
            }
            return;
        }
        while self.at < self.chars.len() {
            match self.bump() {
                '\\' => drop(self.bump()),
                '\'' => break,
                _ => {}
            }
        }
        self.push("\"\"", line);
    }

    /// An identifier or number, or the prefix of a literal such as `br#"`.
    fn word(&mut self) {
        let line = self.line;
        let start = self.at;
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            self.bump();
        }
        let text: String = self.chars[start..self.at].iter().collect();
        let raw = matches!(text.as_str(), "r" | "br" | "cr");
        let hashes = (0..).take_while(|&n| self.peek(n) == '#').count();
        match (text.as_str(), self.peek(0)) {
            (_, '"' | '#') if raw && self.peek(hashes) == '"' => self.raw_string(),
            // A raw identifier: the name follows as a word of its own.
            ("r", '#') => drop(self.bump()),
            ("b" | "c", '"') => self.string(),
            ("b", '\'') => self.quote(),
            _ => self.push(text, line),
        }
    }
}
