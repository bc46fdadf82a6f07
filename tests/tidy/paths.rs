//! Every `a::b::c` that code names, with `use` trees taken apart.

use super::token::Token;

/// One path as written.
#[derive(Debug)]
pub(crate) struct NamedPath {
    /// A glob ends in `*`.
    pub(crate) segments: Vec<String>,
    /// What a `use` calls it afterwards; `None` outside of `use`.
    pub(crate) alias: Option<String>,
    pub(crate) line: usize,
    /// The inline modules around it.
    pub(crate) scope: Vec<String>,
}

impl NamedPath {
    /// The path from the crate's root, or `None` if it does not start at
    /// `crate`, `self` or `super`. `module` is the module of its file.
    pub(crate) fn absolute(&self, module: &[String]) -> Option<Vec<String>> {
        let mut base = [module, &self.scope].concat();
        let mut rest = self.segments.as_slice();
        match rest.first()?.as_str() {
            "crate" => base.clear(),
            "self" => {}
            "super" => {
                while rest.len() > 1 && rest[1] == "super" {
                    base.pop();
                    rest = &rest[1..];
                }
                base.pop();
            }
            _ => return None,
        }
        base.extend_from_slice(&rest[1..]);
        Some(base)
    }
}

/// All paths of two segments or more in `code`, and everything it `use`s.
pub(crate) fn named_paths(code: &[Token]) -> Vec<NamedPath> {
    let mut walk = Walk { code, at: 0, blocks: Vec::new(), out: Vec::new() };
    while walk.at < code.len() {
        walk.step();
    }
    walk.out
}

struct Walk<'a> {
    code: &'a [Token],
    at: usize,
    /// One entry per open brace: the module's name if it is one.
    blocks: Vec<Option<String>>,
    out: Vec<NamedPath>,
}

impl Walk<'_> {
    fn text(&self, at: usize) -> &str {
        self.code.get(at).map_or("", |token| &token.text)
    }

    fn step(&mut self) {
        let token = &self.code[self.at];
        match token.text.as_str() {
            // `use <` is precise capturing in a return type.
            "use" if self.text(self.at + 1) != "<" => {
                self.at += 1;
                self.tree(&[]);
                return;
            }
            "{" => {
                let named = self.at >= 2 && self.text(self.at - 2) == "mod";
                let name = named.then(|| self.text(self.at - 1).to_owned());
                self.blocks.push(name);
            }
            "}" => drop(self.blocks.pop()),
            _ if token.is_ident() && self.text(self.at + 1) == "::" => {
                self.inline();
                return;
            }
            _ => {}
        }
        self.at += 1;
    }

    fn inline(&mut self) {
        let start = self.at;
        let mut segments = vec![self.text(start).to_owned()];
        self.at += 1;
        while self.text(self.at) == "::" && self.code.get(self.at + 1).is_some_and(Token::is_ident)
        {
            segments.push(self.text(self.at + 1).to_owned());
            self.at += 2;
        }
        // `pub(in crate::x)` is a visibility, not an import.
        let visibility = start >= 2 && self.text(start - 1) == "in" && self.text(start - 2) == "(";
        if !visibility && segments.len() > 1 {
            self.record(segments, None, start);
        }
    }

    /// A `use` tree from `self.at` on, below `prefix`.
    fn tree(&mut self, prefix: &[String]) {
        let start = self.at;
        let mut segments = prefix.to_vec();
        while self.at < self.code.len() {
            match self.text(self.at) {
                "::" => self.at += 1,
                "{" => return self.group(&segments),
                "," | "}" | ";" => break,
                "as" => {
                    let alias = self.text(self.at + 1).to_owned();
                    self.at += 2;
                    return self.leaf(segments, Some(alias), start);
                }
                word => {
                    segments.push(word.to_owned());
                    self.at += 1;
                }
            }
        }
        self.leaf(segments, None, start);
    }

    fn group(&mut self, prefix: &[String]) {
        self.at += 1;
        while self.at < self.code.len() && self.text(self.at) != "}" {
            if self.text(self.at) == "," {
                self.at += 1;
            } else {
                self.tree(prefix);
            }
        }
        self.at += 1;
    }

    fn leaf(&mut self, mut segments: Vec<String>, alias: Option<String>, at: usize) {
        // `a::{self}` names `a`.
        if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
            segments.pop();
        }
        let name = alias.or_else(|| segments.last().cloned());
        self.record(segments, name, at);
    }

    fn record(&mut self, segments: Vec<String>, alias: Option<String>, at: usize) {
        self.out.push(NamedPath {
            segments,
            alias,
            line: self.code[at.min(self.code.len() - 1)].line,
            scope: self.blocks.iter().flatten().cloned().collect(),
        });
    }
}
