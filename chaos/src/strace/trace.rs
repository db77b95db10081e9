//! One line of strace's output (`-f -y -xx`) as what it says: a call that begins, that ends, or both.
//! Must never: take a part of a written buffer for the whole without saying so.
//! Laws: reads what L3 is checked on.

/// A system call as it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// What its first argument is open on: a path, or `socket:[...]`.
    pub on: String,
    /// The bytes of its buffers, one after the other.
    pub bytes: Vec<u8>,
    /// More bytes were there than strace shows.
    pub cut: bool,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// What it returned; `None` if it failed or never returned.
    pub value: Option<usize>,
    /// strace made it fail.
    pub injected: bool,
}

/// What a line says of which thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A call began; other lines come before its end.
    Began(u32, Call),
    /// The call that this thread had begun ended.
    Ended(u32, End),
    /// A call began and ended with nothing between.
    Whole(u32, Call, End),
    /// Signals, exits.
    Other,
}

/// Reads a line.
pub fn read(line: &str) -> Line {
    parse(line.trim_end()).unwrap_or(Line::Other)
}

fn parse(line: &str) -> Option<Line> {
    let (thread, rest) = line.split_once(' ')?;
    let (thread, rest) = (thread.parse().ok()?, rest.trim_start());
    if rest.starts_with("<... ") {
        return Some(Line::Ended(thread, end(rest)?));
    }
    let (name, arguments) = rest.split_once('(')?;
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return None;
    }
    match arguments.strip_suffix("<unfinished ...>") {
        Some(arguments) => Some(Line::Began(thread, call(name, arguments))),
        None => Some(Line::Whole(thread, call(name, arguments), end(arguments)?)),
    }
}

/// Everything behind the last ` = `: buffers are in hexadecimal and can't hold one.
fn end(text: &str) -> Option<End> {
    let (_, result) = text.rsplit_once(" = ")?;
    let value = result.split(' ').next().and_then(|value| value.parse().ok());
    Some(End { value, injected: result.ends_with("(INJECTED)") })
}

fn call(name: &str, arguments: &str) -> Call {
    let first = arguments.split([',', ')']).next().unwrap_or_default();
    let on = first.split_once('<').and_then(|(_, on)| on.rsplit_once('>')).map_or("", |(on, _)| on);
    let on =
        if on.contains("\\x") { String::from_utf8_lossy(&bytes(on)).into_owned() } else { on.to_owned() };
    let mut call = Call { name: name.to_owned(), on, ..Call::default() };
    let mut quoted = arguments.split('"').skip(1);
    while let Some(buffer) = quoted.next() {
        call.bytes.extend(bytes(buffer));
        call.cut |= quoted.next().is_some_and(|after| after.starts_with("..."));
    }
    call
}

/// The bytes that `\x41\x42` stands for.
fn bytes(text: &str) -> Vec<u8> {
    let digits = text.split("\\x").skip(1);
    digits.filter_map(|digits| u8::from_str_radix(digits.get(..2)?, 16).ok()).collect()
}
