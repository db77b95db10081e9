//! Just enough of Rust's grammar to tell code from comments and strings, and to find functions and
//! the parts that only tests compile. No more: a rule that needs a real parser belongs in clippy.

use std::ops::Range;

/// A function that has a body.
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its `fn`, counted from 0.
    pub line: usize,
    /// The lines between its braces.
    pub body: Range<usize>,
}

/// `text` with every comment, string and character literal blanked out; lines stay where they are.
pub fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        for byte in out.get_mut(at..end).into_iter().flatten() {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(out).unwrap_or_default()
}

/// Where the comment or literal that starts at `at` ends; `at` itself if none starts there.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let in_word = at > 0 && is_word(bytes[at - 1]);
    match rest {
        [b'/', b'/', ..] => at + position(rest, |byte| byte == b'\n'),
        [b'/', b'*', ..] => at + block_comment(rest),
        [b'"', ..] => at + 1 + quoted(&rest[1..]),
        [b'r', b'"' | b'#', ..] if !in_word => at + raw_string(rest),
        [b'b' | b'c', b'r', b'"' | b'#', ..] if !in_word => at + 1 + raw_string(&rest[1..]),
        [b'\'', b'\\', _, tail @ ..] => at + 3 + position(tail, |byte| byte == b'\'') + 1,
        [b'\'', _, b'\'', ..] => at + 3,
        _ => at,
    }
}

fn position(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| wanted(*byte)).unwrap_or(bytes.len())
}

fn block_comment(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(bytes: &[u8]) -> usize {
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r#"..."#` with any number of hashes; `r#name` is a word and no string.
fn raw_string(bytes: &[u8]) -> usize {
    let hashes = position(&bytes[1..], |byte| byte != b'#');
    if bytes.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let mut end = vec![b'"'];
    end.resize(1 + hashes, b'#');
    let body = &bytes[2 + hashes..];
    let closes = body.windows(end.len()).position(|window| window == end);
    closes.map_or(bytes.len(), |at| 2 + hashes + at + end.len())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where `wanted` stands in `code` without being part of a longer word.
pub fn find(code: &str, wanted: &str) -> Vec<usize> {
    let bytes = code.as_bytes();
    let starts_word = wanted.bytes().next().is_some_and(is_word);
    let ends_word = wanted.bytes().last().is_some_and(is_word);
    let whole = |at: usize| {
        let before = starts_word && at > 0 && is_word(bytes[at - 1]);
        let after = ends_word && bytes.get(at + wanted.len()).copied().is_some_and(is_word);
        !before && !after
    };
    code.match_indices(wanted).map(|(at, _)| at).filter(|at| whole(*at)).collect()
}

/// The line of an offset, counted from 0.
pub fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count()
}

/// The functions in `code` (as [`code`] gives it) that have a body.
pub fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for at in find(code, "fn") {
        let name: String =
            code[at + 2..].trim_start().bytes().take_while(|b| is_word(*b)).map(char::from).collect();
        let Some(open) = (!name.is_empty()).then(|| body(code, at)).flatten() else { continue };
        let close = closing(code, open);
        let (first, last) = (line_of(code, open) + 1, line_of(code, close));
        found.push(Function { name, line: line_of(code, at), body: first..last.max(first) });
    }
    found
}

/// The brace that opens the body of the item at `at`, if it has one.
fn body(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (offset, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(offset),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The brace that closes the one at `open`.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_i32;
    for (offset, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return offset;
        }
    }
    code.len()
}

/// `code` with everything behind `#[cfg(test)]` blanked out.
pub fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    for at in find(code, "#[cfg(test)]").into_iter().rev() {
        let end = body(code, at + "#[cfg(test)]".len()).map(|open| closing(code, open) + 1);
        let Some(end) = end else { continue };
        let blank: String = code[at..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        out.replace_range(at..end, &blank);
    }
    out
}

#[test]
fn comments_and_literals_are_blanked() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"f("x \" y") z"#, "f(        ) z"),
        ("r#\"a \" b\"# c", "           c"),
        ("'a' '\\n' '\\'' &'a str", "              &'a str"),
        ("for_r#type", "for_r#type"),
        ("br\"x\" y", "      y"),
    ];
    for (text, expected) in cases {
        assert_eq!(code(text), expected, "{text}");
    }
}

#[test]
fn functions_are_found_with_their_lines() {
    let text = "fn a() {\n}\ntrait T { fn b(); }\nfn c(f: fn(u8) -> [u8; 2])\nwhere\n{\n if x { y }\n}\n";
    let found: Vec<_> = functions(text).into_iter().map(|f| (f.name, f.line, f.body)).collect();
    assert_eq!(found, [("a".into(), 0, 1..1), ("c".into(), 3, 6..7)]);
}

#[test]
fn a_word_is_found_only_whole() {
    assert_eq!(find("rand fastrand rand::x operand", "rand"), [0, 14]);
    assert_eq!(find("a.sleep(1) nosleep(2)", "sleep("), [2]);
}

#[test]
fn what_only_tests_compile_is_left_out() {
    let text = "a;\n#[cfg(test)]\nmod tests {\n b { }\n}\nc;";
    assert_eq!(without_tests(text).split_whitespace().collect::<Vec<_>>(), ["a;", "c;"]);
}
