//! Owns: finding tables, vectors and headings in SPEC.md.
//! Must never: know what they should say.
//! Laws: none.

// Each test that reads the document uses a part of this.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

/// The specification.
pub const SPEC: &str = include_str!("../../SPEC.md");

/// One row of a table, its cells trimmed.
pub type Row = Vec<&'static str>;

fn cells(line: &'static str) -> Row {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// The rows (without head and rule) of the first table after the line `mark`.
pub fn table(mark: &str) -> Vec<Row> {
    let mut lines = SPEC.lines().skip_while(|line| *line != mark);
    assert_eq!(lines.next(), Some(mark), "no line {mark:?} in SPEC.md");
    let table = lines.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    table.skip(2).map(cells).collect()
}

/// Every layout: its name, its size in bytes, its rows.
pub fn layouts() -> Vec<(&'static str, usize, Vec<Row>)> {
    let marks = SPEC.lines().filter_map(|line| Some((line, line.strip_prefix("<!-- layout: ")?)));
    let layout = |(line, rest): (&str, &'static str)| {
        let mut words = rest.trim_end_matches(" -->").split(' ');
        let (name, size) = (words.next().unwrap(), words.next().unwrap());
        (name, size.parse().unwrap(), table(line))
    };
    marks.map(layout).collect()
}

/// Every test vector: its name and its bytes.
pub fn vectors() -> Vec<(&'static str, Vec<u8>)> {
    let section = SPEC.split("## 14. Test vectors").nth(1).unwrap();
    section.split("\n### ").skip(1).map(vector).collect()
}

fn vector(text: &'static str) -> (&'static str, Vec<u8>) {
    let name = text.lines().next().unwrap();
    let hex = text.lines().skip_while(|line| *line != "```hex").skip(1).take_while(|line| *line != "```");
    let bytes = hex.flat_map(|line| line.split(';').next().unwrap().split_whitespace());
    (name, bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect())
}
