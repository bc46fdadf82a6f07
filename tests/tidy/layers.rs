//! Who may import whom, as ARCHITECTURE.md draws it.

use std::collections::HashMap;

use super::paths::named_paths;
use super::source::{File, Violation, declared_by_path, declared_modules, is_test_only};

/// Layer, and order within the layer for the lone files that have one. Equal
/// ranks do not know each other.
const LAYERS: &[(&str, (u8, u8))] = &[
    ("error", (0, 0)),
    ("environment", (0, 1)),
    ("options", (0, 2)),
    ("config", (0, 3)),
    ("sys", (1, 0)),
    ("stack", (2, 0)),
    ("heap", (2, 0)),
    ("green", (3, 0)),
    ("sched", (4, 0)),
    ("time", (5, 0)),
    ("futex", (6, 0)),
    ("sync", (6, 1)),
    ("queue", (6, 2)),
    ("task", (7, 0)),
    ("generator", (7, 0)),
    ("offload", (8, 0)),
    ("calls", (9, 0)),
    ("children", (9, 0)),
    ("io", (9, 1)),
    ("net", (9, 2)),
    ("process", (9, 2)),
    ("server", (10, 0)),
    ("inspect", (11, 0)),
    ("patch", (12, 0)),
];

const RULE: &str = "layers";

fn rank(module: &str) -> Option<(u8, u8)> {
    let found = LAYERS.iter().find(|(name, _)| *name == module);
    found.map(|(_, rank)| *rank)
}

/// Where a path ends up: a folder or lone file, and the file in the folder.
struct Home {
    top: String,
    child: Option<String>,
}

/// What the maps say: each module's children in order, and the re-exports.
struct Tree {
    children: HashMap<Vec<String>, Vec<String>>,
    exports: HashMap<Vec<String>, Vec<String>>,
    macros: HashMap<String, Vec<String>>,
    /// Files that are, by `path = "…"`, a module of another name.
    stand_ins: HashMap<Vec<String>, String>,
}

impl Tree {
    fn new(files: &[File]) -> Tree {
        let mut tree = Tree {
            children: HashMap::new(),
            exports: HashMap::new(),
            macros: HashMap::new(),
            stand_ins: HashMap::new(),
        };
        for file in files {
            let module = file.module();
            for w in file.shipped.windows(3) {
                if w[0].is("macro_rules") && w[2].is_ident() {
                    tree.macros.insert(w[2].text.clone(), module.clone());
                }
            }
            if file.is_map() {
                tree.read_map(file, module);
            }
        }
        tree
    }

    fn read_map(&mut self, file: &File, module: Vec<String>) {
        let declared = declared_modules(&file.shipped);
        let children: Vec<String> = declared.into_iter().map(str::to_owned).collect();
        for path in named_paths(&file.shipped) {
            let Some(name) = path.alias.clone() else {
                continue;
            };
            let relative = || {
                let own = children.contains(&path.segments[0]);
                own.then(|| [module.as_slice(), &path.segments].concat())
            };
            if let Some(target) = path.absolute(&module).or_else(relative) {
                let public = [module.as_slice(), &path.scope, &[name]].concat();
                self.exports.insert(public, target);
            }
        }
        for (path, name) in declared_by_path(&file.shipped) {
            self.stand_ins.insert([module.as_slice(), &[path]].concat(), name);
        }
        self.children.insert(module, children);
    }

    /// The module that the file is compiled as.
    fn module(&self, file: &File) -> Vec<String> {
        let mut module = file.module();
        if let Some(name) = self.stand_ins.get(&module) {
            module.pop();
            module.push(name.clone());
        }
        module
    }

    fn resolve(&self, mut path: Vec<String>) -> Option<Home> {
        // A chain of re-exports longer than this is a cycle.
        for _ in 0..8 {
            let top = path.first()?.clone();
            let child = path.get(1).cloned();
            let own = self.children.get(&path[..1]);
            let known = |child: &String| own.is_some_and(|own| own.contains(child));
            if rank(&top).is_some() && child.as_ref().is_none_or(known) {
                return Some(Home { top, child });
            }
            let exported = (1..=path.len()).find_map(|n| self.exports.get(&path[..n]));
            if let Some(target) = exported.or_else(|| self.macros.get(&top)) {
                path = target.clone();
            } else {
                return rank(&top).map(|_| Home { top, child: None });
            }
        }
        None
    }

    /// Whether the file at `module` may import from `home`; else why not.
    fn judge(&self, module: &[String], is_map: bool, home: &Home) -> Result<(), String> {
        let Home { top, child } = home;
        let own = &module[0];
        if rank(top) < rank(own) {
            return Ok(());
        }
        if top != own {
            return Err(format!("`{top}` is not below `{own}`"));
        }
        if is_map || module.len() < 2 {
            return Ok(());
        }
        let order = &self.children[&module[..1]];
        let place = |name: &String| order.iter().position(|sibling| sibling == name);
        match child {
            None => Err(format!("name the sibling, not the map of `{own}`")),
            Some(child) if place(child) <= place(&module[1]) => Ok(()),
            Some(child) => Err(format!("`{child}` stands later in {own}/mod.rs")),
        }
    }
}

/// Every import goes to a lower layer or to an earlier sibling.
pub(crate) fn check(files: &[File]) -> Vec<Violation> {
    let tree = Tree::new(files);
    let mut found = Vec::new();
    for file in files {
        let module = tree.module(file);
        if module.is_empty() || is_test_only(files, file) {
            continue;
        }
        if rank(&module[0]).is_none() {
            found.push(file.at(RULE, 1, format!("`{}` has no layer", module[0])));
        } else if !is_declared(&tree, &module) {
            found.push(file.at(RULE, 1, "no mod.rs declares this file"));
        } else {
            found.extend(check_file(&tree, file, &module));
        }
    }
    found
}

fn is_declared(tree: &Tree, module: &[String]) -> bool {
    let (name, parent) = module.split_last().expect("not the root");
    let children = tree.children.get(parent);
    children.is_some_and(|children| children.contains(name))
}

fn check_file(tree: &Tree, file: &File, module: &[String]) -> Vec<Violation> {
    let mut found = Vec::new();
    for path in named_paths(&file.shipped) {
        let Some(absolute) = path.absolute(module) else {
            continue;
        };
        let verdict = match tree.resolve(absolute) {
            Some(home) => tree.judge(module, file.is_map(), &home),
            None => Err("leads nowhere this check can follow: import from its home".to_owned()),
        };
        if let Err(why) = verdict {
            found.push(file.at(RULE, path.line, format!("{}: {why}", path.segments.join("::"))));
        }
    }
    found
}
