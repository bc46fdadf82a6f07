//! What a shared object imports, read from its dynamic symbol table: the System
//! V ABI, chapters 4 and 5, 64-bit and little-endian.

const SHT_DYNSYM: u32 = 11;
const HEADER: usize = 64;
const SYMBOL: usize = 24;

fn number<const N: usize>(file: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes[..N].copy_from_slice(&file[at..at + N]);
    u64::from_le_bytes(bytes)
}

struct Section {
    kind: u32,
    link: usize,
    at: usize,
    len: usize,
}

fn section(file: &[u8], table: usize, index: usize) -> Section {
    let at = table + index * HEADER;
    Section {
        kind: number::<4>(file, at + 4) as u32,
        link: number::<4>(file, at + 40) as usize,
        at: number::<8>(file, at + 24) as usize,
        len: number::<8>(file, at + 32) as usize,
    }
}

struct Symbol {
    name: String,
    address: u64,
    is_defined: bool,
}

fn symbols(file: &[u8]) -> Vec<Symbol> {
    assert_eq!(&file[..6], b"\x7fELF\x02\x01", "a 64-bit ELF file");
    let (table, count) = (number::<8>(file, 40) as usize, number::<2>(file, 60) as usize);
    let sections: Vec<_> = (0..count).map(|i| section(file, table, i)).collect();
    let symbols = sections.iter().find(|s| s.kind == SHT_DYNSYM).expect("a dynamic symbol table");
    let names = &sections[symbols.link];
    let all = (symbols.at..symbols.at + symbols.len).step_by(SYMBOL).map(|at| {
        let name = number::<4>(file, at) as usize;
        let text = &file[names.at + name..names.at + names.len];
        let end = text.iter().position(|byte| *byte == 0).unwrap();
        Symbol {
            name: String::from_utf8(text[..end].to_vec()).unwrap(),
            address: number::<8>(file, at + 8),
            is_defined: number::<2>(file, at + 6) != 0,
        }
    });
    all.filter(|symbol| !symbol.name.is_empty()).collect()
}

/// The names of its undefined symbols, in order, each once.
pub(crate) fn imports(file: &[u8]) -> Vec<String> {
    let undefined = symbols(file).into_iter().filter(|symbol| !symbol.is_defined);
    let mut found: Vec<_> = undefined.map(|symbol| symbol.name).collect();
    found.sort();
    found.dedup();
    found
}

/// The names that it defines, and where.
pub(crate) fn exports(file: &[u8]) -> Vec<(String, u64)> {
    let defined = symbols(file).into_iter().filter(|symbol| symbol.is_defined);
    defined.map(|symbol| (symbol.name, symbol.address)).collect()
}
