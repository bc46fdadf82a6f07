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

/// The names of its undefined symbols, in order, each once.
pub(crate) fn imports(file: &[u8]) -> Vec<String> {
    assert_eq!(&file[..6], b"\x7fELF\x02\x01", "a 64-bit ELF file");
    let (table, count) = (number::<8>(file, 40) as usize, number::<2>(file, 60) as usize);
    let sections: Vec<_> = (0..count).map(|i| section(file, table, i)).collect();
    let symbols = sections.iter().find(|s| s.kind == SHT_DYNSYM).expect("a dynamic symbol table");
    let names = &sections[symbols.link];
    let mut found = Vec::new();
    for at in (symbols.at..symbols.at + symbols.len).step_by(SYMBOL) {
        let (name, defined_in) = (number::<4>(file, at) as usize, number::<2>(file, at + 6));
        let text = &file[names.at + name..names.at + names.len];
        let end = text.iter().position(|byte| *byte == 0).unwrap();
        if defined_in == 0 && end > 0 {
            found.push(String::from_utf8(text[..end].to_vec()).unwrap());
        }
    }
    found.sort();
    found.dedup();
    found
}
