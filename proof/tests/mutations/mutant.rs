//! Change a file: bytes, lines and JSON members, one by one or by seed.

use countersign_proof::canonical;
use serde_json::{Map, Value, json};

/// SplitMix64: small, and the same everywhere.
pub struct Seeded(pub u64);

impl Seeded {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Each `every`th byte with one bit flipped.
pub fn flips<'a>(file: &'a [u8], every: usize, seeded: &'a mut Seeded) -> impl Iterator<Item = Vec<u8>> + 'a {
    (0..file.len()).step_by(every).map(move |at| {
        let mut mutant = file.to_vec();
        mutant[at] ^= 1 << seeded.below(8);
        mutant
    })
}

/// One to three changes of bytes, stretches, digits and lines, now and then with a stretch of another file.
pub fn random(file: &[u8], other: &[u8], seeded: &mut Seeded) -> Vec<u8> {
    let mut mutant = file.to_vec();
    for _ in 0..=seeded.below(3) {
        mutate(&mut mutant, other, seeded);
    }
    mutant
}

fn mutate(mutant: &mut Vec<u8>, other: &[u8], seeded: &mut Seeded) {
    let at = seeded.below(mutant.len());
    let end = (at + 1 + seeded.below(60)).min(mutant.len());
    match seeded.below(8) {
        0 if !mutant.is_empty() => mutant[at] = b"0123456789abcdefABCDEF+/=\n ,:{}[]\"\\"[seeded.below(35)],
        1 => drop(mutant.drain(at..end)),
        2 => mutant.insert(at, seeded.next() as u8),
        3 => {
            let stretch = mutant[at..end].to_vec();
            mutant.splice(end..end, stretch);
        }
        4 => change_lines(mutant, seeded),
        5 => {
            let from = seeded.below(other.len());
            let stretch = other[from..(from + end - at).min(other.len())].to_vec();
            mutant.splice(at..end, stretch);
        }
        6 => {
            let digits: Vec<usize> = (0..mutant.len()).filter(|at| mutant[*at].is_ascii_digit()).collect();
            if let Some(at) = digits.get(seeded.below(digits.len())) {
                mutant[*at] = b'0' + seeded.below(10) as u8;
            }
        }
        _ => mutant.truncate(at),
    }
}

/// Every line left out, written twice, and swapped with the next.
pub fn lines(file: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(file);
    let feed = feed(&text);
    let lines: Vec<&str> = text.split(feed).collect();
    let with = |change: &dyn Fn(&mut Vec<&str>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        lines.join(feed).into_bytes()
    };
    let of_line = |at: usize| {
        let swapped = (at + 1 < lines.len()).then(|| with(&|lines| lines.swap(at, at + 1)));
        let left_out = with(&|lines| {
            lines.remove(at);
        });
        let twice = with(&|lines| lines.insert(at, lines[at]));
        [left_out, twice].into_iter().chain(swapped)
    };
    (0..lines.len()).flat_map(of_line).collect()
}

/// Lines are split where the file has line feeds, as bytes or as JSON escapes.
fn feed(text: &str) -> &'static str {
    if text.contains('\n') { "\n" } else { "\\n" }
}

fn change_lines(mutant: &mut Vec<u8>, seeded: &mut Seeded) {
    let text = String::from_utf8_lossy(mutant).into_owned();
    let feed = feed(&text);
    let mut lines: Vec<&str> = text.split(feed).collect();
    let (one, other) = (seeded.below(lines.len()), seeded.below(lines.len()));
    match seeded.below(3) {
        0 => lines.swap(one, other),
        1 => lines.insert(one, lines[other]),
        _ => {
            lines.remove(one);
        }
    }
    *mutant = lines.join(feed).into_bytes();
}

/// Every member removed, renamed, written twice, swapped with each sibling, and replaced: by null, by other values, by what the others have there.
pub fn members(file: &[u8], others: &[&[u8]]) -> Vec<Vec<u8>> {
    let whole: Value = serde_json::from_slice(file).expect("JSON");
    let others: Vec<Value> = others.iter().map(|other| serde_json::from_slice(other).expect("JSON")).collect();
    let mut mutants = Vec::new();
    for pointer in pointers(&whole) {
        let (parent, name) = pointer.rsplit_once('/').expect("below the root");
        let with = |change: &dyn Fn(&mut Value)| {
            let mut mutant = whole.clone();
            change(mutant.pointer_mut(parent).expect("it is there"));
            canonical(&mutant)
        };
        let value = whole.pointer(&pointer).expect("it is there");
        if let Some(Value::Object(_)) = whole.pointer(parent) {
            let name = unescape(name);
            let rename = |to: &str, keep: bool| {
                with(&|parent| {
                    let members: &mut Map<String, Value> = parent.as_object_mut().expect("an object");
                    let value = if keep { members[&name].clone() } else { members.remove(&name).expect("there") };
                    members.insert(to.to_owned(), value);
                })
            };
            mutants.push(rename(&format!("{name}x"), false));
            mutants.push(rename(&format!("{name}x"), true));
            let marked = rename(&format!("{name}\u{e000}"), true);
            mutants.push(String::from_utf8(marked).expect("JSON").replace('\u{e000}', "").into_bytes());
            let siblings: Vec<String> =
                whole.pointer(parent).and_then(Value::as_object).expect("an object").keys().cloned().collect();
            for sibling in siblings.into_iter().filter(|sibling| *sibling > name) {
                mutants.push(with(&|parent| {
                    let (one, other) = (parent[&name].take(), parent[&sibling].take());
                    (parent[&name], parent[&sibling]) = (other, one);
                }));
            }
        }
        mutants.push(with(&|parent| remove(parent, name)));
        let values = [
            json!(null),
            json!(0),
            json!(1),
            json!(2),
            json!(""),
            json!([]),
            json!({}),
            json!(true),
            json!("0".repeat(64)),
        ];
        let theirs = others.iter().filter_map(|other| other.pointer(&pointer).cloned());
        for new in values.into_iter().chain(near(value)).chain(theirs).filter(|new| new != value) {
            mutants.push(with(&|parent| *child(parent, name) = new.clone()));
        }
    }
    mutants
}

/// Any two of the outermost members from another file at once; with more, the other file would be the mutant.
pub fn pairs(file: &[u8], other: &[u8]) -> Vec<Vec<u8>> {
    let (Ok(Value::Object(whole)), Ok(Value::Object(other))) =
        (serde_json::from_slice(file), serde_json::from_slice(other))
    else {
        return Vec::new();
    };
    let names: Vec<&String> = other.keys().collect();
    let mut mutants = Vec::new();
    for (at, one) in names.iter().enumerate() {
        for two in &names[at + 1..] {
            let mut mutant: Map<String, Value> = whole.clone();
            for name in [one, two] {
                mutant.insert((*name).clone(), other[*name].clone());
            }
            mutants.push(canonical(&mutant));
        }
    }
    mutants
}

fn pointers(value: &Value) -> Vec<String> {
    let below = |name: String, value: &Value| {
        let deeper = pointers(value).into_iter().map(|rest| format!("/{name}{rest}")).collect::<Vec<_>>();
        std::iter::once(format!("/{name}")).chain(deeper).collect::<Vec<_>>()
    };
    match value {
        Value::Object(members) => {
            members.iter().flat_map(|(name, value)| below(name.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Value::Array(items) => items.iter().enumerate().flat_map(|(at, value)| below(at.to_string(), value)).collect(),
        _ => Vec::new(),
    }
}

fn unescape(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}

fn child<'a>(parent: &'a mut Value, name: &str) -> &'a mut Value {
    match parent {
        Value::Object(members) => members.get_mut(&unescape(name)).expect("it is there"),
        Value::Array(items) => &mut items[name.parse::<usize>().expect("an index")],
        _ => panic!("a leaf has no child"),
    }
}

fn remove(parent: &mut Value, name: &str) {
    match parent {
        Value::Object(members) => drop(members.remove(&unescape(name))),
        Value::Array(items) => drop(items.remove(name.parse::<usize>().expect("an index"))),
        _ => panic!("a leaf has no child"),
    }
}

/// Values close to this one.
fn near(value: &Value) -> Vec<Value> {
    match value {
        Value::Number(number) => {
            let number = number.as_u64().unwrap_or_default();
            vec![json!(number + 1), json!(number.saturating_sub(1)), json!(number.to_string())]
        }
        Value::String(text) => vec![json!(text.to_uppercase()), json!(format!("{text}\n")), json!(format!(" {text}"))],
        Value::Array(items) => {
            let reversed: Vec<Value> = items.iter().rev().cloned().collect();
            let twice: Vec<Value> = items.iter().chain(items.last()).cloned().collect();
            vec![json!(reversed), json!(twice)]
        }
        _ => Vec::new(),
    }
}
