//! The shape of files: opening doc, length, length of functions, maps without
//! logic, folders one level deep.

use super::source::{File, Violation, closing};
use super::token::Token;

/// A longer file is two files.
const FILE_LINES: usize = 300;
/// No reason makes a file longer than this good.
const FILE_LINES_EVER: usize = 600;
const FUNCTION_LINES: usize = 40;

/// A file or function that may be longer, and why: `("src/a.rs", "why")` for
/// a file, `("src/a.rs: name", "why")` for a function.
pub(crate) type Allowed = (&'static str, &'static str);

/// Each file opens by saying what it is.
pub(crate) fn opening_doc(files: &[File]) -> Vec<Violation> {
    let silent = files.iter().filter(|file| !file.text.starts_with("//!"));
    let report = |file: &File| file.at("opening doc", 1, "does not open with `//!`");
    silent.map(report).collect()
}

/// `src/folder/file.rs` at the deepest.
pub(crate) fn one_level(files: &[File]) -> Vec<Violation> {
    let deep = files.iter().filter(|f| f.path.split('/').count() > 3);
    deep.map(|file| file.at("one level", 1, "more than one folder below src")).collect()
}

/// No file over the limit, unless allowed; none at all over the hard limit.
pub(crate) fn file_length(files: &[File], allowed: &[Allowed]) -> Vec<Violation> {
    let mut used = Vec::new();
    let mut found = Vec::new();
    for file in files {
        let lines = file.text.lines().count();
        if lines <= FILE_LINES {
            continue;
        }
        let excuse = allowed.iter().find(|(path, _)| *path == file.path);
        used.extend(excuse.map(|(path, _)| *path));
        if lines > FILE_LINES_EVER || excuse.is_none() {
            found.push(file.at("file length", lines, format!("{lines} lines")));
        }
    }
    found.extend(unused("file length", allowed, &used));
    found
}

/// No function with a longer body than the limit, unless allowed.
pub(crate) fn function_length(files: &[File], allowed: &[Allowed]) -> Vec<Violation> {
    let mut used = Vec::new();
    let mut found = Vec::new();
    for file in files {
        for (name, line, lines) in functions(&file.shipped) {
            if lines <= FUNCTION_LINES {
                continue;
            }
            let key = format!("{}: {name}", file.path);
            if let Some((known, _)) = allowed.iter().find(|(known, _)| *known == key) {
                used.push(*known);
            } else {
                let what = format!("`{name}` has {lines} lines");
                found.push(file.at("function length", line, what));
            }
        }
    }
    found.extend(unused("function length", allowed, &used));
    found
}

/// Name, line and length of body of every function that has a body.
pub(crate) fn functions(code: &[Token]) -> Vec<(&str, usize, usize)> {
    let mut found = Vec::new();
    for (at, pair) in code.windows(2).enumerate() {
        // `fn (` is the type of a pointer; `fn $name` stands in a macro.
        if !pair[0].is("fn") || !(pair[1].is_ident() || pair[1].is("$")) {
            continue;
        }
        let mut open = at + 1;
        while open < code.len() && !matches!(code[open].text.as_str(), "{" | ";") {
            let skip = matches!(code[open].text.as_str(), "(" | "[");
            open = if skip { closing(code, open) } else { open } + 1;
        }
        if open < code.len() && code[open].is("{") {
            let end = code[closing(code, open)].line;
            let lines = end.saturating_sub(code[open].line + 1);
            found.push((pair[1].text.as_str(), pair[0].line, lines));
        }
    }
    found
}

/// An excuse that excuses nothing is struck off, lest it cover the next case.
fn unused(rule: &'static str, allowed: &[Allowed], used: &[&str]) -> Vec<Violation> {
    let stale = allowed.iter().filter(|(key, _)| !used.contains(key));
    stale
        .map(|(key, reason)| Violation {
            rule,
            place: (*key).to_owned(),
            what: format!("needs no excuse any more: {reason}"),
        })
        .collect()
}

/// `lib.rs` and every `mod.rs` hold `mod` and `use` and nothing else.
pub(crate) fn maps_without_logic(files: &[File]) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_map()) {
        if let Some(token) = first_logic(&file.tokens) {
            let what = format!("`{}`: a map holds only `mod` and `use`", token.text);
            found.push(file.at("maps", token.line, what));
        }
    }
    found
}

/// The first token of the first item that a map may not hold.
fn first_logic(code: &[Token]) -> Option<&Token> {
    let mut at = 0;
    while at < code.len() {
        let is = |ahead: usize, text: &str| code.get(at + ahead).is_some_and(|t| t.is(text));
        if is(0, "#") {
            let open = at + 1 + usize::from(is(1, "!"));
            at = closing(code, open) + 1;
        } else if is(0, "pub") {
            at = if is(1, "(") { closing(code, at + 1) } else { at } + 1;
        } else if is(0, "use") || (is(0, "mod") && is(2, ";")) {
            at += code[at..].iter().position(|t| t.is(";"))? + 1;
        } else if is(0, "mod") && is(2, "{") {
            // An inline module is a map too.
            let end = closing(code, at + 2);
            let inner = first_logic(&code[at + 3..end]);
            if inner.is_some() {
                return inner;
            }
            at = end + 1;
        } else {
            return Some(&code[at]);
        }
    }
    None
}
