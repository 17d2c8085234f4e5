//! Make definitions, documents and changes, well-formed and odd, from a seed.

mod changes;
mod rules;
mod schemas;

use serde_json::{Map, Value, json};

/// SplitMix64: the same on every machine.
pub struct Odd(pub u64);

/// Names that have a meaning in some notation, and some that have none.
pub const NAMES: [&str; 16] =
    ["a", "b", "n", "list", "to", "", "a/b", "m~n", "*", "x[0]", "a.b", "é\u{1F600}", "0", "type", "a\"b", "ref"];

impl Odd {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n as u64).expect("it is small")
    }

    /// Once in so many times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// Plain ones more often than odd ones.
    pub fn name(&mut self) -> String {
        let names = if self.once_in(3) { &NAMES[..] } else { &NAMES[..5] };
        self.pick(names).to_owned()
    }

    pub fn text(&mut self) -> String {
        match self.below(12) {
            0 => String::new(),
            1 => "x".repeat(self.pick(&[509, 510, 511, 513, 5_000, 30_000])),
            2 => "aé\u{10FFFF}\u{0}~/".to_owned(),
            3 => "a".repeat(self.below(60)) + "b",
            4 => "acme.example".to_owned(),
            _ => self.pick(&["a", "b", "AC", "open", "1", "*", "$"]).to_owned(),
        }
    }

    pub fn scalar(&mut self) -> Value {
        match self.below(8) {
            0 => Value::Null,
            1 => json!(self.once_in(2)),
            2 | 3 => json!(self.pick(&[0_i64, 1, 2, 3, -1, (1 << 53) - 1, -(1 << 53) + 1])),
            4 => json!(self.pick(&[0.5, -0.25, 1e-300, 5e-324, 0.1, 4_503_599_627_370_495.5])),
            _ => json!(self.text()),
        }
    }

    /// Any value, some of them deep.
    pub fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 3 } else { 7 }) {
            0..=2 => self.scalar(),
            3 => json!([]),
            4 => Value::Array((0..self.below(4)).map(|_| self.value(depth - 1)).collect()),
            5 if self.once_in(8) => (0..self.below(26))
                .fold(self.scalar(), |inner, at| if at % 2 == 0 { json!([inner]) } else { json!({ "a": inner }) }),
            _ => self.members(depth - 1),
        }
    }

    fn members(&mut self, depth: usize) -> Value {
        let members: Map<String, Value> = (0..self.below(4)).map(|_| (self.name(), self.value(depth))).collect();
        Value::Object(members)
    }

    /// A JSON pointer, now and then one that is none.
    pub fn pointer(&mut self) -> String {
        if self.once_in(12) {
            return self.pick(&["", "/", "a", "/a~2", "/list/-", "/list/00", "/list/4294967296"]).to_owned();
        }
        let mut pointer = String::new();
        for _ in 0..=self.below(3) {
            let token = if self.once_in(4) { self.pick(&["0", "1", "9"]).to_owned() } else { self.name() };
            pointer.push('/');
            pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
        }
        pointer
    }
}
