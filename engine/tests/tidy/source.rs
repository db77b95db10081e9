//! Rules over Rust sources: headers, sizes, and what may not be said in which room.

use crate::rust_text::{code, find, functions, line_of, without_tests};
use crate::tree::{File, Tree};

/// Lines of a file outside its tests, and of any file at all.
const FILE_LINES: usize = 600;
const FILE_LINES_AT_ALL: usize = 700;
const FUNCTION_LINES: usize = 70;

/// The modules with `unsafe`; each says in its header why.
const UNSAFE_ROOMS: [&str; 2] = ["actors/src/prefetch.rs", "gateway/src/huge_pages.rs"];

/// What a room may not say outside its tests, and why.
struct Ban {
    rooms: &'static [&'static str],
    except: &'static [&'static str],
    words: &'static [&'static str],
    why: &'static str,
}

const PURE: &[&str] = &["ledger/src/", "actors/src/", "gateway/wire/src/"];

const BANS: [Ban; 5] = [
    Ban {
        rooms: PURE,
        except: &["ledger/src/journal/embedded/os_disk.rs"],
        words: &["SystemTime", "Instant", "rand", "fastrand", "RandomState", "tokio", "async", "sleep"],
        why: "recording and deciding are the same in every run: time and chance are handed in",
    },
    Ban {
        rooms: PURE,
        except: &["ledger/src/journal/embedded/os_disk.rs"],
        words: &["std::fs", "std::net", "std::env", "thread::spawn", "thread::Builder", "thread::scope"],
        why: "the disk of the embedded store is the only IO, and whoever drives owns the threads",
    },
    Ban {
        rooms: PURE,
        except: &["ledger/src/audit/table.rs"],
        words: &["collections::HashMap", "collections::HashSet", "hash_map::DefaultHasher"],
        why: "the default hasher is another one in every process: name one",
    },
    Ban { rooms: PURE, except: &[], words: &["f32", "f64"], why: "no float near an amount" },
    // Supervision measures its own back-off: the simulator, which hands in the time, does not run it.
    Ban {
        rooms: &["engine/src/"],
        except: &["engine/src/host.rs", "engine/src/supervise.rs"],
        words: &[
            "SystemTime::now",
            "Instant::now",
            "sleep",
            "std::fs",
            "std::net",
            "std::env",
            "rand",
            "fastrand",
        ],
        why: "the host is the one door to time and files; sockets and chance are the gateway's",
    },
];

/// Every file opens with `//!`: what it owns and what it must never do.
pub fn headers(tree: &Tree) -> Vec<String> {
    let bare = tree.rust().filter(|file| !file.text.starts_with("//! "));
    bare.map(|file| format!("{}: does not open with a `//!` header", file.path)).collect()
}

/// Files and functions that a person can read at one sitting. Comments make no function long.
pub fn sizes(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for file in tree.rust() {
        let lines = file.text.lines().count();
        let code = code(&file.text);
        let tested = code.lines().count() - lines_left(&code);
        let limit = if is_test(tree, file) { FILE_LINES_AT_ALL } else { FILE_LINES };
        if lines > FILE_LINES_AT_ALL || lines - tested > limit {
            broken.push(format!("{}: {lines} lines, {tested} of them tests", file.path));
        }
        for function in functions(&code) {
            let whole = file.text.lines().skip(function.body.start).take(function.body.len());
            let lines =
                whole.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count();
            if lines > FUNCTION_LINES {
                let line = function.line + 1;
                broken.push(format!("{}:{line}: `{}` has {lines} lines", file.path, function.name));
            }
        }
    }
    broken
}

/// Lines of `code` that are not behind `#[cfg(test)]`.
fn lines_left(code: &str) -> usize {
    let left = without_tests(code);
    let gone = code.lines().zip(left.lines()).filter(|(before, after)| before.trim() != after.trim());
    code.lines().count() - gone.count()
}

/// Whether only tests compile the file.
fn is_test(tree: &Tree, file: &File) -> bool {
    let path = file.path.as_str();
    if path.starts_with("tests/") || path.contains("/tests/") {
        return true;
    }
    let stem = path.trim_end_matches("/mod.rs").trim_end_matches(".rs");
    let Some((folder, name)) = stem.rsplit_once('/') else { return false };
    let parents = [
        format!("{folder}/lib.rs"),
        format!("{folder}/main.rs"),
        format!("{folder}/mod.rs"),
        format!("{folder}.rs"),
    ];
    let declared = format!("#[cfg(test)]\nmod {name};");
    parents.iter().filter_map(|parent| tree.text(parent)).any(|text| text.contains(&declared))
}

/// `unsafe` only in the modules that are named for it.
pub fn unsafe_rooms(tree: &Tree) -> Vec<String> {
    let outside = tree.rust().filter(|file| !UNSAFE_ROOMS.contains(&file.path.as_str()));
    outside.flat_map(|file| said(file, &code(&file.text), "unsafe", "not a room for it")).collect()
}

/// What the pure half and the engine may not say.
pub fn deterministic(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for file in tree.rust().filter(|file| !is_test(tree, file)) {
        let code = ungrouped(&without_tests(&code(&file.text)));
        let applies = |ban: &&Ban| {
            ban.rooms.iter().any(|room| file.path.starts_with(room))
                && !ban.except.contains(&file.path.as_str())
        };
        for ban in BANS.iter().filter(applies) {
            broken.extend(ban.words.iter().flat_map(|word| said(file, &code, word, ban.why)));
        }
    }
    broken
}

/// `code` with `std::collections::{A, B}` written as `std::collections::A, collections::B`.
fn ungrouped(code: &str) -> String {
    let mut parts = code.split("collections::{");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |whole, part| {
        let (group, rest) = part.split_once('}').unwrap_or((part, ""));
        let names: Vec<_> =
            group.split(',').map(|name| format!("collections::{}", name.trim_start())).collect();
        whole + &names.join(",") + rest
    })
}

/// Nothing is left for later, no test is switched off, no test sleeps.
pub fn stubs(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for file in tree.rust() {
        let whole = code(&file.text);
        for word in ["todo!", "unimplemented!", "#[ignore"] {
            broken.extend(said(file, &whole, word, "do it now or say so in an issue"));
        }
        let product = without_tests(&whole);
        let slept = find(&whole, "sleep(").into_iter();
        let slept = slept.filter(|at| is_test(tree, file) || product.as_bytes()[*at] == b' ');
        broken.extend(slept.map(|at| format!("{}:{}: a test sleeps", file.path, line_of(&whole, at) + 1)));
    }
    broken
}

/// A file of tests that only a build with mutants compiles is run by name, or nobody notices that it
/// is not run at all.
pub fn gated(tree: &Tree) -> Vec<String> {
    let script = tree.text("test").unwrap_or_default();
    let gated = tree.rust().filter(|file| file.text.contains("#![cfg(feature = \"mutants\")]\n"));
    let missed = gated.filter(|file| {
        let name = file.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        find(script, &format!("--test {name}")).is_empty()
    });
    missed.map(|file| format!("{}: ./test does not run it", file.path)).collect()
}

/// Laws whose machinery is not built: a test of them would test nothing. The list only shrinks.
const LAWS_TO_COME: [(&str, &str); 1] = [("L11", "no offline sales yet")];

/// Every law of the registry is named by a test or by the breakers.
pub fn laws(tree: &Tree) -> Vec<String> {
    let Some(registry) = tree.text("ledger/src/law.rs") else {
        return vec!["ledger/src/law.rs: missing".into()];
    };
    let mut broken = Vec::new();
    for (id, variant) in registered(registry) {
        let names = |file: &&File| {
            let tests = is_test(tree, file) || file.path.starts_with("chaos/");
            tests && !file.path.contains("/tests/tidy") && mentions(&file.text, &id, &variant)
        };
        let tested = tree.rust().find(names);
        match (tested, LAWS_TO_COME.iter().find(|(later, _)| *later == id)) {
            (None, None) => broken.push(format!("{id} ({variant}): no test names it")),
            (Some(file), Some(_)) => {
                broken.push(format!("{id} has a test in {}: take it off the list", file.path));
            }
            _ => {}
        }
        let wired = between(registry, "pub const WIRED", "];").contains(&format!("Self::{variant},"));
        let call = format!("Law::{variant}.holds");
        let product = |file: &&File| !is_test(tree, file) && file.path.contains("/src/");
        let evaluated =
            tree.rust().filter(product).any(|file| without_tests(&code(&file.text)).contains(&call));
        if wired != evaluated {
            let what =
                if wired { "has a counter that nothing can raise" } else { "is counted and not shown" };
            broken.push(format!("{id} ({variant}): {what}: see `Law::WIRED`"));
        }
    }
    broken
}

/// What stands in `text` from `begin` to the next `end`.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let from = text.find(begin).map_or("", |at| &text[at..]);
    from.find(end).map_or("", |at| &from[..at])
}

fn mentions(text: &str, id: &str, variant: &str) -> bool {
    !find(text, id).is_empty() || !find(text, &format!("Law::{variant}")).is_empty()
}

/// Id and variant of each law: `/// L1: ...` above `Conservation = 1,`.
fn registered(registry: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = registry.lines().map(str::trim).collect();
    let law = |pair: &[&str]| {
        let id = pair[0].strip_prefix("/// L")?.split(':').next()?;
        let (variant, number) = pair[1].trim_end_matches(',').split_once(" = ")?;
        (id == number).then(|| (format!("L{id}"), variant.to_owned()))
    };
    lines.windows(2).filter_map(law).collect()
}

/// A source reads the same in every editor, terminal and mail.
pub fn ascii(tree: &Tree) -> Vec<String> {
    let is_source = |file: &&File| {
        let extension = file.path.rsplit('/').next().unwrap_or_default().rsplit_once('.');
        extension.is_none_or(|(_, end)| ["rs", "toml", "sh", "lock"].contains(&end))
    };
    let odd = tree.files.iter().filter(is_source).flat_map(|file| {
        let lines = file.text.lines().enumerate().filter(|(_, line)| !line.is_ascii());
        lines.map(|(line, _)| format!("{}:{}: not ASCII", file.path, line + 1))
    });
    odd.collect()
}

/// The places where `code` says `word`.
fn said(file: &File, code: &str, word: &str, why: &str) -> Vec<String> {
    let places = find(code, word).into_iter();
    places.map(|at| format!("{}:{}: `{word}`: {why}", file.path, line_of(code, at) + 1)).collect()
}

/// The public functions of the actors that may change what they are called on: `apply`, which is the
/// one way, over one record and over a block of them; sharing an equal configuration, which changes
/// nothing that shows; and `learn`, of what a core knows about tags, which is no actor's state.
const CHANGES: [&str; 5] = ["apply", "apply_block", "apply_block_to", "share_configuration", "learn"];

/// Actors are reached by address and message: no public function of theirs hands out state to be
/// changed, and none but those above changes any.
pub fn state_stays_inside(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for file in tree.rust().filter(|file| file.path.starts_with("actors/src/")) {
        let code = without_tests(&code(&file.text));
        for at in find(&code, "pub fn").into_iter().chain(find(&code, "pub const fn")) {
            let signature = code[at..].split(['{', ';']).next().unwrap_or_default();
            let name = signature.split("fn ").nth(1).unwrap_or_default();
            let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let (takes, gives) = signature.split_once("->").unwrap_or((signature, ""));
            let hands_out = gives.contains("&mut ") || gives.contains("IterMut");
            let changes = takes.contains("&mut self") || takes.contains("&mut ShardState");
            if hands_out || changes && !CHANGES.contains(&name.as_str()) {
                let line = line_of(&code, at) + 1;
                let path = &file.path;
                broken.push(format!("{path}:{line}: `{name}`: an actor's state is changed by `apply` alone"));
            }
        }
    }
    broken
}

#[cfg(test)]
mod can_fail {
    use super::*;

    fn one(path: &str, text: &str) -> Tree {
        Tree::of(&[(path, text)])
    }

    #[test]
    fn a_file_without_a_header() {
        assert_eq!(headers(&one("ledger/src/a.rs", "use x;\n")).len(), 1);
        assert_eq!(headers(&one("ledger/src/a.rs", "//! Owns x.\n")).len(), 0);
    }

    #[test]
    fn a_file_and_a_function_too_long() {
        let product = "const A: u8 = 1;\n".repeat(FILE_LINES);
        let test = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "use b;\n".repeat(90));
        assert_eq!(sizes(&one("ledger/src/a.rs", &product)).len(), 0);
        assert_eq!(sizes(&one("ledger/src/a.rs", &(product.clone() + "use b;\n"))).len(), 1);
        assert_eq!(sizes(&one("ledger/src/a.rs", &(product.clone() + &test))).len(), 0);
        assert_eq!(sizes(&one("ledger/tests/a.rs", &(product.clone() + "use b;\n"))).len(), 0);
        assert_eq!(sizes(&one("ledger/tests/a.rs", &product.repeat(2))).len(), 1);
        let function = |lines| format!("fn a() {{\n{}}}\n", "    b();\n".repeat(lines));
        assert_eq!(sizes(&one("a.rs", &function(FUNCTION_LINES))).len(), 0);
        assert_eq!(sizes(&one("a.rs", &function(FUNCTION_LINES + 1))).len(), 1);
    }

    #[test]
    fn a_test_module_in_a_file_of_its_own() {
        let long = "use b;\n".repeat(FILE_LINES + 1);
        let declared = Tree::of(&[("a/src/lib.rs", "#[cfg(test)]\nmod model;\n"), ("a/src/model.rs", &long)]);
        let product = Tree::of(&[("a/src/lib.rs", "mod model;\n"), ("a/src/model.rs", &long)]);
        assert_eq!((sizes(&declared).len(), sizes(&product).len()), (0, 1));
    }

    #[test]
    fn unsafe_in_another_room() {
        let text = "fn a() { unsafe { b() } } // unsafe\n";
        assert_eq!(unsafe_rooms(&one("engine/src/a.rs", text)).len(), 1);
        assert_eq!(unsafe_rooms(&one(UNSAFE_ROOMS[0], text)).len(), 0);
    }

    #[test]
    fn a_clock_a_map_and_a_float_in_the_deciding_half() {
        for bad in [
            "let now = std::time::Instant::now();",
            "use std::collections::{BTreeMap, HashMap};",
            "let x: f64 = y;",
            "rand::random()",
        ] {
            assert!(!deterministic(&one("actors/src/a.rs", bad)).is_empty(), "{bad}");
            assert!(deterministic(&one("loadtest/src/a.rs", bad)).is_empty(), "{bad}");
            assert!(deterministic(&one("actors/tests/a.rs", bad)).is_empty(), "{bad}");
            let test = format!("#[cfg(test)]\nmod tests {{ fn a() {{ {bad} }} }}");
            assert!(deterministic(&one("actors/src/a.rs", &test)).is_empty(), "{bad}");
        }
        assert_eq!(deterministic(&one("engine/src/a.rs", "Instant::now()")).len(), 1);
        assert_eq!(deterministic(&one("engine/src/host.rs", "Instant::now()")).len(), 0);
    }

    #[test]
    fn a_stub_an_ignored_and_a_sleeping_test() {
        for bad in ["fn a() { todo!() }", "#[test]\n#[ignore]\nfn a() {}", "#[ignore = \"slow\"]"] {
            assert_eq!(stubs(&one("chaos/src/a.rs", bad)).len(), 1, "{bad}");
        }
        let sleeps = "fn a() { std::thread::sleep(b) }";
        assert_eq!(stubs(&one("engine/tests/a.rs", sleeps)).len(), 1);
        assert_eq!(stubs(&one("engine/src/a.rs", &format!("#[cfg(test)]\nmod t {{ {sleeps} }}"))).len(), 1);
        assert_eq!(stubs(&one("loadtest/src/a.rs", sleeps)).len(), 0);
        assert_eq!(stubs(&one("loadtest/src/a.rs", "// todo! later")).len(), 0);
    }

    #[test]
    fn a_gated_test_that_the_script_does_not_run() {
        let file = ("ledger/tests/a.rs", "//! x\n#![cfg(feature = \"mutants\")]\nuse b;\n");
        assert_eq!(gated(&Tree::of(&[file, ("test", "cargo test --test ab")])).len(), 1);
        assert_eq!(gated(&Tree::of(&[file, ("test", "cargo test --test a")])).len(), 0);
    }

    #[test]
    fn a_law_without_a_test_and_one_too_long_on_the_list() {
        let registry = "/// L1: sums.\nConservation = 1,\n/// L11: less.\nOfflineExposure = 11,\n";
        let law = ("ledger/src/law.rs", registry);
        assert_eq!(laws(&Tree::of(&[law])), ["L1 (Conservation): no test names it"]);
        assert_eq!(laws(&Tree::of(&[law, ("a/tests/b.rs", "// L1\n")])).len(), 0);
        assert_eq!(laws(&Tree::of(&[law, ("a/tests/b.rs", "Law::Conservation")])).len(), 0);
        assert_eq!(laws(&Tree::of(&[law, ("a/tests/b.rs", "// L12\n")])).len(), 1);
        assert_eq!(laws(&Tree::of(&[law, ("a/tests/b.rs", "// L1 L11\n")])).len(), 1);
        assert_eq!(laws(&Tree::of(&[])).len(), 1);
    }

    #[test]
    fn a_law_with_a_counter_that_nothing_raises_and_one_that_nobody_sees() {
        let registry = |wired: &str| {
            format!("/// L1: sums.\nConservation = 1,\npub const WIRED: [Self; 1] = [\n{wired}\n];\n// L1")
        };
        let found = |wired: &str, source: &str| {
            let registry = registry(wired);
            let law = ("ledger/src/law.rs", registry.as_str());
            laws(&Tree::of(&[law, ("a/tests/b.rs", "// L1\n"), ("engine/src/a.rs", source)]))
        };
        let (wired, evaluated) = ("Self::Conservation,", "fn a() { Law::Conservation.holds(b); }");
        assert_eq!(found(wired, evaluated), [""; 0]);
        assert_eq!(found("", ""), [""; 0]);
        assert_eq!(found(wired, "// Law::Conservation.holds(b)").len(), 1);
        assert_eq!(found("", evaluated).len(), 1);
    }

    #[test]
    fn a_function_that_hands_out_an_actors_state() {
        let check = |text: &str| state_stays_inside(&one("actors/src/a.rs", text)).len();
        assert_eq!(check("pub fn wallet(&mut self) -> &mut Wallet { &mut self.a }"), 1);
        assert_eq!(check("pub fn all(&self) -> impl Iterator<Item = &mut Wallet> { a }"), 1);
        assert_eq!(check("pub fn set(&mut self, minor: i64) { a }"), 1);
        assert_eq!(check("pub fn pay(\n    state: &mut ShardState,\n) { a }"), 1);
        assert_eq!(check("pub fn apply(&mut self, record: &Record) { a }"), 0);
        assert_eq!(check("pub(crate) fn at_mut(&mut self) -> &mut Wallet { a }"), 0);
        assert_eq!(check("pub fn balances(&self) -> Balances { let b = &mut c; b }"), 0);
        let elsewhere = "pub fn wallet(&mut self) -> &mut Wallet { a }";
        assert_eq!(state_stays_inside(&one("ledger/src/a.rs", elsewhere)).len(), 0);
    }

    #[test]
    fn a_letter_that_is_not_ascii() {
        assert_eq!(ascii(&one("a/src/a.rs", "// caf\u{e9}\n")).len(), 1);
        assert_eq!(ascii(&one("test", "# \u{2013}\n")).len(), 1);
        assert_eq!(ascii(&one("README.md", "caf\u{e9}\n")).len(), 0);
    }
}
