//! Source files as the checks see them, and the tree they form.

use std::fs;
use std::path::Path;

use super::token::{Token, tokens};

/// One source file, by its path below the repository's root.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
    /// Everything but comments.
    pub(crate) tokens: Vec<Token>,
    /// `tokens` without what is compiled for tests only.
    pub(crate) shipped: Vec<Token>,
}

/// A rule that does not hold somewhere.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) rule: &'static str,
    pub(crate) place: String,
    pub(crate) what: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> File {
        let all = tokens(text);
        File {
            path: path.to_owned(),
            text: text.to_owned(),
            shipped: without_tests(&all),
            tokens: all,
        }
    }

    /// The module path: `src/green/park.rs` is `[green, park]`.
    pub(crate) fn module(&self) -> Vec<String> {
        let inner = self.path.trim_start_matches("src/");
        let inner = inner.trim_end_matches(".rs");
        let mut parts: Vec<String> = inner.split('/').map(str::to_owned).collect();
        if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
            parts.pop();
        }
        parts
    }

    /// Whether the file is a map: `lib.rs` or a `mod.rs`.
    pub(crate) fn is_map(&self) -> bool {
        self.path.ends_with("/lib.rs") || self.path.ends_with("/mod.rs")
    }

    pub(crate) fn at(&self, rule: &'static str, line: usize, what: impl Into<String>) -> Violation {
        Violation { rule, place: format!("{}:{line}", self.path), what: what.into() }
    }
}

/// All `.rs` files below `folder` of the repository at `root`, in stable order.
pub(crate) fn load(root: &Path, folder: &str) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a readable source folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let name = path.strip_prefix(root).expect("below the root");
                let text = fs::read_to_string(&path).expect("readable UTF-8 source");
                found.push(File::new(&name.to_string_lossy(), &text));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The names in a map's `mod x;` declarations, in their order.
pub(crate) fn declared_modules(code: &[Token]) -> Vec<&str> {
    code.windows(3)
        .filter(|w| w[0].is("mod") && w[1].is_ident() && w[2].is(";"))
        .map(|w| w[1].text.as_str())
        .collect()
}

/// Whether `file` is compiled for tests only: its map declares it under
/// `#[cfg(test)]`, or a sibling does, by `#[path = "file.rs"]`.
pub(crate) fn is_test_only(files: &[File], file: &File) -> bool {
    let mut parent = file.module();
    let Some(name) = parent.pop() else {
        return false;
    };
    files.iter().any(|other| {
        let module = other.module();
        if other.is_map() && module == parent {
            return declared_modules(&other.tokens).contains(&name.as_str())
                && !declared_modules(&other.shipped).contains(&name.as_str());
        }
        let sibling = module.len() == parent.len() + 1 && module.starts_with(&parent);
        let by_path = |code: &[Token]| declared_by_path(code).iter().any(|(path, _)| *path == name);
        sibling && by_path(&other.tokens) && !by_path(&other.shipped)
    })
}

/// Modules whose file has another name, `#[path = "file.rs"] mod name;`, or
/// may have, `#[cfg_attr(…, path = "file.rs")]`: the file's name without its
/// ending, and the module's.
pub(crate) fn declared_by_path(code: &[Token]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, w) in code.windows(3).enumerate() {
        if !(w[0].is("path") && w[1].is("=") && w[2].is_string()) {
            continue;
        }
        let file = w[2].text.trim_matches('"').trim_end_matches(".rs");
        let module = code[at..].windows(2).find(|w| w[0].is("mod"));
        if let Some(module) = module {
            found.push((file.to_owned(), module[1].text.clone()));
        }
    }
    found
}

/// The index of the bracket that closes the one at `open` (or the last token).
pub(crate) fn closing(code: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in code.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at;
        }
    }
    code.len().saturating_sub(1)
}

fn without_tests(all: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < all.len() {
        if all[at].is("#") && all.get(at + 1).is_some_and(|t| t.is("[")) {
            let end = closing(all, at + 1);
            if is_test_attribute(&all[at + 2..end]) {
                at = end_of_item(all, end + 1);
                continue;
            }
        }
        kept.push(all[at].clone());
        at += 1;
    }
    kept
}

/// `test`, `cfg(test)`, `cfg(all(test, …))`; not `cfg(not(test))`, and not
/// `cfg(any(test, …))`, which ships too.
fn is_test_attribute(attribute: &[Token]) -> bool {
    let has = |name: &str| attribute.iter().any(|t| t.is(name));
    let negated = attribute.windows(3).any(|w| w[0].is("not") && w[1].is("(") && w[2].is("test"));
    match attribute.first().map(|t| t.text.as_str()) {
        Some("test") => attribute.len() == 1,
        Some("cfg") => has("test") && !has("any") && !negated,
        _ => false,
    }
}

/// The index after the item (or field, or variant) that starts at `at`.
fn end_of_item(all: &[Token], mut at: usize) -> usize {
    let mut is_item = false;
    while at < all.len() {
        match all[at].text.as_str() {
            ";" => return at + 1,
            // Commas end a field, but also part an item's generic parameters.
            "," if !is_item => return at + 1,
            "}" => return at,
            "{" => {
                let after = closing(all, at) + 1;
                return after + usize::from(all.get(after).is_some_and(|t| t.is(";")));
            }
            "(" | "[" => at = closing(all, at) + 1,
            word => {
                is_item |= matches!(word, "fn" | "impl" | "struct" | "enum" | "trait" | "type");
                at += 1;
            }
        }
    }
    at
}
