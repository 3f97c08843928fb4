//! `validate` and the loader agree on random configurations: what one finds right, the other runs.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use common::{Bench, lines};
use corten_engine::{Source, validate};

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

/// A value: text, or a reference that may lead nowhere or in a circle.
fn value(dice: &mut Dice, inside: &str) -> String {
    match dice.roll(7) {
        0 => "\"text\"".to_owned(),
        1 => "string.to_upper(\"x\")".to_owned(),
        2 if inside == "declare" => "argument.a.value".to_owned(),
        2 if inside == "foreach" => "item".to_owned(),
        3 => "module_path".to_owned(),
        4 if dice.one_in(20) => "nowhere.at.all".to_owned(),
        5 if inside.is_empty() => format!("custom{}.x.out", dice.roll(2)),
        _ => format!("test.value.v{}.value", dice.roll(4)),
    }
}

fn body(dice: &mut Dice, inside: &str) -> String {
    let mut text = String::new();
    for label in 0..4 {
        // References go mostly to earlier ones, so that not every file is a circle.
        if !dice.one_in(40) {
            let mut initial = value(dice, inside);
            if let Some(target) = initial.strip_prefix("test.value.v").and_then(|rest| rest[..1].parse::<u64>().ok())
                && target >= label
                && !dice.one_in(30)
            {
                initial = "\"later\"".to_owned();
            }
            text += &format!("test.value \"v{label}\" {{\n initial = {initial}\n}}\n");
        }
    }
    if dice.one_in(40) {
        text += "test.value \"v0\" { }\n";
    }
    if dice.one_in(40) {
        text += ["test.sinc \"s\" { }\n", "test.sink { }\n", "test.sink \"t\" { tagg = 1 }\n", "x = 1\n"]
            [dice.roll(4) as usize];
    }
    text + &format!("test.sink \"s\" {{\n tag = {}\n}}\n", value(dice, inside))
}

fn configuration(dice: &mut Dice) -> String {
    let mut text = String::new();
    for custom in 0..2 {
        let optional = dice.one_in(2);
        text += &format!(
            "declare \"custom{custom}\" {{\nargument \"a\" {{\n optional = {optional}\n default = \"d\"\n}}\n{}export \"out\" {{\n value = {}\n}}\n}}\n",
            body(dice, "declare"),
            value(dice, "declare"),
        );
        let given = match dice.roll(8) {
            0 => String::new(),
            1 => "b = 1".to_owned(),
            _ => format!("a = {}", value(dice, "")),
        };
        text += &format!("custom{custom} \"x\" {{\n {given}\n}}\n");
    }
    text += &body(dice, "");
    let inner = body(dice, "foreach");
    text + &format!("foreach \"f\" {{\n collection = [\"p\", \"q\"]\n var = \"item\"\n template {{\n{inner} }}\n}}\n")
}

#[tokio::test(start_paused = true)]
async fn validate_and_load_agree() {
    let given = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let (mut right, mut wrong) = (0, 0);
    for seed in given.map_or(1..801, |seed| seed..seed + 1) {
        let text = configuration(&mut Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1));
        let bench = Bench::new();
        let (map, diagnostics) = validate(&Source::text("test.alloy", &*text), &bench.settings);
        let found = lines(&map, &diagnostics);
        match bench.load(&text).await {
            Ok(_) => {
                assert!(found.is_empty(), "SIM_SEED={seed}: it loads, but validate says {found:?}\n{text}");
                assert!(bench.load(&text).await.is_ok(), "SIM_SEED={seed}: not twice");
                right += 1;
            }
            Err(error) => {
                let said = lines(&error.source_map, &error.diagnostics);
                assert!(!said.is_empty(), "SIM_SEED={seed}: refused without a reason");
                assert!(!found.is_empty(), "SIM_SEED={seed}: validate finds nothing, but {said:?}\n{text}");
                wrong += 1;
            }
        }
    }
    println!("{right} right, {wrong} wrong");
    assert!(given.is_some() || (right > 100 && wrong > 100), "{right} right, {wrong} wrong");
}
